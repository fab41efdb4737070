/** Requests whose replica's node is linked to another coordinator, and replicas that cannot be reached. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, test } from 'node:test';
import { FogError, type Job, parseJobSpec } from '@fog/contract';
import type { TunnelStream } from '@fog/contract/node';
import fc from 'fast-check';
import { refuseUpgrade } from '../../src/proxy/http-forward.ts';
import { PortProxy } from '../../src/proxy/port-proxy.ts';
import type { Replica, ServiceTask } from '../../src/proxy/replicas.ts';

const JOB = 'j000000000000000001';
const PATH = `/v1/jobs/${JOB}/ports/web/http/page?x=1`;

const spec = parseJobSpec({
  kind: 'Job',
  spec: {
    type: 'service',
    task: {
      runtime: 'process',
      process: { command: ['server'] },
      ports: [{ name: 'web', port: 8080, protocol: 'http' }],
    },
  },
});
const taskOf = ({ partition }: Replica) => ({ job: JOB, partition, waitsFor: null, failure: null });
const job = { id: JOB, spec, endedAt: null, submitter: 'alice' } as Job;

describe('a request to a published port', () => {
  let server: Server;
  let peer: Server;
  let replicas: Replica[] = [];
  let waiting: ServiceTask[] = [];
  let here = new Set<string>();
  const tried: number[] = [];
  /** What a program does with its connections; null while it cannot be reached. */
  let program: ((connection: Duplex) => void) | null = null;
  let refusal = new FogError('unavailable', 'nobody listens');
  const seen: IncomingMessage[] = [];

  const proxy = new PortProxy({
    authenticate: async () => ({ scope: 'submit', principal: 'alice' }),
    services: {
      find: async () => ({ title: `job ${JOB}`, jobs: [job], replicas, tasks: [...replicas.map(taskOf), ...waiting] }),
      forget: () => {},
    },
    tunnels: {
      open: async ({ attempt }) => {
        tried.push(attempt.partition);
        if (program === null) throw refusal;
        const [near, far] = duplexPair();
        for (const end of [near, far]) end.on('error', () => {});
        program(far);
        return near as TunnelStream;
      },
    },
    isHere: (node) => here.has(node),
    coordinatorId: 'c1',
  });

  before(async () => {
    peer = createServer((incoming, outgoing) => {
      seen.push(incoming);
      outgoing.writeHead(200, { 'x-peer': 'yes', 'content-security-policy': 'sandbox' }).end('from the other one');
    });
    peer.on('upgrade', (incoming: IncomingMessage, socket: Socket) => {
      seen.push(incoming);
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbytes');
    });
    server = createServer((incoming, outgoing) => {
      proxy
        .request(incoming, outgoing, () => {})
        .catch((error: unknown) => outgoing.writeHead(FogError.from(error).status).end(FogError.from(error).message));
    });
    server.on('upgrade', (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
      proxy
        .upgrade(incoming, socket, head, () => assert.fail())
        .catch((error: unknown) => refuseUpgrade(socket, FogError.from(error)));
    });
    for (const each of [server, peer]) await once(each.listen(0, '127.0.0.1'), 'listening');
  });
  after(() => {
    for (const each of [server, peer]) {
      each.closeAllConnections();
      each.close();
    }
  });
  beforeEach(() => {
    tried.length = 0;
    seen.length = 0;
    here = new Set();
    program = null;
    replicas = [replica(0, 'n1')];
    waiting = [];
  });

  const url = (of: Server) => `http://127.0.0.1:${(of.address() as AddressInfo).port}`;
  const replica = (partition: number, node: string, coordinator = { id: 'c2', url: url(peer) }): Replica => ({
    job: JOB,
    partition,
    fence: 1,
    state: 'running',
    node,
    nodeState: 'connected',
    health: null,
    coordinator,
  });
  async function ask(path = PATH, headers: Record<string, string> = {}, body?: string) {
    const asked = request(url(server) + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: 'Bearer t', ...headers },
    });
    asked.end(body);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return { status: answer.statusCode, headers: answer.headers, body: await text(answer) };
  }

  test('for a replica that there is not is 404, for one that pauses 503 with its failure, for no number 400', async () => {
    waiting = [{ job: JOB, partition: 1, waitsFor: 'pause', failure: 'ended: exit code 0' }];
    const missing = await ask(`${PATH}&replica=7`);
    assert.deepEqual([missing.status, missing.body], [404, `job ${JOB} has no replica 7`]);
    const pausing = await ask(`${PATH}&replica=1`);
    assert.deepEqual(
      [pausing.status, pausing.body],
      [503, `replica 1 of job ${JOB} is not ready: 1 in its pause after a failure (ended: exit code 0)`],
    );
    const wrong = await ask(`${PATH}&replica=x`);
    assert.deepEqual([wrong.status, wrong.body], [400, '"x" is not the number of a replica']);
  });

  test('is passed on to the coordinator that holds the link, for this replica, with the token', async () => {
    const answer = await ask(PATH, { 'x-own': '1' }, 'a body');
    assert.deepEqual([answer.status, answer.body, answer.headers['x-peer']], [200, 'from the other one', 'yes']);
    assert.equal(seen[0]?.url, `${PATH}&replica=0`);
    const { authorization, 'fog-passed-on': by, 'x-own': own, host } = seen[0]?.headers ?? {};
    assert.deepEqual([authorization, by, own, host], ['Bearer t', 'c1', '1', url(peer).slice('http://'.length)]);
    await ask(`${PATH}&replica=0`);
    assert.equal(seen[1]?.url, `${PATH}&replica=0`);
  });

  test('is not passed on twice', async () => {
    const answer = await ask(PATH, { 'fog-passed-on': 'c9' });
    assert.equal(answer.status, 503);
    assert.match(answer.body, /links of their nodes are down/);
    assert.equal(seen.length, 0);
  });

  test('names the coordinator when that does not answer', async () => {
    replicas = [replica(0, 'n1', { id: 'c2', url: 'http://127.0.0.1:1' })];
    const answer = await ask();
    assert.equal(answer.status, 503);
    assert.match(answer.body, /linked to the coordinator at http:\/\/127\.0\.0\.1:1/);
  });

  test('a WebSocket is passed on as well', async () => {
    const asked = request(url(server) + PATH, { headers: { connection: 'Upgrade', upgrade: 'websocket' } });
    asked.end();
    const [, socket, head] = (await once(asked, 'upgrade')) as [IncomingMessage, Socket, Buffer];
    assert.equal(head.toString() + (await text(socket)), 'bytes');
    assert.equal(seen[0]?.headers['fog-passed-on'], 'c1');
  });

  test('tries the next replica when one refuses, and not for ever', async () => {
    here = new Set(['n1', 'n2']);
    replicas = [0, 1, 2, 3, 4].map((partition) => replica(partition, 'n1'));
    assert.match((await ask()).body, /no replica .* can be reached on port "web": nobody listens/);
    assert.equal(tried.length, 3);
    replicas = [replica(0, 'n1'), replica(1, 'elsewhere')];
    assert.equal((await ask()).status, 200);
  });

  test('property: whatever a program answers, the client has an answer or a break, and nothing else breaks', async () => {
    here = new Set(['n1']);
    const piece = fc.oneof(
      fc.constantFrom('HTTP/1.1 ', 'HTTP/1.0 ', '200 OK', '099 No', '000 ', '101 Go', '304 Same', '999 Odd', '\r\n'),
      fc.constantFrom('Content-Length: ', 'Transfer-Encoding: chunked', 'Connection: Upgrade', 'Upgrade: websocket'),
      fc.constantFrom(
        'Location: ',
        '/v1/nodes',
        'Set-Cookie: a=b',
        '\r\n\r\n',
        '3\r\nabc\r\n0\r\n\r\n',
        ': ',
        '5',
        '\xff',
      ),
      fc.constantFrom('Set-Cookie: a=b\r\n', 'Location: /v1/nodes\r\n', 'X-Own: 1\r\n', 'Content-Length: 0\r\n\r\n'),
      fc.string(),
    );
    const start = fc.constantFrom('', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 099 No\r\n\r\n', 'HTTP/1.1 101 Go\r\n');
    await fc.assert(
      fc.asyncProperty(start, fc.array(piece, { maxLength: 10 }), fc.boolean(), async (head, pieces, upgrades) => {
        program = (connection) => {
          connection.once('data', () => connection.end(Buffer.from(head + pieces.join(''), 'latin1')));
        };
        const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
        const upgrade = upgrades ? 'Connection: Upgrade\r\nUpgrade: websocket\r\n' : 'Connection: close\r\n';
        socket.write(`GET ${PATH} HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`);
        const answer = await text(socket).catch(() => '');
        assert.match(answer, /^(HTTP\/1\.1 (?!0)\d{3} |$)/);
        assert.doesNotMatch(answer.split('\r\n\r\n', 1)[0] ?? '', /^set-cookie|^location: \/(?!v1\/jobs\/)/im);
      }),
      { numRuns: 600 },
    );
  });

  test('a limit that is reached is told as such, and not tried elsewhere', async () => {
    here = new Set(['n1']);
    refusal = new FogError('too-many-requests', 'too many');
    assert.equal((await ask()).status, 429);
    assert.equal(tried.length, 1);
  });
});
