import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACCOUNT_CODES, accountId, TRANSFER_CODES, transferId } from '../src/chart.ts';

test('the same cause gives the same id, another one another', () => {
  assert.equal(accountId('fog', 'wallet', 'alice'), accountId('fog', 'wallet', 'alice'));
  const ids = [
    accountId('fog', 'wallet', 'alice'),
    accountId('faucet', 'wallet', 'alice'),
    accountId('fog', 'bonded', 'alice'),
    accountId('fog', 'wallet', 'alic'),
    transferId('payout', 'j1', 23, 4),
    transferId('payout', 'j1', 2, 34),
    transferId('fee', 'j1', 23, 4),
  ];
  assert.equal(new Set(ids).size, ids.length);
});

test('payouts of a job lie in the order of its tasks, beside its other transfers, and no two are one', () => {
  const tasks = [0, 1, 2, 255, 256, 99_999, 2 ** 24 - 1];
  const ids = tasks.map((partition) => transferId('payout', 'j1', partition, 1));
  assert.deepEqual(
    ids,
    ids.toSorted((a, b) => (a < b ? -1 : 1)),
  );
  const family = (id: bigint) => id >> 96n;
  assert.ok(ids.every((id) => family(id) === family(transferId('cover', 'j1', 1))));
  const others = [transferId('payout', 'j1', 2 ** 24, 1), transferId('payout', 'j1', 0, 2), transferId('payout', 'j1')];
  assert.equal(new Set([...ids, ...others]).size, ids.length + others.length);
});

test('property: ids tell apart where one part of a cause ends and the next begins', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.array(fc.string()), (left, right) => {
      const areSame = JSON.stringify(left) === JSON.stringify(right);
      assert.equal(transferId('payout', ...left) === transferId('payout', ...right), areSame);
    }),
  );
});

test('no code stands for two things, and ids fit 128 bits', () => {
  for (const codes of [ACCOUNT_CODES, TRANSFER_CODES]) {
    const values = Object.values(codes);
    assert.equal(new Set(values).size, values.length);
  }
  assert.ok(accountId('fog', 'treasury') < 1n << 128n);
});
