import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { formatTcpAddress, MemoryNetwork, parseTcpAddress, sourcePrefixOf, tcpTransport } from '@fog/transport';
import { manualClock } from './link/link-stage.ts';
import { gone, testTransport } from './transport-compliance.ts';

testTransport('tcp', {
  listening: tcpTransport,
  dialling: tcpTransport,
  anyAddress: '127.0.0.1:0',
  deadAddress: '127.0.0.1:1',
  badAddress: 'nowhere',
});

const network = new MemoryNetwork();
network.setReachable('silent', false);
testTransport('memory', {
  listening: network.transportOf('server'),
  dialling: network.transportOf('client'),
  anyAddress: '',
  deadAddress: 'nobody',
  silentAddress: 'silent',
});

let chunks = 0;
const slow = new MemoryNetwork({ delayMilliseconds: () => [0, 2, 1, 0.5][chunks++ % 4] ?? 0 });
testTransport('memory with a delay that varies', {
  listening: slow.transportOf('server'),
  dialling: slow.transportOf('client'),
  anyAddress: '',
  deadAddress: 'nobody',
});

test('a cut ends the connections of one name with another, and no others', async () => {
  const lines = new MemoryNetwork();
  const taken: Duplex[] = [];
  await lines.transportOf('hub').listen('hub', (stream) => taken.push(stream));
  const first = await lines.transportOf('one').dial('hub');
  const second = await lines.transportOf('two').dial('hub');
  const closed = [gone(first), gone(taken[0] as Duplex)];
  assert.equal(lines.cut('hub', 'one'), 1);
  await Promise.all(closed);
  assert.equal(second.destroyed, false);
  assert.equal(lines.cut('hub'), 1);
  assert.equal(lines.cut('hub'), 0);
});

test('in memory no chunk overtakes another, whatever their delays', async () => {
  const clock = manualClock();
  const delays = [0, 0, 50, 10, 30];
  const lines = new MemoryNetwork({ clock, delayMilliseconds: () => delays.shift() ?? 0 });
  let received = '';
  await lines.transportOf('server').listen('server', (stream) => {
    stream.on('data', (chunk: Buffer) => {
      received += `${chunk}@${clock.now()} `;
    });
  });
  const stream = await lines.transportOf('client').dial('server');
  for (const text of ['a', 'b', 'c']) stream.write(text);
  await clock.advance(100);
  assert.equal(received, 'a@50 b@50 c@50 ');
  stream.destroy();
});

test('addresses of TCP are read and written', () => {
  for (const text of ['127.0.0.1:0', '[::1]:4000', 'mix.example:65535']) {
    assert.equal(formatTcpAddress(parseTcpAddress(text)), text);
  }
  for (const text of ['', ':1', 'host', 'host:', 'host:65536', '::1:80', 'a b:1', '[::1]', 'host:1:2', '[x]:1']) {
    assert.throws(() => parseTcpAddress(text), { code: 'invalid-configuration' }, text);
  }
});

test('sources are told apart by the prefix that nobody leaves by another address', () => {
  const prefixes: [string, string][] = [
    ['192.0.2.77:4000', '192.0.2.0/24'],
    ['[::ffff:192.0.2.78]:1', '192.0.2.0/24'],
    ['[2001:db8:1:2:3:4:5:6]:1', '2001:db8:1::/48'],
    ['[2001:0DB8:1:3::9]:1', '2001:db8:1::/48'],
    ['[2001:db8::9]:1', '2001:db8:0::/48'],
    ['[fe80::1%eth0]:1', 'fe80:0:0::/48'],
    ['[::1]:1', '0:0:0::/48'],
    ['[64:ff9b::192.0.2.1]:1', '64:ff9b:0::/48'],
    ['mix-1', 'mix-1'],
  ];
  for (const [address, prefix] of prefixes) assert.equal(sourcePrefixOf(address), prefix);
});
