/** Tunnels from the question to the node until they stand, over real WebSockets, with nodes that are the test. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, mock, test } from 'node:test';
import { AGENT_TUNNEL_PATH, coordinatorFrameSchema, FogError, LIMITS } from '@fog/contract';
import { TunnelStream } from '@fog/contract/node';
import { WebSocket } from 'ws';
import { PROXY_LIMITS } from '../../src/limits.ts';
import { type OpenSockets, serveUpgrades } from '../../src/link/upgrades.ts';
import { whileAllowed } from '../../src/proxy/http-forward.ts';
import { OpenCounts } from '../../src/proxy/open-counts.ts';
import { Tunnels } from '../../src/proxy/tunnels.ts';

const TARGET = { node: 'n1', attempt: { job: 'j000000000000000001', partition: 0, fence: 1 }, port: 8080 };

describe('a tunnel', () => {
  let server: Server;
  let sockets: OpenSockets;
  const asked: { node: string; id: string }[] = [];
  const tunnels = new Tunnels({
    send: (node, text) => {
      const frame = coordinatorFrameSchema.parse(JSON.parse(text));
      assert.ok(frame.type === 'tunnel' && frame.port === TARGET.port);
      asked.push({ node, id: frame.id });
      return node !== 'gone';
    },
  });

  before(async () => {
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    sockets = serveUpgrades(server, {
      serveAgent: (socket) => socket.close(4321),
      authenticateNode: async (authorization) => {
        if (!authorization?.startsWith('Bearer n')) throw new FogError('unauthenticated', 'no session');
        return authorization.slice('Bearer '.length);
      },
      tunnels,
      ports: { upgrade: async () => Promise.reject(new FogError('conflict', 'a published port')) },
    });
  });
  after(() => {
    sockets.endTunnels();
    server.close();
  });

  /** Dials as a node does; answers the stream, or the status of the refusal. */
  async function dial(id: string, token: string, path = AGENT_TUNNEL_PATH.replace(':id', id)) {
    const { port } = server.address() as AddressInfo;
    const headers = { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers });
    const refused = new Promise<number>((resolve) => {
      socket.once('unexpected-response', (_request, response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
    });
    socket.on('error', () => {});
    const open = once(socket, 'open').then(() => {
      return new TunnelStream(socket, { idleMilliseconds: 60_000 }).on('error', () => {});
    });
    return await Promise.race([open, refused]);
  }

  async function next() {
    const opening = tunnels.open(TARGET, 'alice');
    opening.catch(() => {});
    return { opening, id: asked.at(-1)?.id ?? '' };
  }

  test('is what the node dials with the id that it was told; the id is good once, and for this node', async () => {
    const { opening, id } = await next();
    assert.match(id, /^[A-Za-z0-9_-]{22}$/);
    assert.equal(await dial(id, 'n2'), 404, 'another node');
    assert.equal(await dial(id, 'x'), 401);
    const far = await dial(id, 'n1');
    assert.ok(far instanceof TunnelStream);
    assert.equal(await dial(id, 'n1'), 404, 'twice');
    far.open();
    const near = await opening;
    far.end('from the program');
    near.setEncoding('utf8');
    assert.equal(String((await once(near, 'data'))[0]), 'from the program');
    assert.equal(tunnels.count, 1);
    near.destroy();
    await once(near, 'close');
    assert.equal(tunnels.count, 0);
  });

  test('is refused with the words of the node', async () => {
    const { opening, id } = await next();
    const far = await dial(id, 'n1');
    assert.ok(far instanceof TunnelStream);
    far.destroy(new Error('Nobody listens on port 8080.'));
    await assert.rejects(opening, { code: 'unavailable', message: 'Nobody listens on port 8080.' });
    assert.equal(tunnels.count, 0);
  });

  test('is not to be had of a node whose link is gone', async () => {
    await assert.rejects(tunnels.open({ ...TARGET, node: 'gone' }, 'alice'), { code: 'unavailable' });
    assert.equal(tunnels.claim(asked.at(-1)?.id ?? '', 'gone'), null);
  });

  test('is given up when the node does not dial in time', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const { opening, id } = await next();
      mock.timers.tick(PROXY_LIMITS.openMilliseconds);
      await assert.rejects(opening, { code: 'timed-out' });
      assert.equal(tunnels.claim(id, 'n1'), null);
    } finally {
      mock.timers.reset();
    }
  });

  test('one more than the limit is refused, and frees nothing', async () => {
    const openings = await Promise.all(Array.from({ length: LIMITS.tunnelsPerAttempt }, next));
    await assert.rejects(tunnels.open(TARGET, 'bob'), { code: 'too-many-requests', message: /64 .* of this replica/ });
    assert.equal(tunnels.count, LIMITS.tunnelsPerAttempt);
    for (const { id } of openings) {
      const far = await dial(id, 'n1');
      if (far instanceof TunnelStream) far.destroy();
    }
    await Promise.allSettled(openings.map(({ opening }) => opening));
    assert.equal(tunnels.count, 0);
  });

  test('other paths lead to agents, to published ports, or nowhere', async () => {
    assert.ok((await dial('', 'n1', '/v1/agent')) instanceof TunnelStream);
    assert.equal(await dial('', 'n1', '/v1/agent/tunnels/short'), 404);
    assert.equal(await dial('', 'n1', '/v1/status'), 404);
    assert.equal(await dial('', 'n1', '/v1/jobs/j000000000000000001/ports/web/http/'), 409);
  });
});

test('counts hold under several bounds, and a place is given back once', () => {
  const counts = new OpenCounts();
  const bounds = [
    { key: 'all', most: 3, what: 'in all' },
    { key: 'a', most: 1, what: 'of a' },
  ];
  const release = counts.take(bounds);
  assert.throws(() => counts.take(bounds), { code: 'too-many-requests', message: '1 of a are open' });
  release();
  release();
  assert.equal(counts.get('all'), 0);
  counts.take(bounds)();
});

test('a long connection ends when its token is no longer good', async () => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    let ended = 0;
    let isGood = true;
    const stop = whileAllowed(
      async () => assert.ok(isGood),
      () => {
        ended += 1;
      },
    );
    mock.timers.tick(PROXY_LIMITS.recheckMilliseconds);
    await Promise.resolve();
    assert.equal(ended, 0);
    isGood = false;
    mock.timers.tick(PROXY_LIMITS.recheckMilliseconds);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(ended, 1);
    stop();
    mock.timers.tick(PROXY_LIMITS.recheckMilliseconds * 3);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(ended, 1);
  } finally {
    mock.timers.reset();
  }
});
