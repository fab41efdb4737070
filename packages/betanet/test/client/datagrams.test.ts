/** Reliable datagrams between two ends in memory: fragments, acknowledgements, time limits and bounds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteBudget } from '../../src/client/byte-budget.ts';
import { bitmapOf, completeBitmap } from '../../src/client/fragment-bitmap.ts';
import { IncomingMessages } from '../../src/client/incoming-messages.ts';
import { CLIENT_LIMITS } from '../../src/client/limits.ts';
import { type OutgoingEffect, OutgoingMessages } from '../../src/client/outgoing-messages.ts';
import { clientRoundTripMilliseconds, RoundTrip } from '../../src/client/round-trip.ts';
import { SequenceWindow } from '../../src/client/sequence-window.ts';
import type { Fragment } from '../../src/client/service-messages.ts';
import { SeededRandom } from './seeded-random.ts';
import { networkOf } from './small-network.ts';

const PART = 10;
const DRAWN = { there: 100, back: 100 };

function sender(fragments = 10_000) {
  const budget = new ByteBudget(fragments);
  return { budget, outgoing: new OutgoingMessages({ fragmentBytes: PART, fragments: budget }) };
}

function receiver(bytes = 1 << 20) {
  const budget = new ByteBudget(bytes);
  return { budget, incoming: new IncomingMessages(budget) };
}

const transmits = (effects: readonly OutgoingEffect[]) => effects.filter((effect) => effect.kind === 'transmit');

/** Takes the fragment of each `transmit`, and marks it as sent. */
function sendAll(outgoing: OutgoingMessages, effects: readonly OutgoingEffect[], now: number): Fragment[] {
  return transmits(effects).flatMap((effect) => {
    const fragment = outgoing.fragment(effect);
    outgoing.sent(effect, now, DRAWN);
    return fragment === null ? [] : [fragment];
  });
}

const part = (changes: Partial<Fragment> = {}): Fragment => {
  return { sequence: 0, oldest: 0, answers: null, index: 0, count: 2, data: new Uint8Array([1]), ...changes };
};

test('the bytes of a caller stay as they are, though those of the message are wiped', () => {
  const bytes = Buffer.from('said once');
  const { outgoing } = sender();
  const { effects } = outgoing.send(bytes, null, 0);
  sendAll(outgoing, effects, 0);
  outgoing.acknowledge({ sequence: 0, bitmap: completeBitmap() }, 200, 100);
  assert.ok(outgoing.isIdle);
  assert.equal(bytes.toString(), 'said once');
});

test('property: fragments in any order, any number of times, give the message once and whole', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer(), (bytes, seed) => {
      const random = new SeededRandom(seed);
      const { outgoing } = sender();
      const { incoming, budget } = receiver();
      const { effects } = outgoing.send(bytes, 7, 0);
      const fragments = sendAll(outgoing, effects, 0);
      const arrivals = [...fragments, ...fragments].sort(() => random.uniform() - 0.5);
      const messages = arrivals.flatMap((fragment) => incoming.receive(fragment, 1).message ?? []);
      assert.deepEqual(messages, [{ sequence: 0, answers: 7, bytes }]);
      assert.equal(budget.used, 0);
      const [acknowledgement] = incoming.takeAcknowledgements(8);
      assert.deepEqual(acknowledgement, { sequence: 0, bitmap: completeBitmap() });
    }),
  );
});

test('a message is delivered when its receiver has all of it, and then holds no room', () => {
  const { outgoing, budget } = sender();
  const { incoming } = receiver();
  const { effects } = outgoing.send(new Uint8Array(25), null, 0);
  const [first, , last] = sendAll(outgoing, effects, 0) as [Fragment, Fragment, Fragment];
  assert.equal(budget.used, 3);
  incoming.receive(first, 5);
  assert.deepEqual(outgoing.acknowledge({ sequence: 0, bitmap: bitmapOf([0]) }, 200, 100), []);
  incoming.receive(last, 6);
  // Only the one in the middle is sent again, and that once.
  const due = outgoing.nextDueAt();
  outgoing.acknowledge({ sequence: 0, bitmap: bitmapOf([0, 2]) }, 210, 100);
  const again = outgoing.tick(due);
  assert.deepEqual(again, [{ kind: 'transmit', sequence: 0, index: 1, isRetransmission: true }]);
  assert.deepEqual(outgoing.tick(due), []);
  for (const fragment of sendAll(outgoing, again, due)) incoming.receive(fragment, due + 1);
  const [acknowledgement] = incoming.takeAcknowledgements(8);
  assert.ok(acknowledgement);
  assert.deepEqual(outgoing.acknowledge(acknowledgement, due + 5, 100), [{ kind: 'delivered', sequence: 0 }]);
  assert.equal(budget.used, 0);
  assert.equal(outgoing.nextDueAt(), Number.POSITIVE_INFINITY);
});

test('nothing is sent again while it waits for its slot, however long that takes', () => {
  const { outgoing } = sender();
  const { effects } = outgoing.send(new Uint8Array(5), null, 0);
  assert.deepEqual(outgoing.tick(CLIENT_LIMITS.messageLifetimeMilliseconds - 1), []);
  assert.equal(transmits(effects).length, 1);
});

test('a fragment is sent so often and no oftener, each time after twice as long; then its message has failed', () => {
  const { outgoing, budget } = sender();
  let { effects } = outgoing.send(new Uint8Array(5), null, 0) as { effects: OutgoingEffect[] };
  let now = 0;
  const waits: number[] = [];
  while (transmits(effects).length > 0) {
    sendAll(outgoing, effects, now);
    const due = outgoing.nextDueAt();
    assert.deepEqual(outgoing.tick(due - 1), []);
    waits.push(due - now);
    now = due;
    effects = outgoing.tick(now);
  }
  const first = 200 + CLIENT_LIMITS.roundTripMarginMilliseconds;
  const most = CLIENT_LIMITS.retransmissionMilliseconds;
  const expected = Array.from({ length: CLIENT_LIMITS.fragmentTries }, (_, at) => Math.min(most, first * 2 ** at));
  assert.deepEqual(waits, expected);
  const [failed] = effects;
  assert.ok(failed?.kind === 'failed');
  assert.equal(failed.error.code, 'timed-out');
  assert.deepEqual(failed.error.details, { sequence: 0, fragments: 1, acknowledgedFragments: 0 });
  assert.equal(budget.used, 0);
});

test('a message that is too old has failed, even if it never had a slot', () => {
  const { outgoing } = sender();
  const { sequence, effects } = outgoing.send(new Uint8Array(5), null, 0);
  const [failed] = outgoing.tick(CLIENT_LIMITS.messageLifetimeMilliseconds);
  assert.ok(failed?.kind === 'failed' && failed.sequence === sequence);
  assert.deepEqual(sendAll(outgoing, effects, 1), [], 'what waits in the queue has become needless');
});

test('a receiver that forgot what it had gets it again, and nothing is called delivered before', () => {
  const { outgoing } = sender();
  const { incoming } = receiver();
  const { effects } = outgoing.send(new Uint8Array(15), null, 0);
  const [first, second] = sendAll(outgoing, effects, 0) as [Fragment, Fragment];
  incoming.receive(first, 0);
  outgoing.acknowledge({ sequence: 0, bitmap: bitmapOf([0]) }, 1, 0);
  incoming.tick(CLIENT_LIMITS.reassemblyMilliseconds);
  incoming.receive(second, CLIENT_LIMITS.reassemblyMilliseconds);
  const acknowledgement = incoming.takeAcknowledgements(8).at(-1);
  assert.ok(acknowledgement);
  const again = outgoing.acknowledge(acknowledgement, 2, 0);
  assert.deepEqual(again, [{ kind: 'transmit', sequence: 0, index: 0, isRetransmission: true }]);
  const [fragment] = sendAll(outgoing, again, 3) as [Fragment];
  assert.equal(incoming.receive(fragment, CLIENT_LIMITS.reassemblyMilliseconds + 1).fate, 'complete');
});

test('a sender holds no more than its limits, and says what is full', () => {
  const { outgoing } = sender();
  const most = CLIENT_LIMITS.fragmentsPerMessage * PART;
  assert.throws(() => outgoing.send(new Uint8Array(most + 1), null, 0), { code: 'body-too-large' });
  for (let at = 0; at < CLIENT_LIMITS.outstandingMessages; at += 1) outgoing.send(new Uint8Array(1), null, 0);
  assert.throws(() => outgoing.send(new Uint8Array(1), null, 0), { code: 'too-many-requests', retryable: true });
  const few = sender(3);
  few.outgoing.send(new Uint8Array(30), null, 0);
  assert.throws(() => few.outgoing.send(new Uint8Array(1), null, 0), { code: 'too-many-requests' });
});

test('a sender never has more messages under way than a receiver remembers', () => {
  const { outgoing } = sender();
  outgoing.send(new Uint8Array(1), null, 0);
  for (let sequence = 1; sequence < CLIENT_LIMITS.sequenceWindow; sequence += 1) {
    assert.equal(outgoing.send(new Uint8Array(1), null, 0).sequence, sequence);
    outgoing.acknowledge({ sequence, bitmap: completeBitmap() }, 1, 0);
  }
  assert.throws(() => outgoing.send(new Uint8Array(1), null, 0), { code: 'too-many-requests' });
  outgoing.acknowledge({ sequence: 0, bitmap: completeBitmap() }, 1, 0);
  outgoing.send(new Uint8Array(1), null, 0);
});

test('a receiver holds no more than its limits; what it cannot hold it does not acknowledge', () => {
  const { incoming, budget } = receiver(400);
  assert.equal(incoming.receive(part(), 0).fate, 'stored');
  assert.equal(incoming.receive(part({ sequence: 1 }), 0).fate, 'stored');
  assert.equal(incoming.receive(part({ sequence: 2, data: new Uint8Array(200) }), 0).fate, 'no-room');
  assert.deepEqual(
    incoming.takeAcknowledgements(8).map(({ sequence }) => sequence),
    [0, 1],
  );
  incoming.close();
  assert.equal(budget.used, 0);
  const own = receiver(1 << 30).incoming;
  let stored = 0;
  for (let sequence = 0; own.receive(part({ sequence }), 0).fate === 'stored'; sequence += 1) stored += 1;
  assert.equal(stored, CLIENT_LIMITS.outstandingMessages);
});

test('a receiver makes room for what its sender has given up', () => {
  const { incoming, budget } = receiver();
  incoming.receive(part({ sequence: 3 }), 0);
  incoming.receive(part({ sequence: 4 }), 0);
  const before = budget.used;
  assert.equal(incoming.receive(part({ sequence: 9, oldest: 4, count: 1 }), 0).fate, 'complete');
  assert.equal(budget.used, before / 2);
  assert.equal(incoming.receive(part({ sequence: 3, index: 1 }), 0).fate, 'old');
});

test('fragments that contradict each other do not become a message', () => {
  const { incoming } = receiver(64 << 20);
  incoming.receive(part(), 0);
  assert.equal(incoming.receive(part({ index: 1, count: 3 }), 0).fate, 'contradiction');
  assert.equal(incoming.receive(part({ index: 1, answers: 1 }), 0).fate, 'contradiction');
  const data = new Uint8Array(60_000);
  const fates = [0, 1, 2, 3, 4].map((index) => incoming.receive(part({ sequence: 1, index, count: 9, data }), 0).fate);
  assert.deepEqual(fates, ['stored', 'stored', 'stored', 'stored', 'contradiction'], 'beyond the largest message');
});

test('property: a sequence window takes a number once, and none that fell out of it', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 300 }), (numbers) => {
      const window = new SequenceWindow(16);
      const taken = new Set<number>();
      for (const number of numbers) {
        const floor = Math.max(-1, ...taken) + 1 - 16;
        const expected = number < floor ? 'old' : taken.has(number) ? 'seen' : 'new';
        assert.equal(window.look(number), expected);
        assert.equal(window.take(number), expected);
        if (expected === 'new') taken.add(number);
      }
    }),
  );
});

test('a sequence window jumps to the largest number at once', () => {
  const window = new SequenceWindow(1024);
  window.take(0);
  window.take(0xffff_ffff);
  assert.equal(window.look(0xffff_ffff), 'seen');
  assert.equal(window.look(0xffff_ffff - 1023), 'new');
  assert.equal(window.look(0xffff_ffff - 1024), 'old');
  assert.throws(() => window.take(2 ** 32), RangeError);
});

test('waiting times follow what round trips took beyond their drawn delays', () => {
  const roundTrip = new RoundTrip();
  const { roundTripMarginMilliseconds: first, roundTripMarginLeastMilliseconds: least } = CLIENT_LIMITS;
  assert.equal(roundTrip.timeoutMilliseconds(500, 1), 500 + first);
  for (let at = 0; at < 50; at += 1) roundTrip.measured(20);
  assert.equal(roundTrip.timeoutMilliseconds(500, 1), 500 + least);
  for (let at = 0; at < 50; at += 1) roundTrip.measured(at % 2 === 0 ? 4000 : 6000);
  assert.ok(roundTrip.timeoutMilliseconds(500, 1) > 6500);
  assert.ok(roundTrip.timeoutMilliseconds(500, 9) <= CLIENT_LIMITS.retransmissionMilliseconds);
  assert.ok(roundTrip.timeoutMilliseconds(90_000, 9) >= 90_000, 'never before the drawn delays');
  const { traffic } = networkOf({ layers: 1, relaysPerLayer: 1 });
  assert.equal(clientRoundTripMilliseconds(traffic), 2 * 7 * 50 + 3 * 40);
});
