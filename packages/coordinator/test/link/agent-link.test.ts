/** The agent link from outside, over real WebSockets: whatever one agent does, the others go on. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  AGENT_PROTOCOL,
  type AttemptName,
  coordinatorSettingsSchema,
  FogClient,
  type JobSpecInput,
  LIMITS,
} from '@fog/contract';
import fc from 'fast-check';
import type { WebSocket } from 'ws';
import { type RunningCoordinator, startCoordinator } from '../../src/index.ts';
import { DISPATCH_LIMITS } from '../../src/limits.ts';
import { serveAgent } from '../../src/link/agent-link.ts';
import { LinkClient, newKey } from './link-client.ts';

const MODULE_BYTES = Buffer.from('a module');
const MODULE = `sha256:${createHash('sha256').update(MODULE_BYTES).digest('hex')}`;
const SPEC: JobSpecInput = { kind: 'Job', spec: { task: { runtime: 'wasm', wasm: { module: MODULE } } } };
const DONE = {
  event: 'succeed' as const,
  outputs: [],
  usage: { wallMilliseconds: 1, cpuMilliseconds: null, peakMemoryBytes: null },
  engine: 'test',
  logBytes: 0,
};

let directory: string;
let coordinator: RunningCoordinator;
let joinToken: string;
let client: FogClient;
let clock = Date.now();
const warnings: { message: string; data: Record<string, unknown> | undefined }[] = [];

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fog-link-'));
  const settings = coordinatorSettingsSchema.parse({ listen: '127.0.0.1:0' });
  const log = (level: string, message: string, data?: Record<string, unknown>) =>
    void (level === 'warn' && warnings.push({ message, data }));
  coordinator = await startCoordinator({ dataDirectory: directory, settings, log, now: () => clock });
  joinToken = (await coordinator.createToken({ scope: 'node', principal: 'olga' })).token;
  client = new FogClient({ url: coordinator.url, token: coordinator.adminToken });
  await client.putBlob(MODULE, MODULE_BYTES);
});

after(async () => {
  await coordinator.close();
  await rm(directory, { recursive: true, force: true });
});

/** A healthy agent that works beside the other one does, during `work`. */
async function beside(work: () => Promise<void>): Promise<void> {
  const healthy = await LinkClient.open(coordinator.url);
  await healthy.join(joinToken);
  try {
    await work();
    const job = await client.call('submitJob', { body: { spec: SPEC } });
    healthy.journal(1, [{ attempt: await leased(healthy, job.id), atMilliseconds: 1, report: DONE }]);
    assert.equal((await healthy.frame('ack')).sequence, 1);
    assert.equal((await client.call('getJob', { params: { job: job.id } })).state, 'completed');
  } finally {
    healthy.socket.close();
    await healthy.end();
  }
}

async function leased(agent: LinkClient, job: string): Promise<AttemptName> {
  const find = () =>
    agent.frames.flatMap((frame) => (frame.type === 'lease' ? frame.groups : [])).find((group) => group.job === job);
  await agent.until('a lease', () => find() !== undefined);
  const [lease] = find()?.leases ?? [];
  assert.ok(lease !== undefined);
  return { job, ...lease };
}

async function assertRefused(agent: LinkClient, code: string, text: RegExp = /./): Promise<void> {
  const { problem } = await agent.frame('refuse');
  assert.equal(problem.code, code);
  assert.match(problem.detail, text);
  assert.equal((await agent.end()).code, 4000);
}

describe('an agent that cannot be let in', () => {
  test('speaks another version: both are named', async () => {
    const agent = await LinkClient.open(coordinator.url);
    agent.send(await agent.hello(joinToken, { protocol: 77 }));
    await assertRefused(agent, 'protocol-version', new RegExp(`77.*\\b${AGENT_PROTOCOL}\\b`));
    const later = await LinkClient.open(coordinator.url);
    later.send({ ...(await later.hello(joinToken, { protocol: 78 })), capabilities: ['of a later version'] } as never);
    await assertRefused(later, 'protocol-version', new RegExp(`78.*\\b${AGENT_PROTOCOL}\\b`));
  });

  test('signs for another key, another nonce or another boot', async () => {
    for (const change of [{ signature: 'A'.repeat(86) }, { bootId: 'boot-0002' }, { publicKey: newKey().publicKey }]) {
      const agent = await LinkClient.open(coordinator.url);
      agent.send(await agent.hello(joinToken, change));
      await assertRefused(agent, 'unauthenticated');
    }
    const [one, two] = [await LinkClient.open(coordinator.url), await LinkClient.open(coordinator.url)];
    two.send(await one.hello(joinToken));
    await assertRefused(two, 'unauthenticated');
    one.socket.terminate();
  });

  test('has an id that is not the hash of its key', async () => {
    const agent = await LinkClient.open(coordinator.url);
    agent.send(await agent.hello(joinToken, { nodeId: newKey().id }));
    await assertRefused(agent, 'unauthenticated');
  });

  test('brings no token, a forged, expired or revoked one, or one of another scope', async () => {
    const submit = await coordinator.createToken({ scope: 'submit', principal: 'eve' });
    const short = await coordinator.createToken({ scope: 'node', principal: 'eve', expires: '1s' });
    const revoked = await coordinator.createToken({ scope: 'node', principal: 'eve' });
    await client.call('revokeToken', { params: { token: revoked.id } });
    clock += 2000;
    const forged = joinToken.slice(0, -3) + (joinToken.endsWith('abc') ? 'abd' : 'abc');
    for (const [token, code, text] of [
      [undefined, 'unauthenticated', /join token/],
      ['nonsense', 'unauthenticated', /not a fog token/],
      [forged, 'unauthenticated', /token is not/],
      [submit.token, 'forbidden', /scope/],
      [short.token, 'unauthenticated', /expired/],
      [revoked.token, 'unauthenticated', /revoked/],
    ] as const) {
      const agent = await LinkClient.open(coordinator.url);
      agent.send(await agent.hello(token));
      await assertRefused(agent, code, text);
    }
  });

  test('is known by its key: then it needs no token', async () => {
    const key = newKey();
    const first = await LinkClient.open(coordinator.url, { key });
    const { session } = await first.join(joinToken);
    const second = await LinkClient.open(coordinator.url, { key });
    assert.equal((await second.join(undefined)).session, session + 1);
    assert.equal((await first.end()).code, 4000, 'the older link is closed');
    second.socket.terminate();
  });
});

const ENTRY = {
  attempt: { job: 'j000000000000000000', partition: 0, fence: 1 },
  atMilliseconds: 1,
  report: { event: 'start' as const },
};

describe('an agent that breaks the protocol is refused, and nobody else', () => {
  const early: Record<string, (agent: LinkClient) => void> = {
    'garbage text': (agent) => agent.send('not JSON {'),
    'a binary frame': (agent) => agent.socket.send(Buffer.from([1, 2, 3])),
    'an unknown type': (agent) => agent.send({ type: 'gossip' }),
    'a field too many': (agent) => agent.send({ type: 'goodbye', really: true }),
    'a journal before the hello': (agent) => agent.journal(1, [ENTRY]),
    'deeply nested text': (agent) => agent.send('['.repeat(200_000)),
  };
  for (const [what, send] of Object.entries(early)) {
    test(what, () =>
      beside(async () => {
        const agent = await LinkClient.open(coordinator.url);
        send(agent);
        await assertRefused(agent, 'protocol-violation');
      }),
    );
  }

  const late: Record<string, (agent: LinkClient) => Promise<void> | void> = {
    'garbage text': (agent) => agent.send('}'),
    'a second hello': async (agent) => agent.send(await agent.hello(joinToken)),
    'a gap in the journal': (agent) => agent.journal(3, [ENTRY]),
    'a count that no database takes': (agent) => {
      const usage = { networkReceivedBytes: null, networkSentBytes: null, diskBytes: null, processes: null };
      const sample = { ...usage, cpuMilliseconds: 1e300, memoryBytes: null };
      agent.send({ type: 'samples', samples: [{ attempt: ENTRY.attempt, usage: sample }] });
    },
    'too many entries': (agent) =>
      agent.journal(
        1,
        Array.from({ length: LIMITS.journalEntries + 1 }, () => ENTRY),
      ),
  };
  for (const [what, send] of Object.entries(late)) {
    test(`${what} after the welcome`, () =>
      beside(async () => {
        const agent = await LinkClient.open(coordinator.url);
        await agent.join(joinToken);
        await send(agent);
        await assertRefused(agent, 'protocol-violation');
      }));
  }

  test('a frame beyond the limit ends the link', () =>
    beside(async () => {
      const agent = await LinkClient.open(coordinator.url);
      await agent.join(joinToken);
      agent.send('x'.repeat(LIMITS.frameBytes + 1));
      assert.equal((await agent.end()).code, 1009);
    }));

  test('a flood of garbage is refused once', () =>
    beside(async () => {
      const agent = await LinkClient.open(coordinator.url);
      warnings.length = 0;
      for (let index = 0; index < 500; index += 1) agent.send('garbage');
      await agent.end();
      assert.equal(warnings.filter(({ message }) => message === 'an agent was refused').length, 1);
    }));

  test('identifiers that no database takes are refused before they get there', () =>
    beside(async () => {
      const agent = await LinkClient.open(coordinator.url);
      agent.send(await agent.hello(joinToken, { journalId: 'journal-\0-1' }));
      await assertRefused(agent, 'protocol-violation');
    }));
});

describe('the journal', () => {
  test('a frame of 1000 entries is acknowledged at once; old entries are ignored and acknowledged again', async () => {
    const agent = await LinkClient.open(coordinator.url);
    await agent.join(joinToken);
    const entries = Array.from({ length: LIMITS.journalEntries }, () => ENTRY);
    agent.journal(1, entries);
    await agent.until('all are acknowledged', () =>
      agent.frames.some((frame) => frame.type === 'ack' && frame.sequence === 1000),
    );
    agent.journal(1, entries);
    agent.journal(995, [...entries.slice(0, 6), ENTRY]);
    await agent.until('the new one is acknowledged', () =>
      agent.frames.some((frame) => frame.type === 'ack' && frame.sequence === 1001),
    );
    assert.equal(agent.closed, null);
    agent.socket.terminate();
  });

  test('goes on where it stood after a cut, and begins anew under another name', async () => {
    const key = newKey();
    const first = await LinkClient.open(coordinator.url, { key, journalId: 'journal-1' });
    await first.join(joinToken);
    first.journal(1, [ENTRY, ENTRY]);
    await first.frame('ack');
    const second = await LinkClient.open(coordinator.url, { key, journalId: 'journal-1' });
    assert.equal((await second.join(undefined)).acknowledged, 2);
    const third = await LinkClient.open(coordinator.url, { key, journalId: 'journal-2' });
    assert.equal((await third.join(undefined)).acknowledged, 0);
    for (const agent of [first, second, third]) agent.socket.terminate();
  });

  test('a report on the attempt of another node changes nothing', async () => {
    const [holder, stranger] = [await LinkClient.open(coordinator.url), await LinkClient.open(coordinator.url)];
    await holder.join(joinToken);
    const job = await client.call('submitJob', { body: { spec: SPEC } });
    const attempt = await leased(holder, job.id);
    await stranger.join(joinToken);
    stranger.journal(1, [{ attempt, atMilliseconds: 1, report: DONE }]);
    await stranger.frame('ack');
    assert.equal((await client.call('getJob', { params: { job: job.id } })).state, 'running');
    holder.journal(1, [{ attempt, atMilliseconds: 1, report: DONE }]);
    await holder.frame('ack');
    assert.equal((await client.call('getJob', { params: { job: job.id } })).state, 'completed');
    for (const agent of [holder, stranger]) agent.socket.terminate();
  });

  test('what programs write into messages is text that every database takes', async () => {
    const agent = await LinkClient.open(coordinator.url);
    await agent.join(joinToken);
    const { id } = await client.call('submitJob', { body: { spec: SPEC } });
    const attempt = await leased(agent, id);
    const { outputs: _, ...rest } = DONE;
    const report = { ...rest, event: 'fail' as const, reason: 'exit-code' as const, message: 'a\0b', exitCode: 3 };
    agent.journal(1, [{ attempt, atMilliseconds: 1, report }]);
    await agent.frame('ack');
    const task = await client.call('getTask', { params: { job: id, partition: 0 } });
    assert.equal(task.message, 'a\uFFFDb');
    agent.socket.terminate();
  });

  test('goodbye ends the link in peace, and heartbeats are answered', async () => {
    const agent = await LinkClient.open(coordinator.url);
    await agent.join(joinToken);
    agent.send({ type: 'heartbeat', cpuBusy: 0.5, memoryFreeBytes: null });
    await agent.frame('beat');
    agent.send({ type: 'goodbye' });
    assert.deepEqual(await agent.end(), { code: 4000, reason: 'goodbye' });
  });
});

test('an agent that does not read is cut before its frames fill the memory', () => {
  const sent: string[] = [];
  const ended: string[] = [];
  const socket = Object.assign(new EventEmitter(), {
    OPEN: 1,
    readyState: 1,
    bufferedAmount: 0,
    send: (frame: string) => void sent.push(frame),
    close: () => undefined,
    terminate: () => void ended.push('terminated'),
  });
  const unused = {} as Parameters<typeof serveAgent>[1];
  serveAgent(socket as unknown as WebSocket, { ...unused, warn: () => undefined });
  socket.bufferedAmount = DISPATCH_LIMITS.linkBufferBytes + 1;
  socket.emit('message', Buffer.from('garbage'), false);
  assert.equal(sent.length, 1, 'the challenge alone');
  assert.deepEqual(ended, ['terminated']);
  socket.emit('close');
});

test('no text makes the coordinator fall over', () =>
  beside(async () => {
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record(
          { type: fc.constantFrom('hello', 'journal', 'log', 'capacity', 'heartbeat', 'goodbye', '__proto__') },
          { noNullPrototype: false },
        )
        .chain((frame) => fc.object().map((rest) => JSON.stringify({ ...rest, ...frame }))),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const agent = await LinkClient.open(coordinator.url);
        agent.send(text);
        const isHeartbeat = /^\{"type":"heartbeat","cpuBusy":/.test(text);
        if (isHeartbeat) agent.socket.terminate();
        assert.equal((await agent.end()).code, isHeartbeat ? 1006 : 4000);
      }),
      { numRuns: 60 },
    );
  }));
