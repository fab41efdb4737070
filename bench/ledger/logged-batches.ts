/** Requests for the ledger's log, of the make that its speed is measured with. */
import {
  accountsRequest,
  LedgerMachine,
  REQUEST_HEADER_BYTES,
  REQUEST_KINDS,
} from '../../packages/economy/src/ledger/index.ts';

export const BATCH_TRANSFERS = 8190;
export const ACCOUNTS = 10_000;
const BODY_WORDS = 32;
const ID = 0;
const DEBIT = 4;
const CREDIT = 8;
const AMOUNT = 12;
const LEDGER = 28;
const CODE = 29;

/** An empty ledger; by name for the thread that makes snapshots. */
export function createLedgerMachine(): LedgerMachine {
  return new LedgerMachine({ accounts: ACCOUNTS, transfers: 1 << 20 });
}

/** Opens all accounts, in two requests. */
export function accountRequests(): Uint8Array[] {
  const accounts = Array.from({ length: ACCOUNTS }, (_, index) => ({ id: BigInt(index + 1), ledger: 1, code: 10 }));
  return [accounts.slice(0, BATCH_TRANSFERS), accounts.slice(BATCH_TRANSFERS)].map(accountsRequest);
}

/** Transfers between random accounts, with ids from `first` on. The same first id gives the same transfers. */
export function transferRequest(first: number, count: number): Uint8Array {
  const request = new Uint8Array(REQUEST_HEADER_BYTES + count * BODY_WORDS * 4);
  request[0] = REQUEST_KINDS.createTransfers;
  const words = new Uint32Array(request.buffer, REQUEST_HEADER_BYTES);
  let state = first | 1;
  const draw = (bound: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 8) % bound;
  };
  for (let event = 0; event < count; event += 1) {
    const at = event * BODY_WORDS;
    const debit = draw(ACCOUNTS);
    words[at + ID] = first + event;
    words[at + DEBIT] = debit + 1;
    words[at + CREDIT] = ((debit + 1 + draw(ACCOUNTS - 1)) % ACCOUNTS) + 1;
    words[at + AMOUNT] = 1 + draw(1000);
    words[at + LEDGER] = 1;
    words[at + CODE] = 3;
  }
  return request;
}

/** Throws for an answer in which anything but "created" stands: a bench of refusals would measure nothing. */
export function assertCreated(answer: Uint8Array): void {
  if (answer.some((status) => status !== 255)) throw new Error('a transfer of the benchmark was refused');
}
