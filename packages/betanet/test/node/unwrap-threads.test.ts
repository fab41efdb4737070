import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createPacket, geometryOf, type Outcome, type PathHop, readOutcome, x25519PublicKey } from '@fog/sphinx';
import { NODE_LIMITS } from '../../src/node/limits.ts';
import { OUTCOME_EPOCH_AT } from '../../src/node/unwrap-ring.ts';
import { UnwrapThreads } from '../../src/node/unwrap-threads.ts';

const GEOMETRY = geometryOf({ hops: 2, userPayloadBytes: 40, hasReplyBlock: false });

const PLACES = [
  ['in a thread', 0],
  ['here', 64],
] as const;

function newKey(epoch: number) {
  const privateKey = Uint8Array.from(randomBytes(32));
  const publicKey = x25519PublicKey(privateKey);
  return { epoch, privateKey, publicKey, tagKey: Uint8Array.from(randomBytes(32)) };
}

function packetFor({ publicKey }: { publicKey: Uint8Array }, number: number): Uint8Array {
  const next: PathHop = { id: randomBytes(32), publicKey: newKey(0).publicKey, delayMilliseconds: 0 };
  const path = [{ id: randomBytes(32), publicKey, delayMilliseconds: number }, next];
  const payload = new Uint8Array(GEOMETRY.payloadBytes);
  return createPacket({ geometry: GEOMETRY, path, recipient: randomBytes(32), payload });
}

/** Packets one after another, as they have just come. */
function submitted(bytes: Uint8Array, token = 0) {
  const packets = Buffer.from(bytes);
  const stride = GEOMETRY.packetBytes;
  return { packets, count: packets.length / stride, stride, token, receivedMilliseconds: performance.now() };
}

interface Collected {
  outcomes: (Outcome & { epoch: number; token: number })[];
  rows: number;
  count(wanted: number): Promise<void>;
}

/** `packetsHere` is 0 where the threads are to do all. */
function start(threads: number, packetsHere = 0): { unwrapping: UnwrapThreads; collected: Collected } {
  const outcomes: Collected['outcomes'] = [];
  let arrived = Promise.withResolvers<void>();
  const collected: Collected = {
    outcomes,
    rows: 0,
    async count(wanted) {
      while (outcomes.length < wanted) await arrived.promise;
    },
  };
  const unwrapping = new UnwrapThreads({
    geometry: GEOMETRY,
    threads,
    packetsHere,
    busyShare: () => 0,
    unwrapped(_packet, record, token) {
      const epoch = record[OUTCOME_EPOCH_AT] ?? -1;
      outcomes.push({ ...readOutcome(record), epoch, token });
    },
    rowEnded() {
      collected.rows += 1;
      arrived.resolve();
      arrived = Promise.withResolvers();
    },
    failed: (error) => assert.fail(error),
  });
  return { unwrapping, collected };
}

for (const [where, packetsHere] of PLACES)
  test(`packets come back in order, each opened with the key of its epoch: ${where}`, async () => {
    const { unwrapping, collected } = start(1, packetsHere);
    await using _ = unwrapping;
    const [current, previous, unknown] = [newKey(258), newKey(257), newKey(9)];
    unwrapping.setKeys([current, previous].map((key) => ({ ...key })));
    const keys = [current, previous, unknown, current, previous, current];
    const packets = keys.map((key, index) => packetFor(key, index + 1));
    assert.equal(unwrapping.submit(submitted(Buffer.concat(packets), 7)), packets.length);
    await collected.count(packets.length);
    assert.deepEqual(
      collected.outcomes.map(({ status, epoch, delayMilliseconds, token }) => [
        status,
        epoch,
        delayMilliseconds,
        token,
      ]),
      [
        ['forward', 2, 1, 7],
        ['forward', 1, 2, 7],
        ['badMac', 2, 0, 7],
        ['forward', 2, 4, 7],
        ['forward', 1, 5, 7],
        ['forward', 2, 6, 7],
      ],
    );
    assert.equal(unwrapping.backlog, 0);
  });

for (const [where, packetsHere] of PLACES)
  test(`without a key nothing is opened, and a key that is taken away opens nothing more: ${where}`, async () => {
    const { unwrapping, collected } = start(1, packetsHere);
    await using _ = unwrapping;
    const key = newKey(3);
    const packet = packetFor(key, 1);
    const submit = () => unwrapping.submit(submitted(packet));
    submit();
    await collected.count(1);
    unwrapping.setKeys([{ ...key, privateKey: key.privateKey.slice(), tagKey: key.tagKey.slice() }]);
    submit();
    await collected.count(2);
    unwrapping.setKeys([]);
    submit();
    await collected.count(3);
    assert.deepEqual(
      collected.outcomes.map(({ status }) => status),
      ['badMac', 'forward', 'badMac'],
    );
  });

test('what finds no room is not taken, and everything that was taken comes back', async () => {
  const { unwrapping, collected } = start(2);
  await using _ = unwrapping;
  unwrapping.setKeys([newKey(1)]);
  const row = new Uint8Array(64 * GEOMETRY.packetBytes);
  let taken = 0;
  for (let count = 0; count < 100; count += 1) taken += unwrapping.submit(submitted(row, count));
  assert.ok(taken <= 2 * NODE_LIMITS.ringSlots + 64 * 100 && taken < 6400, `${taken} of 6400 taken`);
  await collected.count(taken);
  assert.equal(collected.outcomes.length, taken);
  assert.ok(collected.rows < taken, 'in rows');
  assert.equal(unwrapping.submit(submitted(row)), 64);
  await collected.count(taken + 64);
});

test('few packets are unwrapped where they come in, at the end of the round, and more in the threads', async () => {
  const { unwrapping, collected } = start(1, 4);
  await using _ = unwrapping;
  const key = newKey(1);
  unwrapping.setKeys([key]);
  const packets = Array.from({ length: 7 }, (_, index) => packetFor(key, index));
  const submit = (from: number, to: number) => unwrapping.submit(submitted(Buffer.concat(packets.slice(from, to))));
  submit(0, 1);
  submit(1, 3);
  assert.deepEqual([unwrapping.backlog, collected.outcomes.length], [3, 0]);
  await setImmediate();
  assert.deepEqual([unwrapping.backlog, collected.outcomes.length, collected.rows], [0, 3, 1], 'one row, at once');
  assert.equal(submit(0, 5), 5);
  assert.equal(submit(5, 7), 2);
  assert.equal(unwrapping.backlog, 7);
  await setImmediate();
  await collected.count(10);
  const numbers = collected.outcomes.map(({ status, delayMilliseconds }) => [status, delayMilliseconds] as const);
  assert.ok(numbers.every(([status]) => status === 'forward'));
  assert.deepEqual(
    numbers.map(([, number]) => number).toSorted(),
    [0, 1, 2, 0, 1, 2, 3, 4, 5, 6].toSorted(),
    'each once',
  );
});

test('a row that fills the lanes waits for nothing, and a round has so many rows and no more', async () => {
  const { unwrapping, collected } = start(1, 20);
  await using _ = unwrapping;
  const key = newKey(1);
  unwrapping.setKeys([key]);
  const packets = Array.from({ length: 40 }, (_, index) => packetFor(key, index));
  const submit = (from: number, to: number) => unwrapping.submit(submitted(Buffer.concat(packets.slice(from, to))));
  submit(0, 17);
  assert.deepEqual([collected.outcomes.length, collected.rows, unwrapping.backlog], [16, 2, 1]);
  submit(17, 40);
  assert.deepEqual([collected.outcomes.length, unwrapping.backlog], [16, 24], 'four here, twenty in the thread');
  await setImmediate();
  assert.ok(collected.outcomes.length >= 20, 'the rest of the round');
  await collected.count(40);
  const numbers = new Set(collected.outcomes.map(({ delayMilliseconds }) => delayMilliseconds));
  assert.equal(numbers.size, 40);
});
