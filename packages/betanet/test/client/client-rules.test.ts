/** What a client does beside carrying messages: cover, loops, refusals, moving, sessions that end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Destination } from '../../src/client/client-session.ts';
import type { PathHop } from '../../src/client/epoch-keys.ts';
import { CLIENT_LIMITS } from '../../src/client/limits.ts';
import { MixClientCore } from '../../src/client/mix-client-core.ts';
import type { NetworkView } from '../../src/client/network-view.ts';
import { coverRecipient, EMPTY_PAYLOAD, encodePayload } from '../../src/client/service-messages.ts';
import { SeededRandom } from './seeded-random.ts';
import { SIZES, SimulatedNetwork } from './simulated-network.ts';
import { idOf, networkOf } from './small-network.ts';

const EPOCHS = Array.from({ length: 100 }, (_, at) => at - 1);
const VIEW = networkOf({ layers: 3, relaysPerLayer: 4, epochs: EPOCHS });
const ECHO: Destination = { node: idOf('s0'), service: 'echo', level: 'confidential' };
const NOW = VIEW.genesisMilliseconds + 1000;

const COVER_BODY = encodePayload({ ...EMPTY_PAYLOAD, kind: 'cover' }, SIZES.reply);

interface MadePacket {
  path: readonly PathHop[];
  recipient: Uint8Array;
  payload: Uint8Array;
  replyBlock: Uint8Array | null;
}

/** A client whose packets and reply blocks are looked at instead of sent. */
function watchedClient(view: NetworkView = VIEW) {
  const random = new SeededRandom(5);
  const made: MadePacket[] = [];
  const blocks: (readonly PathHop[])[] = [];
  const replyIds: string[] = [];
  const core = new MixClientCore({
    packets: {
      ...SIZES,
      createPacket: (packet) => {
        made.push(packet);
        return new Uint8Array(1);
      },
      createReplyBlock: ({ path, replyId }) => {
        blocks.push(path);
        replyIds.push(Buffer.from(replyId).toString('hex'));
        return { block: new Uint8Array(SIZES.request.replyBlockBytes), keys: new Uint8Array(8).fill(1) };
      },
      packetFromReplyBlock: () => new Uint8Array(1),
      openReply: (_, body) => (body === COVER_BODY ? body : null),
    },
    numbers: random,
    fillRandom: random.fill,
    drawDelay: (level) => (level === 'private' ? 10 : 40),
    view,
    gateway: idOf('g0'),
    recipient: idOf('me'),
    coverLevel: 'confidential',
  });
  return { core, made, blocks, replyIds };
}

const ids = (path: readonly PathHop[]) => path.map(({ id }) => Buffer.from(id).toString('hex'));
const idHex = (name: string) => Buffer.from(idOf(name)).toString('hex');

test('an empty slot is drop cover of the same size and number of hops as a message, to a service node', () => {
  const { core, made } = watchedClient();
  assert.equal(core.slot(NOW).carries, 'cover');
  core.send({ destination: ECHO, bytes: new Uint8Array(5) }, NOW);
  assert.equal(core.slot(NOW).carries, 'payload');
  const [cover, message] = made as [MadePacket, MadePacket];
  assert.deepEqual(cover.recipient, coverRecipient());
  assert.ok([idHex('s0'), idHex('s1')].includes(ids(cover.path).at(-1) ?? ''));
  assert.equal(cover.payload.length, message.payload.length);
  assert.equal(cover.path.length, message.path.length);
  assert.equal(cover.path.at(-1)?.delayMilliseconds, 0);
});

test('a loop is a packet from a reply block to the client itself, which knows it again once', () => {
  const { core, made, blocks } = watchedClient();
  const { token, delayMilliseconds, relays } = core.loop(NOW);
  assert.equal(made.length, 0, 'a packet made otherwise would look different to its gateway');
  const [loop] = blocks as [readonly PathHop[]];
  assert.deepEqual([ids(loop)[0], ids(loop).at(-1), relays], [idHex('g0'), idHex('g0'), ids(loop)]);
  assert.equal(delayMilliseconds, 160);
  const replyId = Buffer.from(token, 'hex');
  assert.deepEqual(core.receive(replyId, COVER_BODY, NOW + 200), [{ kind: 'loop', token }]);
  assert.deepEqual(core.receive(replyId, COVER_BODY, NOW + 201), []);
  const damaged = core.loop(NOW);
  assert.deepEqual(core.receive(Buffer.from(damaged.token, 'hex'), new Uint8Array(1), NOW), []);
  assert.deepEqual([core.counters.unknownReplies, core.counters.damagedReplies], [1, 1]);
  const left = core.loop(NOW);
  core.useGateway(idOf('g1'), idOf('elsewhere'), NOW);
  assert.deepEqual(core.receive(Buffer.from(left.token, 'hex'), COVER_BODY, NOW), [], 'it led to the old place');
});

test('a reply block leads back through the mixes to the gateway; service node and gateway are its ends', () => {
  const { core, made, blocks } = watchedClient();
  core.send({ destination: { ...ECHO, level: 'private' }, bytes: new Uint8Array(5) }, NOW);
  core.slot(NOW);
  const [there] = made as [MadePacket];
  const [back] = blocks as [readonly PathHop[]];
  assert.deepEqual([ids(there.path)[0], ids(there.path)[2]], [idHex('g0'), idHex('s0')]);
  assert.equal(back.length, 2);
  assert.equal(ids(back)[1], idHex('g0'));
  assert.deepEqual(
    back.map(({ delayMilliseconds }) => delayMilliseconds),
    [10, 0],
  );
});

test('a retransmission is a new packet on a path of its own, with a new reply block, and leaves only in a slot', () => {
  const { core, made, blocks, replyIds } = watchedClient();
  core.send({ destination: ECHO, bytes: new Uint8Array(5) }, NOW);
  core.slot(NOW);
  const due = core.nextDueAt();
  core.tick(due);
  assert.equal(made.length, 1, 'nothing leaves by itself');
  assert.equal(core.slot(due).carries, 'payload');
  const [first, again] = made as [MadePacket, MadePacket];
  assert.deepEqual([made.length, blocks.length], [2, 2]);
  assert.notDeepEqual(ids(again.path), ids(first.path), 'there');
  assert.notDeepEqual(ids(blocks[1] ?? []), ids(blocks[0] ?? []), 'and back');
  assert.notEqual(replyIds[1], replyIds[0]);
  assert.ok(again.replyBlock !== null && again.replyBlock !== first.replyBlock);
  assert.ok(due > NOW && due < NOW + 5000);
});

test('a level that cannot be met, an unknown node and a bad name are refused when the message is sent', () => {
  const { core } = watchedClient();
  const bytes = new Uint8Array(1);
  const send = (changes: Partial<Destination>) => () => core.send({ destination: { ...ECHO, ...changes }, bytes }, NOW);
  assert.throws(send({ level: 'secret' }), { code: 'unavailable', retryable: false });
  assert.throws(send({ node: idOf('nobody') }), { code: 'unavailable', retryable: true });
  assert.throws(send({ service: 'No Name' }), { code: 'invalid-request' });
  assert.equal(core.held.sessions, 0);
});

test('what does not fit into the queue is refused as a whole, and what was taken goes out', () => {
  const { core } = watchedClient();
  const part = new Uint8Array(20_000);
  let taken = 0;
  assert.throws(
    () => {
      for (;;) {
        core.send({ destination: { ...ECHO, isolation: `${taken % 100}` }, bytes: part }, NOW);
        taken += 1;
      }
    },
    { code: 'too-many-requests', retryable: true },
  );
  assert.ok(core.held.queuedPackets <= CLIENT_LIMITS.queuedPackets);
  assert.equal(core.held.queuedPackets, core.held.outstandingFragments);
  assert.ok(taken > 50);
});

test('sessions are bounded, and what is given up fails', () => {
  const { core } = watchedClient();
  const send = (isolation: string) =>
    core.send({ destination: { ...ECHO, isolation }, bytes: new Uint8Array(1), answerWithinMilliseconds: 1000 }, NOW);
  const messages = Array.from({ length: CLIENT_LIMITS.clientSessions }, (_, at) => send(`${at}`));
  assert.throws(() => send('one more'), { code: 'too-many-requests' });
  const [first] = messages;
  assert.ok(first);
  const effects = core.close(first.session, NOW);
  assert.deepEqual(
    effects.map((effect) => [effect.kind, 'message' in effect ? effect.message : null]),
    [['failed', first]],
  );
  assert.deepEqual(core.close(first.session, NOW), []);
  send('one more');
});

test('when no path can be made any more, slots carry cover, and the message fails with the reason', () => {
  const { core } = watchedClient();
  core.send({ destination: ECHO, bytes: new Uint8Array(1) }, NOW);
  core.useView({ ...VIEW, nodes: VIEW.nodes.filter(({ id }) => Buffer.compare(id, idOf('s0')) !== 0) });
  const effects = [];
  for (let now = NOW; now < NOW + CLIENT_LIMITS.messageLifetimeMilliseconds; now += 1000) {
    assert.equal(core.slot(now).carries, 'cover');
    effects.push(...core.tick(now));
  }
  const [failed] = effects;
  assert.ok(failed?.kind === 'failed');
  assert.equal(failed.error.code, 'unavailable');
  assert.match(failed.error.message, /is not in the consensus/);
});

test('after a move to another gateway, messages under way still arrive and answers come to the new place', () => {
  const network = new SimulatedNetwork(7, VIEW, { lost: 0.1, doubled: 0, linkMilliseconds: 10 });
  const client = network.addClient();
  const requests: { sender: string; request: number }[] = [];
  network.onRequest = ({ sender, request }) => void requests.push({ sender, request });
  for (let at = 0; at < 30; at += 1) {
    const bytes = new Uint8Array([at]);
    client.core.send({ destination: ECHO, bytes, answerWithinMilliseconds: 60_000 }, network.now);
  }
  network.run(3000);
  client.recipient = idOf('new place');
  client.core.useGateway(idOf('g1'), client.recipient, network.now);
  network.run(3000);
  const known = new Set(requests.map(({ request }) => request));
  for (const request of requests) network.answer(request, new Uint8Array([request.request]));
  network.onRequest = (request) => void network.answer(request, new Uint8Array([request.request]));
  network.run(50_000);
  const kinds = (kind: string) => client.effects.filter((effect) => effect.kind === kind).length;
  assert.ok(known.size > 10);
  assert.deepEqual([kinds('delivered'), kinds('answer'), kinds('failed')], [30, 30, 0]);
});

test('a service that holds reply blocks to the old place of a client answers by those to the new one', () => {
  const network = new SimulatedNetwork(8, VIEW, { lost: 0, doubled: 0, linkMilliseconds: 5 });
  const client = network.addClient();
  const requests: { sender: string; request: number }[] = [];
  network.onRequest = ({ sender, request }) => void requests.push({ sender, request });
  // Away from the change of epochs, so that no block expires meanwhile.
  network.run(20_000);
  for (let at = 0; at < 20; at += 1) {
    client.core.send({ destination: ECHO, bytes: new Uint8Array(1), answerWithinMilliseconds: 60_000 }, network.now);
  }
  network.run(5000);
  assert.ok(network.service.held.replyBlocks > 10, 'many blocks lead to the old place');
  client.recipient = idOf('new place');
  client.core.useGateway(idOf('g1'), client.recipient, network.now);
  network.run(1000);
  const [request] = requests;
  assert.ok(request);
  network.answer(request, new Uint8Array([1]));
  network.run(1000);
  assert.ok(client.effects.some(({ kind }) => kind === 'answer'));
});

test('after a long silence a client takes a new pseudonym, and on a test network it says that it has no anonymity', () => {
  const { core } = watchedClient(networkOf({ layers: 3, relaysPerLayer: 1, epochs: EPOCHS, test: true }));
  const first = core.send({ destination: ECHO, bytes: new Uint8Array(1) }, NOW);
  const soon = core.send({ destination: ECHO, bytes: new Uint8Array(1) }, NOW + 1000);
  const late = core.send({ destination: ECHO, bytes: new Uint8Array(1) }, NOW + CLIENT_LIMITS.sessionIdleMilliseconds);
  assert.equal(soon.session, first.session);
  assert.notEqual(late.session, first.session);
  assert.equal(core.anonymity, 'none');
  assert.equal(watchedClient().core.anonymity, 'mixed');
});

test('replies that are unknown, damaged or come twice are counted, and follow to nothing', () => {
  const { core, replyIds } = watchedClient();
  core.send({ destination: ECHO, bytes: new Uint8Array(1) }, NOW);
  core.slot(NOW);
  assert.deepEqual(core.receive(new Uint8Array(16), new Uint8Array(10), NOW), []);
  assert.deepEqual([core.counters.unknownReplies, core.counters.damagedReplies], [1, 0]);
  const awaited = Buffer.from(replyIds[0] ?? '', 'hex');
  assert.deepEqual(core.receive(awaited, new Uint8Array(10), NOW), []);
  assert.deepEqual([core.counters.unknownReplies, core.counters.damagedReplies], [1, 1]);
  assert.deepEqual(core.receive(awaited, new Uint8Array(10), NOW), [], 'its keys are used up');
  assert.deepEqual([core.counters.unknownReplies, core.counters.damagedReplies], [2, 1]);
});
