import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  compareVersions,
  EngineClient,
  EngineError,
  EngineUnreachable,
  socketCandidates,
} from '../../src/docker/engine-client.ts';
import { DOCKER_LIMITS } from '../../src/limits.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

describe('the engine client', () => {
  let folder: string;
  let server: Server;
  let socketPath: string;
  const seen: string[] = [];
  let apiVersion = '1.41';
  let leastVersion = '1.24';
  let answer: Answer = (_request, response) => response.end('{}');
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fog-client-'));
    socketPath = join(folder, 'engine.sock');
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      if (request.url === '/_ping') response.setHeader('Api-Version', apiVersion).end('OK');
      else if (request.url === '/version') response.end(JSON.stringify({ MinAPIVersion: leastVersion }));
      else answer(request, response);
    });
    server.on('upgrade', (request, socket) => {
      if (request.url?.endsWith('/mute')) return;
      socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nfirst ');
      socket.on('data', (data) => socket.write(data));
      socket.on('end', () => socket.end(' last'));
    });
    await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  it('speaks our version, an older engine in its own, a newer one in the oldest it still knows', async () => {
    const spoken = async (newest: string, oldest: string): Promise<string> => {
      [apiVersion, leastVersion] = [newest, oldest];
      const client = new EngineClient(socketPath);
      await client.json({ method: 'GET', path: '/info' });
      client.close();
      return /\/v([\d.]+)\/info/.exec(seen.at(-1) ?? '')?.[1] ?? '';
    };
    assert.equal(await spoken('1.41', '1.12'), '1.41');
    assert.equal(await spoken('1.32', '1.12'), '1.32');
    assert.equal(await spoken('1.52', '1.44'), '1.44');
    assert.equal(await spoken('1.52', '1.24'), '1.41');
    assert.equal(await spoken('', ''), '1.40');
    apiVersion = '1.41';
    assert.ok(compareVersions('1.9', '1.10') < 0 && compareVersions('2.0', '1.99') > 0);
  });

  it("throws the engine's own message with its status", async (context) => {
    const client = new EngineClient(socketPath);
    context.after(() => client.close());
    answer = (_request, response) => response.writeHead(404).end('{"message":"No such container: x"}');
    await assert.rejects(client.json({ method: 'GET', path: '/x' }), (error: unknown) => {
      assert.ok(error instanceof EngineError);
      assert.deepEqual([error.status, error.message], [404, 'No such container: x']);
      return true;
    });
    answer = (_request, response) => response.writeHead(500).end('no JSON\n');
    await assert.rejects(client.text({ method: 'GET', path: '/x' }), { message: 'no JSON' });
    assert.equal(await client.text({ method: 'GET', path: '/x', accept: [500] }), 'no JSON\n');
  });

  it('tells an engine that is away, breaks off or answers without end', async (context) => {
    const client = new EngineClient(socketPath);
    context.after(() => client.close());
    answer = (_request, response) => {
      response.write('half');
      setImmediate(() => response.destroy());
    };
    await assert.rejects(client.text({ method: 'GET', path: '/x' }), EngineUnreachable);
    answer = (_request, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(1 << 20))) if (response.destroyed) return;
        response.once('drain', more);
      };
      more();
    };
    await assert.rejects(client.text({ method: 'GET', path: '/x' }), EngineError);
    const absent = new EngineClient(join(folder, 'nobody.sock'));
    await assert.rejects(absent.text({ method: 'GET', path: '/x' }), EngineUnreachable);
  });

  it('ends with its signal', async (context) => {
    const client = new EngineClient(socketPath);
    context.after(() => client.close());
    answer = () => {};
    await assert.rejects(client.text({ method: 'GET', path: '/x', signal: AbortSignal.timeout(30) }), {
      name: 'TimeoutError',
    });
  });

  it('gets a connection in both directions, with what came together with the answer', async (context) => {
    const client = new EngineClient(socketPath);
    context.after(() => client.close());
    const connection = await client.hijack({ method: 'POST', path: '/attach' });
    connection.end('echo');
    let text = '';
    for await (const chunk of connection) text += chunk;
    assert.equal(text, 'first echo last');
  });

  it('waits no longer for a connection in both directions than for an answer', async (t) => {
    const client = new EngineClient(socketPath);
    await client.apiVersion();
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const opened = client.hijack({ method: 'POST', path: '/mute' });
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(DOCKER_LIMITS.engineAnswerMilliseconds);
    await assert.rejects(opened, EngineUnreachable);
    client.close();
  });

  it('looks for sockets where Docker and Podman have them, or where it is told', () => {
    assert.deepEqual(socketCandidates({ DOCKER_HOST: 'unix:///a.sock' }), ['/a.sock']);
    assert.deepEqual(socketCandidates({ DOCKER_HOST: 'tcp://10.0.0.1:2375' }), []);
    const usual = socketCandidates({ XDG_RUNTIME_DIR: '/run/user/1' });
    assert.equal(usual[0], '/var/run/docker.sock');
    assert.ok(usual.includes('/run/podman/podman.sock') && usual.includes('/run/user/1/podman/podman.sock'));
  });
});
