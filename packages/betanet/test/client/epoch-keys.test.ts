/** Keys are chosen for the time of arrival, and reply blocks expire before the first of their keys does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyAcceptance, keyEpochFor, keyedPath } from '../../src/client/epoch-keys.ts';
import { epochAt } from '../../src/directory/schedule.ts';
import { keyOf, nodeOf, TIMES } from './small-network.ts';

const { genesisMilliseconds: genesis, epochMilliseconds: epoch, graceMilliseconds: grace } = TIMES;
const NAMES = ['g', 'a', 'b', 'c', 's'];
const NODES = NAMES.map((name) => nodeOf({ name, role: 'mix' }, [-1, 0, 1, 2, 3, 4, 5]));

/** Epoch of the key that was chosen for a hop. */
function chosenEpoch(index: number, publicKey: Uint8Array): number {
  const found = [-1, 0, 1, 2, 3, 4, 5].find((at) => Buffer.compare(keyOf(NAMES[index] ?? '', at), publicKey) === 0);
  assert.ok(found !== undefined, 'the key is of this node');
  return found;
}

const accepts = (keyEpoch: number, at: number) => {
  const { from, until } = keyAcceptance(TIMES, keyEpoch);
  return at >= from && at < until;
};

test('the key changes half a grace period after the epoch, which leaves as much on either side', () => {
  const node = nodeOf({ name: 'a', role: 'mix' }, [0, 1]);
  const change = genesis + epoch + grace / 2;
  assert.equal(keyEpochFor(node, TIMES, change - 1, 'packet'), 0);
  assert.equal(keyEpochFor(node, TIMES, change, 'packet'), 1);
  const sooner = genesis + epoch + grace / 8;
  assert.equal(keyEpochFor(node, TIMES, sooner - 1, 'replyBlock'), 0);
  assert.equal(keyEpochFor(node, TIMES, sooner, 'replyBlock'), 1);
  assert.equal(epochAt(TIMES, genesis + epoch), 1);
  assert.equal(epochAt(TIMES, genesis - 1), -1);
});

test('where only one key is known, it is used as long as it is accepted', () => {
  const newer = nodeOf({ name: 'a', role: 'mix' }, [1]);
  assert.equal(keyEpochFor(newer, TIMES, genesis + epoch, 'packet'), 1);
  assert.equal(keyEpochFor(newer, TIMES, genesis + epoch - 1, 'packet'), null);
  const older = nodeOf({ name: 'a', role: 'mix' }, [0]);
  assert.equal(keyEpochFor(older, TIMES, genesis + epoch + grace - 1, 'packet'), 0);
  assert.equal(keyEpochFor(older, TIMES, genesis + epoch + grace, 'packet'), null);
});

test('a consensus that is too old is told as such', () => {
  const node = nodeOf({ name: 'a', role: 'mix' }, [0]);
  assert.throws(() => keyedPath([node], [0], genesis + 2 * epoch, TIMES, 'packet'), {
    code: 'unavailable',
    message: /^no key of mix [0-9a-f]{16} is known for epoch 2$/,
  });
});

const delays = fc
  .array(fc.integer({ min: 0, max: 1000 }), { minLength: 4, maxLength: 4 })
  .map((drawn) => [...drawn, 0]);
const start = fc.integer({ min: genesis, max: genesis + 3 * epoch });

test('property: each key is accepted on arrival, and would be half a grace period earlier or later', () => {
  fc.assert(
    fc.property(start, delays, (setsOutAt, drawn) => {
      const path = keyedPath(NODES, drawn, setsOutAt, TIMES, 'packet');
      let at = setsOutAt;
      for (const [index, hop] of path.hops.entries()) {
        const keyEpoch = chosenEpoch(index, hop.publicKey);
        assert.ok(accepts(keyEpoch, at - grace / 2) && accepts(keyEpoch, at + grace / 2 - 1));
        at += hop.delayMilliseconds;
      }
      assert.equal(path.delayMilliseconds, at - setsOutAt);
    }),
  );
});

test('property: used until it expires, a reply block finds all its keys accepted; it lives longer than half a grace period', () => {
  fc.assert(
    fc.property(start, delays, (setsOutAt, drawn) => {
      const path = keyedPath(NODES, drawn, setsOutAt, TIMES, 'replyBlock');
      assert.ok(path.expiresAt > setsOutAt + (grace * 5) / 8);
      let at = path.expiresAt - 1;
      for (const [index, hop] of path.hops.entries()) {
        assert.ok(accepts(chosenEpoch(index, hop.publicKey), at));
        at += hop.delayMilliseconds;
      }
    }),
  );
});

test('property: the expiry tells nothing of delays that are shorter than a quarter of the grace period', () => {
  const short = fc.array(fc.integer({ min: 1, max: grace / 16 }), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(short, short, (one, other) => {
      // Far from a change of keys, where the delays decide which key it is.
      const at = genesis + epoch / 2;
      const expiry = (drawn: number[]) => keyedPath(NODES, [...drawn, 0], at, TIMES, 'replyBlock').expiresAt;
      assert.equal(expiry(one), expiry(other));
    }),
  );
});
