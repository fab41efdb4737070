/** A service alone: what strangers may send it, and what it keeps of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeBitmap } from '../../src/client/fragment-bitmap.ts';
import { IncomingMessages } from '../../src/client/incoming-messages.ts';
import { CLIENT_LIMITS } from '../../src/client/limits.ts';
import { ServiceCore } from '../../src/client/service-core.ts';
import { EMPTY_PAYLOAD, encodePayload, type Payload, parsePayload } from '../../src/client/service-messages.ts';
import { type PoolShare, SharedPool } from '../../src/client/shared-pool.ts';
import { FUZZ_RUNS } from './fuzz-runs.ts';
import { SeededRandom } from './seeded-random.ts';
import { SIZES } from './simulated-network.ts';
import { TIMES } from './small-network.ts';

const pseudonym = (number: number) => {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(number);
  return new Uint8Array(bytes);
};
const block = () => new Uint8Array(SIZES.request.replyBlockBytes).fill(3);
const part = { sequence: 0, oldest: 0, answers: null, index: 0, count: 1, data: new Uint8Array([7]) };

function request(sender: number, content: Partial<Payload> = {}) {
  const payload: Payload = { ...EMPTY_PAYLOAD, kind: 'request', pseudonym: pseudonym(sender), ...content };
  return {
    payload: encodePayload(payload, SIZES.request),
    replyBlock: payload.ownBlock === null ? null : block(),
  };
}

const own = (number: number) => ({ ownBlock: { number, expiresAt: 1e6 } });

test('an acknowledgement waits a moment for an answer to travel with', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES, acknowledgeWithinMilliseconds: 20 });
  const effects = service.receive(request(1, { fragment: part, ...own(0) }), 100);
  assert.deepEqual(
    effects.map(({ kind }) => kind),
    ['request'],
  );
  const [got] = effects;
  assert.ok(got?.kind === 'request' && got.request === 0 && got.bytes[0] === 7);
  assert.equal(service.slot(110), null);
  service.reply({ sender: got.sender, request: 0, bytes: new Uint8Array([9]) }, 110);
  const sent = service.slot(111);
  const reply = parsePayload(sent?.payload ?? new Uint8Array(), SIZES.reply);
  assert.equal(reply?.acknowledgements.length, 1);
  assert.deepEqual(reply?.fragment?.data, new Uint8Array([9]));
  assert.equal(reply?.fragment?.answers, 0);
  assert.ok((reply?.blocksWanted ?? 0) > 0, 'it asks for a reserve while an answer is under way');
  assert.equal(service.slot(130), null, 'nothing is acknowledged twice');
});

test('without an answer an acknowledgement goes out alone when it is due', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES, acknowledgeWithinMilliseconds: 20 });
  service.receive(request(1, { fragment: part, ...own(0) }), 100);
  assert.equal(service.slot(119), null);
  const reply = parsePayload(service.slot(120)?.payload ?? new Uint8Array(), SIZES.reply);
  assert.deepEqual([reply?.acknowledgements[0]?.sequence, reply?.fragment, reply?.blocksWanted], [0, null, 0]);
});

test('without a reply block nothing is said until one comes', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES, acknowledgeWithinMilliseconds: 0 });
  const [got] = service.receive(request(1, { fragment: part }), 0);
  assert.ok(got?.kind === 'request');
  service.reply({ sender: got.sender, request: 0, bytes: new Uint8Array(1) }, 0);
  assert.equal(service.slot(0), null);
  service.receive(request(1, own(0)), 5);
  assert.notEqual(service.slot(5), null);
});

test('a retransmission waits for a slot, too, and takes another reply block', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES, roundTripMilliseconds: 1000 });
  const [got] = service.receive(request(1, { fragment: part, ...own(0) }), 0);
  assert.ok(got?.kind === 'request');
  service.reply({ sender: got.sender, request: 0, bytes: new Uint8Array([9]) }, 0);
  assert.notEqual(service.slot(0), null);
  const due = service.nextDueAt();
  service.receive(request(1, own(1)), 1);
  assert.equal(service.slot(due - 1), null);
  assert.deepEqual(service.tick(due), []);
  assert.equal(service.held.replyBlocks, 1, 'nothing has left by itself');
  const again = parsePayload(service.slot(due + 7)?.payload ?? new Uint8Array(), SIZES.reply);
  assert.deepEqual(again?.fragment?.data, new Uint8Array([9]));
  assert.equal(service.held.replyBlocks, 0);
});

test('senders take turns: one with much to be told does not hold up another', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES, acknowledgeWithinMilliseconds: 0 });
  const answer = (sender: number, bytes: number) => {
    const blocks = [1, 2, 3, 4].map((number) => ({ number, expiresAt: 1e6, block: block() }));
    const [got] = service.receive(request(sender, { fragment: part }), 0);
    assert.ok(got?.kind === 'request');
    service.receive(request(sender, { blocks }), 0);
    service.reply({ sender: got.sender, request: 0, bytes: new Uint8Array(bytes).fill(sender) }, 0);
  };
  answer(1, 1500);
  answer(2, 300);
  const slots = [1, 2, 3].map((now) => parsePayload(service.slot(now)?.payload ?? new Uint8Array(), SIZES.reply));
  assert.deepEqual(
    slots.map((reply) => reply?.fragment?.data[0]),
    [1, 2, 1],
  );
});

/** A sender to whom an answer came, as its acknowledgement shows. */
function prove(service: ServiceCore, sender: number, now: number): void {
  const [got] = service.receive(request(sender, { fragment: part, ...own(0) }), now);
  assert.ok(got?.kind === 'request');
  service.reply({ sender: got.sender, request: 0, bytes: new Uint8Array(1) }, now);
  assert.notEqual(service.slot(now), null);
  service.receive(request(sender, { acknowledgements: [{ sequence: 0, bitmap: completeBitmap() }] }), now);
}

test('pseudonyms that come and say nothing more make way, and not those to whom answers came', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES, sessions: 3 });
  prove(service, 1, 0);
  for (let stranger = 10; stranger < 100; stranger += 1) {
    assert.equal(service.receive(request(stranger, { fragment: part }), stranger).length, 1);
  }
  assert.deepEqual([service.held.sessions, service.counters.sendersForgotten], [3, 88]);
  assert.deepEqual(service.receive(request(1, { fragment: part }), 200), [], 'it is remembered, and had that message');
  assert.equal(
    service.receive(request(98, { fragment: part }), 201).length,
    0,
    'of the new ones, those heard last stay',
  );
});

test('when all have been answered, nobody makes way unless it has been silent for as long as its client stays', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES, sessions: 2 });
  prove(service, 1, 0);
  prove(service, 2, 1000);
  assert.deepEqual(service.receive(request(3, { fragment: part }), 2000), []);
  assert.equal(service.counters.sendersTurnedAway, 1);
  const later = CLIENT_LIMITS.sessionIdleMilliseconds;
  assert.equal(service.receive(request(3, { fragment: part }), later).length, 1);
  const sender = Buffer.from(pseudonym(1)).toString('hex');
  assert.throws(() => service.reply({ sender, request: 0, bytes: new Uint8Array(1) }, later), { code: 'not-found' });
});

test('a sender that is silent for long is forgotten, with all that was held for it', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES });
  prove(service, 1, 0);
  service.receive(request(1, own(1)), 0);
  service.tick(CLIENT_LIMITS.sessionMemoryMilliseconds);
  assert.deepEqual(service.held, { sessions: 0, replyBlocks: 0, outstandingFragments: 0, reassemblyBytes: 0 });
});

test('a reply block is kept no longer than the last key that is listed, whatever its sender says', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES });
  const now = TIMES.genesisMilliseconds;
  service.receive(request(1, { ownBlock: { number: 0, expiresAt: 2 ** 47 } }), now);
  const last = now + 3 * TIMES.epochMilliseconds + TIMES.graceMilliseconds;
  service.receive(request(2, { fragment: part }), last - 1);
  service.tick(last - 1);
  assert.equal(service.held.replyBlocks, 1);
  service.tick(last + 60_000);
  assert.equal(service.held.replyBlocks, 0);
});

test('a stranger who fills what senders share does not lock others out', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES });
  const blocks = (from: number) =>
    [0, 1, 2, 3].map((at) => ({ number: from + at, expiresAt: 2 ** 47, block: block() }));
  const each = CLIENT_LIMITS.replyBlocksPerSender;
  for (let sender = 0; sender < CLIENT_LIMITS.replyBlocks / each; sender += 1) {
    for (let from = 0; from < each; from += 4) service.receive(request(sender, { blocks: blocks(from) }), 0);
  }
  assert.equal(service.held.replyBlocks, CLIENT_LIMITS.replyBlocks);
  const honest = CLIENT_LIMITS.replyBlocks;
  const [got] = service.receive(request(honest, { fragment: part, ...own(0) }), 0);
  assert.ok(got?.kind === 'request');
  service.reply({ sender: got.sender, request: 0, bytes: new Uint8Array([9]) }, 0);
  assert.notEqual(service.slot(1), null, 'its answer has a reply block');
  assert.equal(service.held.replyBlocks, CLIENT_LIMITS.replyBlocks - 1);
});

test('incomplete messages of a stranger make way for those of others, and a whole one needs no room', () => {
  const pool = new SharedPool(3000);
  const join = () => {
    const incoming: IncomingMessages = new IncomingMessages(pool.share(() => incoming.evict()));
    return incoming;
  };
  const [stranger, honest] = [join(), join()];
  const half = (sequence: number) => ({ ...part, sequence, count: 2, data: new Uint8Array(172) });
  for (let sequence = 0; sequence < 20; sequence += 1) stranger.receive(half(sequence), sequence);
  assert.equal(pool.used, 3000);
  assert.equal(stranger.receive(half(20), 20).fate, 'no-room', 'nobody makes way for who holds most');
  assert.equal(honest.receive({ ...part, data: new Uint8Array(400) }, 21).fate, 'complete');
  assert.equal(honest.receive(half(1), 22).fate, 'stored');
  assert.equal(honest.receive({ ...half(1), index: 1 }, 23).fate, 'complete');
  assert.equal(pool.used, 2400);
});

test('property: a pool is never overdrawn, and who holds less than all others always finds room', () => {
  const random = new SeededRandom(3);
  const pool = new SharedPool(100);
  const shares: PoolShare[] = Array.from({ length: 8 }, () => {
    const share: PoolShare = pool.share(() => share.give(Math.min(share.used, 3)));
    return share;
  });
  for (let run = 0; run < 5000; run += 1) {
    const share = shares[random.below(shares.length)] as PoolShare;
    const amount = 1 + random.below(4);
    const most = Math.max(...shares.map(({ used }) => used));
    if (random.below(4) === 0) share.give(Math.min(share.used, amount));
    else assert.ok(share.take(amount) || share.used + amount + 3 >= most, `seed 3, run ${run}`);
    assert.equal(
      pool.used,
      shares.reduce((sum, { used }) => sum + used, 0),
    );
    assert.ok(pool.used <= pool.limit);
  }
});

test('a message is handed over once however often it comes, for as long as its sender is remembered', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES });
  let handedOver = 0;
  for (let now = 0; now < 5 * CLIENT_LIMITS.sessionMemoryMilliseconds; now += 300_000) {
    service.tick(now);
    handedOver += service.receive(request(1, { fragment: part }), now).filter(({ kind }) => kind === 'request').length;
  }
  assert.equal(handedOver, 1);
});

test('a payload and its packet must agree on the reply block; cover is told from nonsense', () => {
  const service = new ServiceCore({ ...SIZES, times: TIMES });
  const { payload } = request(1, { fragment: part });
  assert.deepEqual(service.receive({ payload, replyBlock: block() }, 0), []);
  assert.deepEqual(service.receive({ ...request(1, own(0)), replyBlock: null }, 0), []);
  assert.deepEqual(service.receive({ ...request(1, own(0)), replyBlock: new Uint8Array(3) }, 0), []);
  const reply = encodePayload({ ...EMPTY_PAYLOAD, kind: 'reply' }, SIZES.request);
  assert.deepEqual(service.receive({ payload: reply, replyBlock: null }, 0), []);
  assert.equal(service.counters.malformed, 4);
  const cover = encodePayload({ ...EMPTY_PAYLOAD, kind: 'cover' }, SIZES.request);
  assert.deepEqual(service.receive({ payload: cover, replyBlock: null }, 0), []);
  assert.equal(service.counters.cover, 1);
  assert.equal(service.held.sessions, 0);
});

test(`fuzz: whatever ${FUZZ_RUNS} strangers send, the service stays up and within its bounds`, () => {
  const random = new SeededRandom(9);
  const service = new ServiceCore({ ...SIZES, times: TIMES, sessions: 50 });
  let now = 0;
  for (let run = 0; run < FUZZ_RUNS; run += 1) {
    now += random.below(200);
    const count = 1 + random.below(256);
    const sequence = random.below(3) === 0 ? random.uint32() : random.below(5);
    const delivery = request(random.below(60), {
      ...(random.below(2) === 0 ? own(random.below(50)) : {}),
      blocksFrom: random.below(20) === 0 ? random.uint32() : 0,
      acknowledgements: [{ sequence: random.below(4), bitmap: random.bytes(32) }],
      fragment: {
        sequence,
        oldest: random.below(sequence + 1),
        answers: null,
        count,
        index: random.below(count),
        data: random.bytes(random.below(300)),
      },
    });
    const damage = random.below(8);
    for (let at = 0; at < damage - 5; at += 1) delivery.payload[random.below(500)] = random.uint32();
    for (const effect of service.receive(delivery, now)) {
      if (effect.kind === 'request' && random.below(2) === 0) {
        service.reply({ sender: effect.sender, request: effect.request, bytes: random.bytes(random.below(900)) }, now);
      }
    }
    service.tick(now);
    if (random.below(2) === 0) service.slot(now);
    assert.ok(service.nextDueAt() > now, `seed 9, run ${run}: what is due has been done`);
    assert.ok(service.held.sessions <= 50 && service.held.replyBlocks <= 50 * 64);
  }
  assert.ok(service.counters.sendersForgotten > 0 && service.counters.fragments.stored > 0);
});
