/** What escrow asks for, done by the ledger itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACCOUNT_CODES, accountId, CURRENCIES, type Currency } from '../../src/chart.ts';
import {
  closeEscrow,
  type EscrowAccount,
  type EscrowTransfer,
  NOTHING_PAID,
  openEscrow,
  settleTask,
} from '../../src/escrow/index.ts';
import { ACCOUNT_FLAGS, Ledger, TRANSFER_FLAGS } from '../../src/ledger/index.ts';
import type { TransferStatus } from './balances.ts';
import { escrowWith, resultOf } from './examples.ts';
import { type Home, history, OVER, play } from './histories.ts';

const PRINCIPALS = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace'];

class LedgerHome implements Home {
  readonly ledger = new Ledger();
  #now = 1_000_000n;

  /** With money for the buyer; what it got is not counted as a balance. */
  constructor(currency: Currency, money: bigint) {
    const account = (kind: 'treasury' | 'wallet' | 'issuance', name: string, flags = 0) => ({
      id: accountId(currency, kind, name),
      ledger: CURRENCIES[currency],
      code: ACCOUNT_CODES[kind],
      flags,
    });
    const issuance = account('issuance', '');
    const wallets = PRINCIPALS.map((name) => account('wallet', name, ACCOUNT_FLAGS.debitsMustNotExceedCredits));
    this.open([issuance, account('treasury', '', ACCOUNT_FLAGS.debitsMustNotExceedCredits), ...wallets]);
    const alice = accountId(currency, 'wallet', 'alice');
    const given = { id: 1n, debitAccount: issuance.id, creditAccount: alice, amount: money };
    this.apply([{ ...given, ledger: CURRENCIES[currency], code: 1 }]);
  }

  open(accounts: readonly EscrowAccount[]): void {
    this.#now += 1000n;
    for (const { status } of this.ledger.createAccounts(accounts, this.#now)) {
      assert.ok(status === 'created' || status === 'exists', status);
    }
  }

  apply(transfers: readonly EscrowTransfer[]): TransferStatus[] {
    this.#now += 1000n;
    if (transfers.length === 0) return [];
    return this.ledger.createTransfers(transfers, this.#now).map(({ status }) => {
      if (status === 'created' || status === 'exists') return status;
      if (status === 'linked_event_failed') return 'linked-failed';
      return status === 'exceeds_credits' ? 'exceeds-credits' : assert.fail(status);
    });
  }

  balance(id: bigint): bigint {
    const account = this.ledger.account(id);
    return account === null ? 0n : account.creditsPosted - account.debitsPosted;
  }

  wallet(principal: string, currency: Currency = 'fog'): bigint {
    return this.balance(accountId(currency, 'wallet', principal));
  }

  total(): bigint {
    return 0n;
  }
}

test('the flags that escrow sets have the bits that ledgers have stored', () => {
  assert.equal(TRANSFER_FLAGS.linked, 1);
  assert.equal(TRANSFER_FLAGS.balancingDebit, 16);
  assert.equal(ACCOUNT_FLAGS.debitsMustNotExceedCredits, 2);
});

test('property: the ledger does what the model does, and paid + oversight + fees + credits + refund = deposited in it', () => {
  const most = 1n << 90n;
  fc.assert(
    fc.property(history, (story) => {
      const currency = story.escrow.terms.currency ?? 'fog';
      const home = new LedgerHome(currency, most);
      const { record } = play(story, home);
      const model = play(story);
      assert.deepEqual(record, model.record);
      for (const name of PRINCIPALS.slice(1))
        assert.equal(home.wallet(name, currency), model.balances.wallet(name, currency));
      assert.equal(home.wallet('alice', currency) - most, model.balances.wallet('alice', currency));
      const { fees, burned, lateOversight } = record;
      assert.equal(home.balance(accountId(currency, 'treasury')), fees - burned - lateOversight);
    }),
    { numRuns: 150 },
  );
});

test('a payout that was decided before another coordinator closed the escrow is refused by the ledger itself', () => {
  const escrow = escrowWith();
  const home = new LedgerHome('fog', 6000n);
  const { record, accounts, transfers } = openEscrow(escrow, home.wallet('alice'));
  home.open(accounts);
  assert.deepEqual(home.apply(transfers), ['created']);
  const end = closeEscrow(escrow, record, OVER);
  assert.deepEqual(home.apply(end?.transfers ?? []), ['created']);
  const results = [resultOf(1, { provider: 'bob' })];
  const late = settleTask(escrow, record, NOTHING_PAID, { partition: 0, results });
  assert.deepEqual(home.apply(late.transfers), ['exceeds-credits']);
  assert.deepEqual([home.wallet('alice'), home.wallet('bob')], [6000n, 0n]);
});
