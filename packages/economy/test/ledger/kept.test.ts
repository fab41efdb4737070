import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ExpiryQueue } from '../../src/ledger/expiry-queue.ts';
import { IdIndex } from '../../src/ledger/id-index.ts';
import { ACCOUNT_FLAGS, ALL_RESERVED, Ledger, type NewTransfer, TRANSFER_FLAGS } from '../../src/ledger/index.ts';
import { add, compare, multiply, read64, read128, subtract, sumOverflows, write128 } from '../../src/ledger/wide.ts';
import { ACCOUNTS, histories } from './histories.ts';

const MOST = (1n << 128n) - 1n;
const START = BigInt(ACCOUNTS.length);
const { postPending, voidPending, balancingDebit, balancingCredit } = TRANSFER_FLAGS;
const wides = fc.oneof(
  fc.bigInt({ min: 0n, max: MOST }),
  fc.tuple(fc.bigInt({ min: 0n, max: 127n }), fc.bigInt({ min: -2n, max: 2n })).map(([bit, off]) => {
    const value = (1n << bit) + off;
    return value < 0n ? 0n : value;
  }),
);

describe('what is kept', () => {
  test('property: a transfer that happened is the one that was asked for, at its own time', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const ledger = new Ledger();
        ledger.createAccounts(ACCOUNTS, START);
        let clock = START;
        const happened: { asked: NewTransfer; timestamp: bigint }[] = [];
        for (const { transfers } of history) {
          clock += BigInt(transfers.length);
          ledger.createTransfers(transfers, clock).forEach(({ status, timestamp }, index) => {
            const asked = transfers[index];
            if (status === 'created' && asked) happened.push({ asked, timestamp });
          });
        }
        const kept = ledger.queryTransfers({ limit: 8190 });
        assert.equal(kept.length, happened.length);
        kept.forEach((transfer, index) => {
          const { asked, timestamp } = happened[index] ?? { asked: {} as NewTransfer, timestamp: 0n };
          const flags = asked.flags ?? 0;
          assert.deepEqual(
            [transfer.id, transfer.flags, transfer.pendingId, transfer.timeoutSeconds, transfer.timestamp],
            [asked.id, flags, asked.pendingId ?? 0n, asked.timeoutSeconds ?? 0, timestamp],
          );
          const pending = ledger.transfer(transfer.pendingId);
          for (const field of [
            'debitAccount',
            'creditAccount',
            'ledger',
            'code',
            'userData64',
            'userData32',
          ] as const) {
            const given = asked[field] || (pending ?? asked)[field];
            assert.equal(BigInt(transfer[field]), BigInt(given ?? 0), field);
          }
          const isAtMost = (flags & (postPending | voidPending | balancingDebit | balancingCredit)) !== 0;
          assert.ok(isAtMost ? transfer.amount <= (asked.amount || ALL_RESERVED) : transfer.amount === asked.amount);
        });
      }),
      { numRuns: 150 },
    );
  });

  test('history has the counters of an account after each transfer, of both sides, and none of what expired', () => {
    const ledger = new Ledger();
    const history = ACCOUNT_FLAGS.history;
    ledger.createAccounts(
      [1n, 2n].map((id) => ({ id, ledger: 1, code: 1, flags: history })),
      2n,
    );
    const filter = { limit: 10, debits: true, credits: true };
    const expected: Record<string, unknown[]> = { '1': [], '2': [] };
    const plain = { debitAccount: 1n, creditAccount: 2n, amount: 5n, ledger: 1, code: 1 };
    const asked: NewTransfer[] = [
      { ...plain, id: 1n },
      { ...plain, id: 2n, debitAccount: 2n, creditAccount: 1n },
      { ...plain, id: 3n, flags: TRANSFER_FLAGS.pending, timeoutSeconds: 1 },
      { ...plain, id: 4n, flags: TRANSFER_FLAGS.pending },
      { ...plain, id: 5n, flags: postPending, pendingId: 4n, amount: 2n },
    ];
    asked.forEach((transfer, index) => {
      const timestamp = 3n + BigInt(index);
      assert.equal(ledger.createTransfers([transfer], timestamp)[0]?.status, 'created');
      for (const id of [1n, 2n]) {
        const { debitsPending, debitsPosted, creditsPending, creditsPosted } = ledger.account(id) ?? {};
        expected[String(id)]?.push({ debitsPending, debitsPosted, creditsPending, creditsPosted, timestamp });
      }
    });
    assert.equal(ledger.expirePending(10n ** 10n), 1);
    for (const accountId of [1n, 2n]) {
      const all = expected[String(accountId)] ?? [];
      assert.deepEqual(ledger.accountBalances({ ...filter, accountId }), all);
      assert.deepEqual(
        ledger.accountBalances({ ...filter, accountId, reversed: true, limit: 2 }),
        all.toReversed().slice(0, 2),
      );
      assert.deepEqual(ledger.accountBalances({ ...filter, accountId, limit: 2 }), all.slice(0, 2));
    }
    assert.equal(ledger.accountBalances({ ...filter, accountId: 1n, credits: false }).length, 4);
    assert.equal(ledger.account(1n)?.debitsPending, 0n);
  });

  test('an account that is closed opens again when what closed it is voided or expires, on either side', () => {
    for (const [closing, isVoided] of [
      [TRANSFER_FLAGS.closingDebit, true],
      [TRANSFER_FLAGS.closingDebit, false],
      [TRANSFER_FLAGS.closingCredit, true],
      [TRANSFER_FLAGS.closingCredit, false],
    ] as const) {
      const ledger = new Ledger();
      ledger.createAccounts(
        [1n, 2n].map((id) => ({ id, ledger: 1, code: 1 })),
        2n,
      );
      const plain = { debitAccount: 1n, creditAccount: 2n, amount: 0n, ledger: 1, code: 1 };
      const close = { ...plain, id: 1n, flags: TRANSFER_FLAGS.pending | closing, timeoutSeconds: 1 };
      ledger.createTransfers([close], 3n);
      const isClosed = () => [1n, 2n].map((id) => ((ledger.account(id)?.flags ?? 0) & ACCOUNT_FLAGS.closed) !== 0);
      assert.deepEqual(isClosed(), [closing === TRANSFER_FLAGS.closingDebit, closing === TRANSFER_FLAGS.closingCredit]);
      if (isVoided) ledger.createTransfers([{ ...plain, id: 2n, pendingId: 1n, flags: voidPending }], 4n);
      else ledger.expirePending(10n ** 10n);
      assert.deepEqual(isClosed(), [false, false]);
    }
  });

  test('property: words of 32 bits count as bigints do', () => {
    fc.assert(
      fc.property(wides, wides, (left, right) => {
        const words = new Uint32Array(8);
        write128(words, 0, left);
        write128(words, 4, right);
        assert.equal(read128(words, 0), left);
        assert.equal(Math.sign(compare(words, 0, words, 4)), left < right ? -1 : left > right ? 1 : 0);
        assert.equal(sumOverflows(words, 0, words, 4), left + right > MOST);
        const total = words.slice();
        assert.equal(add(total, 0, total, 4), left + right > MOST);
        assert.equal(read128(total, 0), (left + right) & MOST);
        subtract(total, 0, total, 4);
        assert.equal(read128(total, 0), left);
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.nat(2 ** 30 - 1), (factor, small) => {
        const words = new Uint32Array(2);
        multiply(words, 0, factor, small);
        assert.equal(read64(words, 0), BigInt(factor) * BigInt(small));
      }),
      { numRuns: 2000 },
    );
  });

  test('property: what expires comes by its time, then in the order in which it was made', () => {
    const entries = fc.array(fc.record({ low: fc.nat(3), high: fc.nat(2) }), { maxLength: 200 });
    fc.assert(
      fc.property(entries, fc.nat(3), fc.nat(2), (made, low, high) => {
        const queue = new ExpiryQueue();
        const expected = made
          .map((entry, row) => ({ ...entry, row }))
          .filter((entry) => entry.high < high || (entry.high === high && entry.low <= low))
          .sort((a, b) => a.high - b.high || a.low - b.low || a.row - b.row);
        made.forEach((entry, row) => {
          queue.push(entry.low, entry.high, row);
        });
        const popped: number[] = [];
        for (let row = queue.popUntil(low, high); row >= 0; row = queue.popUntil(low, high)) popped.push(row);
        assert.deepEqual(
          popped,
          expected.map(({ row }) => row),
        );
        assert.equal(queue.count, made.length - popped.length);
      }),
    );
  });

  test('property: the index finds what is in it, also after the newest were taken out and it has grown', () => {
    const few = fc.array(fc.nat(40), { maxLength: 120 });
    fc.assert(
      fc.property(few, few, fc.integer(), (before, chain, seed) => {
        const index = new IdIndex(4, seed);
        const words = new Uint32Array(4);
        // Few hashes, so that entries push each other aside.
        const hashOf = (id: number) => {
          words[0] = id % 7;
          return index.hash(words, 0);
        };
        const find = (id: number) => {
          for (let slot = index.first(hashOf(id)); slot >= 0; slot = index.next(slot, hashOf(id))) {
            if (index.valueAt(slot) === id + 1) return true;
          }
          return false;
        };
        const kept = new Set(before);
        const added = [...new Set(chain)].filter((id) => !kept.has(id));
        for (const id of kept) {
          index.reserve(1);
          index.insert(hashOf(id), id + 1);
        }
        index.reserve(added.length);
        for (const id of added) index.insert(hashOf(id), id + 1);
        for (const id of added.toReversed()) index.removeNewest(hashOf(id), id + 1);
        for (let id = 0; id <= 40; id += 1) assert.equal(find(id), kept.has(id));
      }),
    );
  });
});
