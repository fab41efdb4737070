/** Runs one scenario against the ledger: once with objects, once with bytes. */
import assert from 'node:assert/strict';
import {
  ACCOUNT_FLAGS,
  ACCOUNT_STATUSES,
  type Account,
  accountsRequest,
  Ledger,
  type NewAccount,
  type NewTransfer,
  REQUEST_HEADER_BYTES,
  TRANSFER_FLAGS,
  TRANSFER_STATUSES,
  transfersRequest,
} from '@fog/economy/ledger';
import { parseShape } from '../vector-shape.ts';
import { type Operation, type Scenario, type StepOf, stepSchema } from './scenario.ts';

const NANOSECONDS = { nanoseconds: 1n, seconds: 1_000_000_000n };
const MOST_TIMESTAMP = (1n << 63n) - 1n;
/** Events that a commit of expired transfers takes on the clock. */
const EXPIRY_EVENTS = 8190n;

type Way = 'objects' | 'bytes';

export function runScenario({ name, steps }: Scenario): void {
  for (const way of ['objects', 'bytes'] as const) {
    const run = new ScenarioRun(way);
    steps.forEach((step, index) => {
      try {
        run.step(parseShape(stepSchema, step));
      } catch (error) {
        throw new Error(`${name}, with ${way}, step ${index} ${JSON.stringify(step)}: ${(error as Error).message}`);
      }
    });
    run.end();
  }
}

/** What an open commit will be asked, and what has to be answered. */
interface Pending {
  accounts: StepOf<'account'>[];
  transfers: StepOf<'transfer'>[];
  checks: (() => void)[];
  answer: unknown[] | null;
  expected: unknown[];
}

class ScenarioRun {
  readonly #way: Way;
  readonly #ledger = new Ledger();
  #clock = 0n;
  #open: Pending = emptyPending();

  constructor(way: Way) {
    this.#way = way;
  }

  step(step: ReturnType<typeof stepSchema.parse>): void {
    const open = this.#open;
    switch (step[0]) {
      case 'account':
        open.accounts.push(step[1]);
        break;
      case 'transfer':
        open.transfers.push(step[1]);
        break;
      case 'setup':
        this.#setUp(step[1]);
        break;
      case 'tick':
        this.#tick(step[1]);
        break;
      case 'lookup_account':
        open.checks.push(() => this.#checkAccount(step[1]));
        break;
      case 'lookup_transfer':
        open.checks.push(() => this.#checkTransfer(step[1]));
        break;
      case 'get_account_transfers':
        open.checks.push(() => {
          open.answer = this.#ledger.accountTransfers(this.#accountFilter(step[1])).map(({ id }) => id);
        });
        break;
      case 'get_account_balances':
        open.checks.push(() => {
          open.answer = this.#ledger.accountBalances(this.#accountFilter(step[1]));
        });
        break;
      case 'query_accounts':
        open.checks.push(() => {
          open.answer = this.#queryAccounts(step[1]);
        });
        break;
      case 'query_transfers':
        open.checks.push(() => {
          open.answer = this.#ledger.queryTransfers(this.#transferQuery(step[1])).map(({ id }) => id);
        });
        break;
      case 'get_account_balances_result':
        open.expected.push({ ...balanceOf(step[1]), timestamp: this.#timeOfTransfer(step[1].transfer_id) });
        break;
      case 'query_accounts_result':
        open.expected.push(step[1].id);
        if (step[1].data) this.#checkAccount({ id: step[1].id, data: step[1].data });
        break;
      case 'get_account_transfers_result':
      case 'query_transfers_result':
        open.expected.push(step[1]);
        break;
      case 'commit':
        this.#commit(step[1]);
        break;
    }
  }

  /** Nothing may be left without its commit. */
  end(): void {
    assert.deepEqual(this.#open, emptyPending(), 'steps after the last commit');
  }

  #commit(operation: Operation): void {
    const { accounts, transfers, checks, expected } = this.#open;
    assert.ok(accounts.length === 0 || operation === 'create_accounts', `accounts in ${operation}`);
    assert.ok(transfers.length === 0 || operation === 'create_transfers', `transfers in ${operation}`);
    this.#clock += 1n + BigInt(accounts.length + transfers.length);
    if (operation === 'create_accounts') this.#createAccounts(accounts);
    if (operation === 'create_transfers') this.#createTransfers(transfers);
    for (const check of checks) check();
    if (this.#open.answer !== null) assert.deepEqual(this.#open.answer, expected, `answer to ${operation}`);
    else assert.equal(expected.length, 0, `results of ${operation} without a question`);
    this.#open = emptyPending();
    this.#expire();
  }

  #createAccounts(steps: readonly StepOf<'account'>[]): void {
    const accounts = steps.map(newAccountOf);
    const expected = steps.map(({ status }) => status);
    for (const status of expected) assert.ok(status in ACCOUNT_STATUSES, `unknown status ${status}`);
    if (this.#way === 'bytes') {
      const bodies = accountsRequest(accounts).subarray(REQUEST_HEADER_BYTES);
      const statuses = this.#ledger.applyAccounts(bodies, this.#clock);
      assert.deepEqual([...statuses], numbersOf(expected, ACCOUNT_STATUSES), 'status bytes');
      return;
    }
    const results = this.#ledger.createAccounts(accounts, this.#clock);
    assert.deepEqual(
      results.map(({ status }) => status),
      expected,
    );
    checkTimes(results, this.#clock, (index) => {
      const { id = 0n } = accounts[index] ?? {};
      return isInChain(steps, index) ? undefined : this.#ledger.account(id)?.timestamp;
    });
  }

  #createTransfers(steps: readonly StepOf<'transfer'>[]): void {
    const transfers = steps.map(newTransferOf);
    const expected = steps.map(({ status }) => status);
    for (const status of expected) assert.ok(status in TRANSFER_STATUSES, `unknown status ${status}`);
    if (this.#way === 'bytes') {
      const bodies = transfersRequest(transfers).subarray(REQUEST_HEADER_BYTES);
      const statuses = this.#ledger.applyTransfers(bodies, this.#clock);
      assert.deepEqual([...statuses], numbersOf(expected, TRANSFER_STATUSES), 'status bytes');
      return;
    }
    const results = this.#ledger.createTransfers(transfers, this.#clock);
    assert.deepEqual(
      results.map(({ status }) => status),
      expected,
    );
    checkTimes(results, this.#clock, (index) => {
      const { id = 0n } = transfers[index] ?? {};
      return isInChain(steps, index) ? undefined : this.#ledger.transfer(id)?.timestamp;
    });
  }

  #setUp({ account: id, ...counters }: StepOf<'setup'>): void {
    const account = this.#ledger.account(id);
    assert.ok(account, `account ${id} is to be set up`);
    this.#ledger.importAccount({ ...account, ...balanceOf(counters) } satisfies Account);
  }

  #tick({ value, unit }: StepOf<'tick'>): void {
    const step = BigInt(Math.abs(value)) * NANOSECONDS[unit];
    this.#clock += value > 0 ? step : MOST_TIMESTAMP - step;
    this.#expire();
  }

  /** Something may only expire when its time has come; the commit that does it takes its own time on the clock. */
  #expire(): void {
    if (!this.#isExpiryDue()) return;
    this.#clock += 1n + EXPIRY_EVENTS;
    this.#ledger.expirePending(this.#clock);
  }

  #isExpiryDue(): boolean {
    const pending = this.#ledger.queryTransfers({ limit: 8190 });
    return pending.some(
      ({ id, timestamp, timeoutSeconds }) =>
        timeoutSeconds > 0 &&
        this.#ledger.pendingStatus(id) === 'pending' &&
        timestamp + BigInt(timeoutSeconds) * NANOSECONDS.seconds <= this.#clock,
    );
  }

  #checkAccount({ id, data }: StepOf<'lookup_account'>): void {
    const account = this.#ledger.account(id);
    if (data === null) {
      assert.equal(account, null, `account ${id}`);
      return;
    }
    assert.ok(account, `account ${id} is missing`);
    const { debitsPending, debitsPosted, creditsPending, creditsPosted, flags } = account;
    assert.deepEqual(
      { debitsPending, debitsPosted, creditsPending, creditsPosted, closed: (flags & ACCOUNT_FLAGS.closed) !== 0 },
      { ...balanceOf(data), closed: data.closed },
      `account ${id}`,
    );
  }

  #checkTransfer({ id, data }: StepOf<'lookup_transfer'>): void {
    const transfer = this.#ledger.transfer(id);
    if ('exists' in data) assert.equal(transfer !== null, data.exists, `transfer ${id}`);
    if ('amount' in data) assert.equal(transfer?.amount, data.amount, `amount of transfer ${id}`);
    if ('timestamp' in data) assert.equal(transfer?.timestamp, data.timestamp, `time of transfer ${id}`);
  }

  #queryAccounts(step: StepOf<'query_accounts'>): bigint[] {
    const timeOf = (id: bigint | undefined) => (id === undefined ? 0n : this.#ledger.account(id)?.timestamp) ?? 0n;
    const times = {
      timestampMin: timeOf(step.timestamp_min_id ?? step.timestamp_min_transfer_id),
      timestampMax: timeOf(step.timestamp_max_id ?? step.timestamp_max_transfer_id),
    };
    return this.#ledger.queryAccounts({ ...commonFilter(step), ledger: step.ledger, ...times }).map(({ id }) => id);
  }

  #transferQuery(step: StepOf<'query_transfers'>) {
    return {
      ...commonFilter(step),
      ledger: step.ledger,
      timestampMin: this.#timeOfTransfer(step.timestamp_min_id ?? step.timestamp_min_transfer_id),
      timestampMax: this.#timeOfTransfer(step.timestamp_max_id ?? step.timestamp_max_transfer_id),
    };
  }

  #accountFilter(step: StepOf<'get_account_transfers'>) {
    return {
      ...commonFilter(step),
      accountId: step.account_id,
      debits: step.debits,
      credits: step.credits,
      timestampMin: this.#timeOfTransfer(step.timestamp_min_transfer_id),
      timestampMax: this.#timeOfTransfer(step.timestamp_max_transfer_id),
    };
  }

  #timeOfTransfer(id: bigint | undefined): bigint {
    if (id === undefined) return 0n;
    const transfer = this.#ledger.transfer(id);
    assert.ok(transfer, `transfer ${id} is named, and missing`);
    return transfer.timestamp;
  }
}

function emptyPending(): Pending {
  return { accounts: [], transfers: [], checks: [], answer: null, expected: [] };
}

/** Each event has its own nanosecond; one that exists already has the time of the first. */
function checkTimes(
  results: readonly { status: string; timestamp: bigint }[],
  clock: bigint,
  timeOfKnown: (index: number) => bigint | undefined,
): void {
  results.forEach(({ status, timestamp }, index) => {
    const own = clock - BigInt(results.length - 1 - index);
    const known = status === 'exists' ? timeOfKnown(index) : own;
    if (known !== undefined) assert.equal(timestamp, known, `time of event ${index}`);
  });
}

/** What existed only within a chain that was taken back can no longer be asked. */
function isInChain(steps: readonly { linked: boolean }[], index: number): boolean {
  return steps[index]?.linked === true || steps[index - 1]?.linked === true;
}

function numbersOf(names: readonly string[], numbers: Readonly<Record<string, number>>): (number | undefined)[] {
  return names.map((name) => numbers[name]);
}

function balanceOf(step: {
  debits_pending: bigint;
  debits_posted: bigint;
  credits_pending: bigint;
  credits_posted: bigint;
}) {
  return {
    debitsPending: step.debits_pending,
    debitsPosted: step.debits_posted,
    creditsPending: step.credits_pending,
    creditsPosted: step.credits_posted,
  };
}

function commonFilter(step: StepOf<'get_account_transfers'> | StepOf<'query_transfers'>) {
  return {
    userData128: step.user_data_128,
    userData64: step.user_data_64,
    userData32: step.user_data_32,
    code: step.code,
    limit: step.limit,
    reversed: step.reversed,
  };
}

/** Bits of no meaning lie above the last that has one. */
const ACCOUNT_PADDING_BIT = 6;
const TRANSFER_PADDING_BIT = 9;

function newAccountOf(step: StepOf<'account'>): NewAccount {
  const flags = flagsOf([
    [step.linked, ACCOUNT_FLAGS.linked],
    [step.debits_must_not_exceed_credits, ACCOUNT_FLAGS.debitsMustNotExceedCredits],
    [step.credits_must_not_exceed_debits, ACCOUNT_FLAGS.creditsMustNotExceedDebits],
    [step.history, ACCOUNT_FLAGS.history],
    [step.closed, ACCOUNT_FLAGS.closed],
  ]);
  return {
    id: step.id,
    ...balanceOf(step),
    userData128: step.user_data_128,
    userData64: step.user_data_64,
    userData32: step.user_data_32,
    reserved: step.reserved,
    ledger: step.ledger,
    code: step.code,
    flags: flags | ((step.padding | step.flags_padding) << ACCOUNT_PADDING_BIT),
    timestamp: step.timestamp,
  };
}

function newTransferOf(step: StepOf<'transfer'>): NewTransfer {
  const flags = flagsOf([
    [step.linked, TRANSFER_FLAGS.linked],
    [step.pending, TRANSFER_FLAGS.pending],
    [step.post_pending, TRANSFER_FLAGS.postPending],
    [step.void_pending, TRANSFER_FLAGS.voidPending],
    [step.balancing_debit, TRANSFER_FLAGS.balancingDebit],
    [step.balancing_credit, TRANSFER_FLAGS.balancingCredit],
    [step.closing_debit, TRANSFER_FLAGS.closingDebit],
    [step.closing_credit, TRANSFER_FLAGS.closingCredit],
  ]);
  return {
    id: step.id,
    debitAccount: step.debit_account_id,
    creditAccount: step.credit_account_id,
    amount: step.amount,
    pendingId: step.pending_id,
    userData128: step.user_data_128,
    userData64: step.user_data_64,
    userData32: step.user_data_32,
    timeoutSeconds: step.timeout_s,
    ledger: step.ledger,
    code: step.code,
    flags: flags | ((step.padding | step.flags_padding) << TRANSFER_PADDING_BIT),
    timestamp: step.timestamp,
  };
}

function flagsOf(bits: readonly (readonly [boolean, number])[]): number {
  return bits.reduce((flags, [isSet, bit]) => (isSet ? flags | bit : flags), 0);
}
