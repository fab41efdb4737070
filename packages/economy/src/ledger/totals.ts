/** Sums over all accounts, for whoever audits a ledger. */
import { ACCOUNT_WORDS, BODY_WORDS } from './layout.ts';
import type { LedgerState } from './state.ts';
import { read128 } from './wide.ts';

export interface LedgerTotals {
  debitsPending: bigint;
  debitsPosted: bigint;
  creditsPending: bigint;
  creditsPosted: bigint;
}

/** The sums by ledger. They may be more than 128 bits. */
export function totalsOf({ accounts: { words, count } }: LedgerState): Map<number, LedgerTotals> {
  const totals = new Map<number, LedgerTotals>();
  for (let row = 0; row < count; row += 1) {
    const at = row * BODY_WORDS;
    const ledger = words[at + ACCOUNT_WORDS.ledger] as number;
    const sums = totals.get(ledger) ?? { debitsPending: 0n, debitsPosted: 0n, creditsPending: 0n, creditsPosted: 0n };
    sums.debitsPending += read128(words, at + ACCOUNT_WORDS.debitsPending);
    sums.debitsPosted += read128(words, at + ACCOUNT_WORDS.debitsPosted);
    sums.creditsPending += read128(words, at + ACCOUNT_WORDS.creditsPending);
    sums.creditsPosted += read128(words, at + ACCOUNT_WORDS.creditsPosted);
    totals.set(ledger, sums);
  }
  return totals;
}
