import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { EgressProxy } from '../../src/network/egress-proxy.ts';

interface Seen {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

describe('egress proxy', () => {
  const seen: Seen[] = [];
  const resolved: string[] = [];
  let addresses: readonly string[] = ['127.0.0.1'];
  const origin = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
    response.setHeader('connection', 'x-hop');
    response.setHeader('x-hop', 'mine');
    response.end('from the origin');
  });
  const echo = createTcpServer((socket) => socket.pipe(socket));
  const entry = createTcpServer({ allowHalfOpen: true }, (socket) => proxy.accept(socket));
  let proxy: EgressProxy;
  const portOf = (server: Server) => (server.address() as AddressInfo).port;

  before(async () => {
    for (const server of [origin, echo, entry]) await once(server.listen(0, '127.0.0.1'), 'listening');
    const allow = [portOf(origin), portOf(echo)].flatMap((port) => [`127.0.0.1:${port}`, `inner.test:${port}`]);
    proxy = new EgressProxy({
      allow: [...allow, 'rebound.test:*', 'localhost:*', 'closed.test:1', '127.0.0.1:1', 'lost.test:80'],
      resolve: async (host) => {
        resolved.push(host);
        if (host === 'lost.test') throw new Error('ENOTFOUND');
        return addresses;
      },
    });
  });
  after(() => {
    proxy.close();
    for (const server of [origin, echo, entry]) server.close();
    origin.closeAllConnections();
  });

  /** Sends bytes and returns all that comes back until the end. */
  async function exchange(text: string | Uint8Array): Promise<string> {
    const socket = connect(portOf(entry), '127.0.0.1');
    socket.on('error', () => {});
    socket.end(text);
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
    });
    await once(socket, 'close');
    return answer;
  }

  it('forwards a request, with its body and its own headers and without those of the hop', async () => {
    const url = `http://inner.test:${portOf(origin)}/a?b=c`;
    const headers =
      'Host: other\r\nX-Kept: yes\r\nX-Dropped: no\r\nConnection: x-dropped, close\r\nProxy-Authorization: me';
    const answer = await exchange(`POST ${url} HTTP/1.1\r\n${headers}\r\nContent-Length: 5\r\n\r\nhello`);
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(answer, /from the origin/);
    assert.doesNotMatch(answer, /x-hop/i);
    const request = seen.at(-1) ?? assert.fail();
    assert.deepEqual([request.method, request.url, request.body], ['POST', '/a?b=c', 'hello']);
    assert.equal(request.headers.host, `inner.test:${portOf(origin)}`);
    assert.equal(request.headers['x-kept'], 'yes');
    assert.equal(request.headers['x-dropped'], undefined);
    assert.equal(request.headers['proxy-authorization'], undefined);
  });

  it('forwards a body in chunks', async () => {
    const url = `http://127.0.0.1:${portOf(origin)}/`;
    const chunks = '3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n';
    await exchange(
      `PUT ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`,
    );
    assert.equal(seen.at(-1)?.body, 'abcdefg');
  });

  it('tunnels to a listed target', async () => {
    const socket: Socket = connect(portOf(entry), '127.0.0.1');
    socket.write(`CONNECT inner.test:${portOf(echo)} HTTP/1.1\r\nHost: x\r\n\r\nearly`);
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk;
      if (answer.endsWith('early')) socket.end('late');
    });
    await once(socket, 'close');
    assert.match(answer, /^HTTP\/1\.1 200 .*\r\n\r\nearlylate$/s);
  });

  it('refuses what is not listed, without asking for its address', async () => {
    resolved.length = 0;
    for (const text of [
      'GET http://evil.test/ HTTP/1.1\r\nHost: x\r\n\r\n',
      'CONNECT evil.test:443 HTTP/1.1\r\nHost: x\r\n\r\n',
    ]) {
      assert.match(await exchange(text), /^HTTP\/1\.1 403 Forbidden\r\n.*does not list evil\.test:(80|443)\.\n$/s);
    }
    assert.deepEqual(resolved, []);
  });

  it('refuses listed names that lead to inner addresses: loopback, metadata, rebinding', async () => {
    const port = portOf(origin);
    for (const list of [
      ['127.0.0.2'],
      ['169.254.169.254'],
      ['::1'],
      ['::ffff:10.0.0.1'],
      ['10.0.0.1', '192.168.0.1'],
    ]) {
      addresses = list;
      assert.match(
        await exchange(`CONNECT rebound.test:${port} HTTP/1.1\r\nHost: x\r\n\r\n`),
        /^HTTP\/1\.1 403 /,
        `${list}`,
      );
      assert.match(await exchange(`GET http://rebound.test:${port}/ HTTP/1.1\r\nHost: x\r\n\r\n`), /^HTTP\/1\.1 403 /);
    }
    addresses = ['127.0.0.1'];
    // Asked once for each request: the address that was looked at is the one that is used.
    resolved.length = 0;
    await exchange(`CONNECT inner.test:${portOf(echo)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.deepEqual(resolved, ['inner.test']);
  });

  it('says what is wrong with a request, an unknown name, a closed port', async () => {
    for (const text of [
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET https://a.test/ HTTP/1.1\r\nHost: x\r\n\r\n',
      'nonsense\r\n\r\n',
    ]) {
      assert.match(await exchange(text), /^HTTP\/1\.1 400 /, text);
    }
    assert.match(
      await exchange('CONNECT lost.test:80 HTTP/1.1\r\nHost: x\r\n\r\n'),
      /^HTTP\/1\.1 502 .*cannot be resolved/s,
    );
    assert.match(
      await exchange('CONNECT closed.test:1 HTTP/1.1\r\nHost: x\r\n\r\n'),
      /^HTTP\/1\.1 502 .*cannot be reached/s,
    );
    const flood = `GET http://inner.test/ HTTP/1.1\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`;
    assert.match(await exchange(flood), /^HTTP\/1\.1 4/);
  });

  it('survives any bytes', async () => {
    const pieces = fc.constantFrom(
      ...[
        'GET ',
        'CONNECT ',
        'http://',
        'inner.test',
        ':80',
        ' HTTP/1.1',
        '\r\n',
        '\r\n\r\n',
        'Host: a',
        '\0',
        'é',
        '[::1]:1',
      ],
      ...[
        'Transfer-Encoding: chunked',
        'Content-Length: 5',
        'Content-Length: -1',
        'ffff',
        ':',
        ' ',
        'Upgrade: websocket',
      ],
    );
    const requests = fc.oneof(
      fc.array(pieces, { maxLength: 20 }).map((parts) => parts.join('')),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(requests, async (text) => {
        const answer = await exchange(Buffer.from(text));
        assert.ok(answer === '' || /^HTTP\/1\.1 [245]\d\d /.test(answer), answer.slice(0, 200));
      }),
      { numRuns: 200 },
    );
    assert.match(await exchange(`GET http://127.0.0.1:${portOf(origin)}/ HTTP/1.0\r\n\r\n`), /from the origin/);
  });
});
