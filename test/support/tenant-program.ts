/** A program of a tenant: an HTTP server in Perl, which every Debian has, with a few paths that misbehave. */
import { existsSync } from 'node:fs';

export const skipPerl: string | false = existsSync('/usr/bin/perl') ? false : 'there is no /usr/bin/perl here';

/**
 *     GET  /echo       what it was asked: request line and headers, as text
 *     POST /length     the number of bytes of the body
 *     GET  /bytes/N    N bytes, in pieces of 64 KiB
 *     GET  /slow       half of an answer, the rest a second later
 *     GET  /die        half of an answer, then the whole program ends
 *     GET  /redirect   307 to the path behind `to=`
 *     GET  /socket     becomes a WebSocket, as far as the head goes, and sends back what it gets
 *     GET  /healthz    200, unless the program was told to be sick by /sick
 *     GET  /replica    FOG_PARTITION_INDEX
 */
export const TENANT_SERVER = String.raw`
use strict; use IO::Socket::INET;
$| = 1; $SIG{CHLD} = 'IGNORE'; $SIG{PIPE} = 'IGNORE';
my $parent = $$; my $sick = 0; $SIG{USR1} = sub { $sick = 1 };
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 8080, Listen => 64, ReuseAddr => 1) or die "port: $!";
print "serving\n";
while (1) {
  my $client = $server->accept or next;
  if (fork) { close $client; next }
  close $server; serve($client); close $client; exit 0;
}
sub answer { my ($client, $status, $headers, $body) = @_;
  print $client "HTTP/1.1 $status\r\n$headers" . "Content-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body"; }
sub serve {
  my ($client) = @_; my $head = ''; binmode $client;
  while (my $line = <$client>) { last if $line =~ /^\r?\n$/; $head .= $line }
  my ($method, $path) = $head =~ m{^(\S+) (\S+)};
  my ($length) = $head =~ /^content-length: (\d+)/im;
  if ($path =~ m{^/echo}) { answer($client, '200 OK', "Content-Type: text/plain\r\nSet-Cookie: session=stolen\r\nX-App: yes\r\n", $head) }
  elsif ($path =~ m{^/length}) { my $got = 0; my $buffer;
    if (defined $length) { while ($got < $length) { my $read = read($client, $buffer, 65536); last unless $read; $got += $read } }
    else { while (my $size = <$client>) { my $bytes = hex $size; last unless $bytes; $got += read($client, $buffer, $bytes); <$client> } }
    answer($client, '200 OK', '', $got) }
  elsif ($path =~ m{^/bytes/(\d+)}) { my $left = $1;
    print $client "HTTP/1.1 200 OK\r\nContent-Length: $left\r\nConnection: close\r\n\r\n";
    my $piece = 'x' x 65536;
    while ($left > 0) { my $size = $left < 65536 ? $left : 65536; last unless print $client substr($piece, 0, $size); $left -= $size } }
  elsif ($path =~ m{^/slow}) { $client->autoflush(1);
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nfirst"; sleep 1; print $client "after" }
  elsif ($path =~ m{^/die}) { $client->autoflush(1);
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nfirst"; kill 'KILL', $parent; sleep 1 }
  elsif ($path =~ m{^/redirect\?to=(\S+)}) { answer($client, '307 Elsewhere', "Location: $1\r\n", '') }
  elsif ($path =~ m{^/socket}) { $client->autoflush(1);
    print $client "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-App: yes\r\n\r\n";
    while (sysread($client, my $bytes, 4096)) { print $client $bytes } }
  elsif ($path =~ m{^/sick}) { kill 'USR1', $parent; answer($client, '200 OK', '', 'sick') }
  elsif ($path =~ m{^/healthz}) { answer($client, $sick ? '500 Sick' : '200 OK', '', $sick ? 'feeling sick' : 'well') }
  elsif ($path =~ m{^/replica}) { answer($client, '200 OK', '', $ENV{FOG_PARTITION_INDEX}) }
  else { answer($client, '404 Not Found', '', 'no such thing') }
}
`;
