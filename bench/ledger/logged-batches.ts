/** The batches of batches.ts as requests to a ledger over its log. */
import {
  ACCOUNT_FLAGS,
  accountsRequest,
  LedgerMachine,
  REQUEST_HEADER_BYTES,
  REQUEST_KINDS,
  TRANSFER_STATUSES,
  transfersRequest,
} from '@fog/economy/ledger';
import { BATCH_EVENTS, BatchMaker, benchAccounts, issuesTo, randomIndex } from './batches.ts';

export const ACCOUNTS = 10_000;
const FUNDS = 1n << 60n;
const SEED = 1;

/** An empty ledger; by name for the thread that makes snapshots. */
export function createLedgerMachine(transfers = 1 << 20): LedgerMachine {
  return new LedgerMachine({ accounts: ACCOUNTS + 1, transfers });
}

export class LoggedBatches {
  readonly #maker = new BatchMaker(ACCOUNTS, randomIndex(SEED));

  /** Opens accounts that may not owe more than they have, and gives each of them enough. */
  openings(): Uint8Array[] {
    const accounts = benchAccounts(ACCOUNTS, ACCOUNT_FLAGS.debitsMustNotExceedCredits);
    const issues = issuesTo(accounts, FUNDS);
    return [...inBatches(accounts).map(accountsRequest), ...inBatches(issues).map(transfersRequest)];
  }

  /** Transfers between random accounts. */
  next(count: number): Uint8Array {
    const bodies = this.#maker.make(count);
    const request = new Uint8Array(REQUEST_HEADER_BYTES + bodies.length);
    request[0] = REQUEST_KINDS.createTransfers;
    request.set(bodies, REQUEST_HEADER_BYTES);
    return request;
  }
}

/** Throws for an answer in which anything but "created" stands: a bench of refusals would measure nothing. */
export function assertCreated(answer: Uint8Array): void {
  if (answer.some((status) => status !== TRANSFER_STATUSES.created)) throw new Error('a transfer was refused');
}

function inBatches<Item>(items: readonly Item[]): Item[][] {
  const amount = Math.ceil(items.length / BATCH_EVENTS);
  return Array.from({ length: amount }, (_, index) => items.slice(index * BATCH_EVENTS, (index + 1) * BATCH_EVENTS));
}
