/** What must hold of money whenever nothing is under way. */
import assert from 'node:assert/strict';
import { portionOf } from '@fog/economy/amounts';
import { accountId, CURRENCIES, type Currency } from '@fog/economy/chart';
import { balanceOf, readRecord, readTerms } from '@fog/economy/escrow';
import { readLedgerBalance } from '../../src/settlement/ledger-queries.ts';
import type { Database } from '../../src/store/database.ts';

/** What lies in every escrow is what its record says, and nothing lies in one that has closed. Answers how many have not. */
export async function assertMoney({ read }: Pick<Database, 'read'>): Promise<number> {
  const jobs = await read
    .selectFrom('jobs')
    .select(['id', 'payment_terms', 'escrow', 'escrow_open', 'ended_at'])
    .where('escrow', 'is not', null)
    .execute();
  let open = 0;
  for (const { id, payment_terms: terms, escrow, escrow_open: isOpen } of jobs) {
    const record = readRecord(escrow ?? '');
    const { currency, oversightPpm } = readTerms(terms ?? '');
    const overseen = record.oversight + record.lateOversight;
    assert.ok(overseen <= portionOf(record.retained, oversightPpm), `${id} pays for oversight no more than its share`);
    const balance = await readLedgerBalance(read, accountId(currency as Currency, 'escrow', id));
    assert.equal(balance ?? 0n, balanceOf(record), `what lies in the escrow of ${id}`);
    assert.equal(record.phase === 'open' ? 1 : 0, isOpen, `whether the escrow of ${id} is open`);
    if (record.phase === 'closed') assert.equal(balance ?? 0n, 0n, `${id} has closed`);
    assert.ok(record.paid + record.retained <= record.deposited, `${id} pays no more than it was given`);
    open += isOpen;
  }
  return open;
}

/** What a principal can spend. */
export async function walletOf({ read }: Pick<Database, 'read'>, principal: string, currency: Currency = 'faucet') {
  assert.ok(currency in CURRENCIES);
  return (await readLedgerBalance(read, accountId(currency, 'wallet', principal))) ?? 0n;
}

/** All that was ever given out less what came back. */
export async function supplyOf({ read }: Pick<Database, 'read'>, currency: Currency = 'faucet'): Promise<bigint> {
  return -((await readLedgerBalance(read, accountId(currency, 'issuance'))) ?? 0n);
}

export async function treasuryOf({ read }: Pick<Database, 'read'>, currency: Currency = 'faucet'): Promise<bigint> {
  return (await readLedgerBalance(read, accountId(currency, 'treasury'))) ?? 0n;
}
