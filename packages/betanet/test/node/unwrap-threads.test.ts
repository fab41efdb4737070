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
    assert.equal(unwrapping.submit(Buffer.concat(packets), packets.length, GEOMETRY.packetBytes, 7), packets.length);
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
    const submit = () => unwrapping.submit(packet, 1, GEOMETRY.packetBytes, 0);
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
  for (let count = 0; count < 100; count += 1) taken += unwrapping.submit(row, 64, GEOMETRY.packetBytes, count);
  assert.ok(taken <= 2 * NODE_LIMITS.ringSlots + 64 * 100 && taken < 6400, `${taken} of 6400 taken`);
  await collected.count(taken);
  assert.equal(collected.outcomes.length, taken);
  assert.ok(collected.rows < taken, 'in rows');
  assert.equal(unwrapping.submit(row, 64, GEOMETRY.packetBytes, 0), 64);
  await collected.count(taken + 64);
});

test('few packets are unwrapped where they come in, and more in the threads; nothing comes back within the call', async () => {
  const { unwrapping, collected } = start(1, 4);
  await using _ = unwrapping;
  const key = newKey(1);
  unwrapping.setKeys([key]);
  const packets = Array.from({ length: 7 }, (_, index) => packetFor(key, index));
  const submit = (from: number, to: number) =>
    unwrapping.submit(Buffer.concat(packets.slice(from, to)), to - from, GEOMETRY.packetBytes, 0);
  submit(0, 1);
  submit(1, 3);
  assert.deepEqual([unwrapping.backlog, collected.outcomes.length], [3, 0]);
  await setImmediate();
  assert.deepEqual([unwrapping.backlog, collected.outcomes.length, collected.rows], [0, 3, 1], 'one row, at once');
  submit(0, 5);
  submit(5, 7);
  await collected.count(10);
  assert.deepEqual(
    collected.outcomes.map(({ status, delayMilliseconds }) => [status, delayMilliseconds]),
    [0, 1, 2, 0, 1, 2, 3, 4, 5, 6].map((number) => ['forward', number]),
  );
});
