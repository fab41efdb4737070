/** Accounts and transfers that one transaction asks of the ledger, together. */
import { FogError } from '@fog/contract';
import { ACCOUNT_CODES, accountId, CURRENCIES, type Currency, TRANSFER_CODES } from '@fog/economy/chart';
import type { EscrowAccount } from '@fog/economy/escrow';
import { ACCOUNT_FLAGS, LEDGER_LIMITS, type NewAccount, type NewTransfer, TRANSFER_FLAGS } from '@fog/economy/ledger';
import type { Writer } from '../store/database.ts';
import { insertWalletNames } from '../store/settlement-rows.ts';
import { numberOfJob } from './job-numbers.ts';
import type { LedgerOutcome, LedgerRequest, SqlLedger } from './sql-ledger.ts';

/** A wallet never gives what it does not have, and neither do the others. */
const COVERED = ACCOUNT_FLAGS.debitsMustNotExceedCredits;

export class MoneyMoves {
  readonly #currency: Currency;
  readonly #accounts = new Map<bigint, NewAccount>();
  readonly #transfers: NewTransfer[] = [];
  /** Whose wallets these are. */
  readonly #names = new Map<bigint, string>();
  readonly #principals: Record<Currency, Set<string>> = { fog: new Set(), faucet: new Set() };

  /** `currency`: where none is named. */
  constructor(currency: Currency) {
    this.#currency = currency;
    this.#open('issuance', '', 0);
    this.#open('treasury', '', COVERED);
  }

  get isEmpty(): boolean {
    return this.#transfers.length === 0;
  }

  openWallet(principal: string, currency = this.#currency): void {
    const known = this.#principals[currency];
    if (known.has(principal)) return;
    known.add(principal);
    this.#names.set(accountId(currency, 'wallet', principal), principal);
    this.#open('wallet', principal, COVERED, currency);
  }

  /** What lies there while a proposal is decided. */
  openDeposit(proposal: string): void {
    this.#open('deposit', proposal, COVERED);
  }

  add({ transfers }: { transfers: readonly NewTransfer[] }): void {
    this.#transfers.push(...transfers);
  }

  /** One that is there already is no fault. */
  openAccounts(accounts: readonly NewAccount[]): void {
    for (const account of accounts) this.#accounts.set(account.id, account);
  }

  /** Accounts of the escrow of a job. */
  openEscrow(job: string, accounts: readonly EscrowAccount[]): void {
    for (const account of accounts) this.#accounts.set(account.id, { ...account, userData128: numberOfJob(job) });
  }

  /** Makes new money; none is made of an amount of 0. */
  issue(kind: 'treasury' | 'wallet', name: string, amount: bigint, id: bigint): void {
    if (kind === 'wallet') this.openWallet(name);
    if (amount === 0n) return;
    this.#transfers.push({
      id,
      debitAccount: accountId(this.#currency, 'issuance'),
      creditAccount: accountId(this.#currency, kind, name),
      amount,
      ledger: CURRENCIES[this.#currency],
      code: TRANSFER_CODES[this.#currency === 'faucet' ? 'faucet' : 'issue'],
    });
  }

  /**
   * What was done before is no fault. Throws `internal` when the ledger refuses anything else: then a record and its
   * account disagree, and nothing of the transaction may stand. Answers the ledger's sequence after it; null where nothing
   * was asked of it.
   */
  async carryOut(writer: Writer, ledger: SqlLedger, now: number): Promise<number | null> {
    if (this.isEmpty) return null;
    const accounts = [...this.#accounts.values()];
    const outcome = await applyAll(writer, ledger, { accounts, transfers: this.#transfers }, now);
    const opened = accounts.filter((_, index) => outcome.accounts[index]?.status === 'created').map(({ id }) => id);
    await insertWalletNames(writer, named(this.#names, opened));
    const isRefused = ({ status }: { status: string }) => status !== 'created' && status !== 'exists';
    if (!outcome.transfers.some(isRefused)) return outcome.sequence;
    // Of a chain, the one that broke it.
    const refused = outcome.transfers.findIndex((one) => isRefused(one) && one.status !== 'linked_event_failed');
    const { status } = outcome.transfers[refused] as { status: string };
    const transfer = this.#transfers[refused] as NewTransfer;
    if (status === 'exceeds_credits' && this.#names.has(transfer.debitAccount)) {
      throw new FogError('insufficient-funds', `${this.#names.get(transfer.debitAccount)} has spent it meanwhile`, {
        hint: 'fog wallet',
        retryable: true,
      });
    }
    throw new FogError('internal', `the ledger refuses transfer ${transfer.id.toString(16)}: ${status}`, {
      details: { status, code: transfer.code, amount: String(transfer.amount) },
    });
  }

  #open(
    kind: 'issuance' | 'treasury' | 'wallet' | 'deposit',
    name: string,
    flags: number,
    currency = this.#currency,
  ): void {
    const id = accountId(currency, kind, name);
    if (this.#accounts.has(id)) return;
    this.#accounts.set(id, { id, ledger: CURRENCIES[currency], code: ACCOUNT_CODES[kind], flags });
  }
}

/** In as few batches as the ledger takes; all of it is in one transaction. */
async function applyAll(
  writer: Writer,
  ledger: SqlLedger,
  { accounts, transfers }: Required<LedgerRequest>,
  now: number,
): Promise<LedgerOutcome> {
  const { batchEvents } = LEDGER_LIMITS;
  if (accounts.length <= batchEvents && transfers.length <= batchEvents) {
    return await ledger.apply(writer, { accounts, transfers }, now);
  }
  const all: LedgerOutcome = { accounts: [], transfers: [], sequence: 0 };
  for (const part of batchesOf(accounts)) {
    all.accounts.push(...(await ledger.apply(writer, { accounts: part }, now)).accounts);
  }
  for (const part of batchesOf(transfers)) {
    const outcome = await ledger.apply(writer, { transfers: part }, now);
    all.transfers.push(...outcome.transfers);
    all.sequence = outcome.sequence;
  }
  return all;
}

/** No chain is cut. */
function batchesOf<One extends { flags?: number }>(events: readonly One[]): One[][] {
  const batches: One[][] = [];
  for (let start = 0; start < events.length; ) {
    let end = Math.min(events.length, start + LEDGER_LIMITS.batchEvents);
    while (end < events.length && end - 1 > start && ((events[end - 1]?.flags ?? 0) & TRANSFER_FLAGS.linked) !== 0)
      end -= 1;
    batches.push(events.slice(start, end));
    start = end;
  }
  return batches;
}

function named(names: ReadonlyMap<bigint, string>, ids: readonly bigint[]): [id: bigint, principal: string][] {
  return ids.flatMap((id) => {
    const name = names.get(id);
    return name === undefined ? [] : [[id, name]];
  });
}
