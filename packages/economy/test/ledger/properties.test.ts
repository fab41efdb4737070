import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ACCOUNT_FLAGS,
  accountsRequest,
  type CreateResult,
  expiryRequest,
  Ledger,
  LedgerMachine,
  type NewTransfer,
  REQUEST_HEADER_BYTES,
  TRANSFER_FLAGS,
  TRANSFER_STATUSES,
  type TransferStatus,
  transfersRequest,
} from '../../src/ledger/index.ts';
import { ACCOUNTS, type Batch, histories, ISSUANCE, transfers } from './histories.ts';
import { PartialHome } from './partial-home.ts';

const RUNS = { numRuns: 200 };
const START = BigInt(ACCOUNTS.length);

function openedLedger(): Ledger {
  const ledger = new Ledger();
  const results = ledger.createAccounts(ACCOUNTS, START);
  assert.ok(results.every(({ status }) => status === 'created'));
  return ledger;
}

/** Lets a history happen; `look` sees each batch with its results, after what has expired before it. */
function play(
  ledger: Ledger,
  history: readonly Batch[],
  look: (batch: Batch, results: CreateResult<TransferStatus>[], timestamp: bigint) => void = () => undefined,
): bigint {
  let clock = START;
  for (const batch of history) {
    clock += batch.pause + 1n;
    ledger.expirePending(clock);
    clock += BigInt(batch.transfers.length);
    look(batch, ledger.createTransfers(batch.transfers, clock), clock);
  }
  return clock;
}

function bytesOf(batch: readonly NewTransfer[]): Uint8Array {
  return transfersRequest(batch).subarray(REQUEST_HEADER_BYTES);
}

describe('invariants of the ledger, over random histories', () => {
  test('sums: debits are credits in each ledger, pending and posted ones apart', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const ledger = openedLedger();
        play(ledger, history, () => {
          for (const sums of ledger.totals().values()) {
            assert.equal(sums.debitsPending, sums.creditsPending);
            assert.equal(sums.debitsPosted, sums.creditsPosted);
          }
        });
      }),
      RUNS,
    );
  });

  test('limits: no account owes more than it may, and no counter leaves its 128 bits', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const ledger = openedLedger();
        play(ledger, history, () => {
          for (const account of ledger.queryAccounts({ limit: 100 })) {
            const debits = account.debitsPending + account.debitsPosted;
            const credits = account.creditsPending + account.creditsPosted;
            assert.ok(debits < 1n << 128n && credits < 1n << 128n);
            if (account.flags & ACCOUNT_FLAGS.debitsMustNotExceedCredits) assert.ok(debits <= account.creditsPosted);
            if (account.flags & ACCOUNT_FLAGS.creditsMustNotExceedDebits) assert.ok(credits <= account.debitsPosted);
          }
        });
      }),
      RUNS,
    );
  });

  test('supply: what accounts hold together changes by transfers with the issuance account alone', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const ledger = openedLedger();
        let issued = 0n;
        play(ledger, history, ({ transfers: asked }, results) => {
          asked.forEach(({ id }, index) => {
            const transfer = results[index]?.status === 'created' ? ledger.transfer(id) : null;
            if (transfer === null || (transfer.flags & TRANSFER_FLAGS.pending) !== 0) return;
            if ((transfer.flags & TRANSFER_FLAGS.voidPending) !== 0) return;
            if (transfer.debitAccount === ISSUANCE) issued += transfer.amount;
            if (transfer.creditAccount === ISSUANCE) issued -= transfer.amount;
          });
          const held = ledger
            .queryAccounts({ limit: 100, ledger: 1 })
            .filter(({ id }) => id !== ISSUANCE)
            .reduce((sum, { creditsPosted, debitsPosted }) => sum + creditsPosted - debitsPosted, 0n);
          assert.equal(held, issued);
        });
      }),
      RUNS,
    );
  });

  test('pending: each resolves once, and only to what was reserved', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const ledger = openedLedger();
        const clock = play(ledger, history);
        const all = ledger.queryTransfers({ limit: 8190 });
        for (const transfer of all) {
          const resolving = all.filter(({ pendingId }) => pendingId === transfer.id);
          const status = ledger.pendingStatus(transfer.id);
          assert.equal(status !== null, (transfer.flags & TRANSFER_FLAGS.pending) !== 0);
          assert.equal(resolving.length, status === 'posted' || status === 'voided' ? 1 : 0);
          assert.ok(resolving.every(({ amount }) => amount <= transfer.amount));
          if (status !== 'expired') continue;
          assert.ok(transfer.timestamp + BigInt(transfer.timeoutSeconds) * 1_000_000_000n <= clock);
        }
      }),
      RUNS,
    );
  });

  test('retries: what happened answers that it exists, what was spent stays spent, and nothing changes', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const ledger = openedLedger();
        const happened: NewTransfer[] = [];
        const spent: bigint[] = [];
        const clock = play(ledger, history, ({ transfers: asked }, results) => {
          asked.forEach((transfer, index) => {
            if (results[index]?.status === 'created') happened.push(transfer);
            if (ledger.hasFailed(transfer.id)) spent.push(transfer.id);
          });
        });
        const before = ledger.queryAccounts({ limit: 100 });
        // Linked ones are asked for alone: a chain of what exists fails as one.
        const again = happened.map((transfer) => ({ ...transfer, flags: transfer.flags ?? 0 }));
        again.forEach((transfer, index) => {
          const isLinked = (transfer.flags & TRANSFER_FLAGS.linked) !== 0;
          const batch = isLinked ? [transfer, { ...transfer, id: 5000n, flags: 0 }] : [transfer];
          const [result] = ledger.createTransfers(batch, clock + BigInt(index + 1) * 2n);
          assert.equal(result?.status, 'exists');
          assert.equal(result?.timestamp, ledger.transfer(transfer.id)?.timestamp);
        });
        for (const id of spent) assert.equal(ledger.transfer(id), null);
        assert.deepEqual(ledger.queryAccounts({ limit: 100 }), before);
      }),
      RUNS,
    );
  });

  test('chains: linked events happen together or not at all', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const ledger = openedLedger();
        play(ledger, history, ({ transfers: asked }, results) => {
          let chain: boolean[] = [];
          asked.forEach(({ flags = 0 }, index) => {
            chain.push(results[index]?.status === 'created');
            if ((flags & TRANSFER_FLAGS.linked) !== 0 && index < asked.length - 1) return;
            assert.ok(chain.every((happened) => happened === chain[0]));
            chain = [];
          });
        });
      }),
      RUNS,
    );
  });

  test('chains: one that fails leaves no trace but a spent id', () => {
    fc.assert(
      fc.property(histories, fc.array(transfers, { minLength: 1, maxLength: 8 }), (history, chain) => {
        const ledger = openedLedger();
        const clock = play(ledger, history);
        const traces = () => ({
          accounts: ledger.queryAccounts({ limit: 100 }),
          transfers: ledger.queryTransfers({ limit: 8190 }).map((transfer) => ({
            transfer,
            status: ledger.pendingStatus(transfer.id),
          })),
          ofAccounts: ACCOUNTS.map(({ id: accountId }) => ({
            transfers: ledger.accountTransfers({ accountId, limit: 8190, debits: true, credits: true }),
            balances: ledger.accountBalances({ accountId, limit: 8190, debits: true, credits: true }),
          })),
        });
        const before = traces();
        const linked = chain.map((transfer) => ({
          ...transfer,
          flags: (transfer.flags ?? 0) | TRANSFER_FLAGS.linked,
        }));
        ledger.createTransfers(linked, clock + BigInt(linked.length));
        assert.deepEqual(traces(), before);
      }),
      RUNS,
    );
  });

  test('replay: the same requests give the same bytes, answers and digest, also from a snapshot in the middle', () => {
    fc.assert(
      fc.property(histories, fc.nat(), fc.integer({ min: 1, max: 997 }), (history, cut, partBytes) => {
        const requests: { request: Uint8Array; timestamp: bigint }[] = [
          { request: accountsRequest(ACCOUNTS), timestamp: START },
        ];
        let clock = START;
        for (const batch of history) {
          clock += batch.pause + 1n;
          requests.push({ request: expiryRequest(), timestamp: clock });
          clock += BigInt(batch.transfers.length);
          requests.push({ request: transfersRequest(batch.transfers), timestamp: clock });
        }
        const [one, other] = [new LedgerMachine(), new LedgerMachine({ accounts: 100, transfers: 5000, indexSeed: 7 })];
        const at = cut % requests.length;
        requests.forEach(({ request, timestamp }, index) => {
          if (index === at) {
            const snapshot = Buffer.concat([...one.snapshot()]);
            const parts = [];
            for (let from = 0; from < snapshot.length; from += partBytes)
              parts.push(snapshot.subarray(from, from + partBytes));
            other.restore(parts);
          }
          const answer = one.apply(request, timestamp);
          assert.deepEqual(other.apply(request, timestamp), answer);
        });
        assert.deepEqual(other.digest(), one.digest());
      }),
      RUNS,
    );
  });

  test('parts: a ledger that holds only what a batch names decides as the whole one, as do bytes', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const whole = openedLedger();
        const bytes = openedLedger();
        const home = new PartialHome(ACCOUNTS, START);
        let clock = START;
        for (const batch of history) {
          clock += batch.pause + 1n;
          assert.equal(bytes.expirePending(clock), whole.expirePending(clock));
          home.expirePending(clock);
          clock += BigInt(batch.transfers.length);
          const results = whole.createTransfers(batch.transfers, clock);
          assert.deepEqual(home.createTransfers(batch.transfers, clock), results);
          assert.deepEqual(
            [...bytes.applyTransfers(bytesOf(batch.transfers), clock)],
            results.map(({ status }) => TRANSFER_STATUSES[status]),
          );
        }
        assert.deepEqual(home.accounts(), whole.queryAccounts({ limit: 100 }));
        assert.deepEqual(
          home.transfers(),
          whole
            .queryTransfers({ limit: 8190 })
            .map((transfer) => ({ transfer, status: whole.pendingStatus(transfer.id) })),
        );
        for (const { id: accountId } of ACCOUNTS) {
          const filter = { accountId, limit: 8190, debits: true, credits: true };
          assert.deepEqual(home.balances(accountId), whole.accountBalances(filter));
        }
        assert.deepEqual(bytes.digest(), whole.digest());
      }),
      RUNS,
    );
  });
});
