/** The ledger in memory: how many transfers a second, and what its whole state costs. */
import { ACCOUNT_FLAGS, Ledger, TRANSFER_FLAGS, TRANSFER_STATUSES } from '@fog/economy/ledger';
import type { BenchmarkContext } from '../benchmark.ts';
import { BATCH_EVENTS, BatchMaker, benchAccounts, issuesTo, randomIndex } from './batches.ts';

const SEED = 42;
/** What each account begins with: more than it can lose. */
const FUNDS = 10n ** 15n;
const WARM_UP_BATCHES = 40;

export interface MemoryFigures {
  transfersPerSecond: number;
  /** Pending transfers and posts, each counted as one. */
  twoPhasePerSecond: number;
  figures: Record<string, unknown>;
}

export function measureMemory(context: BenchmarkContext): MemoryFigures {
  const transfers = context.option('transfers');
  const accounts = context.option('accounts');
  context.progress('warming up');
  run(new Bank(accounts, WARM_UP_BATCHES * BATCH_EVENTS), WARM_UP_BATCHES * BATCH_EVENTS, false);
  run(new Bank(accounts, WARM_UP_BATCHES * BATCH_EVENTS), WARM_UP_BATCHES * BATCH_EVENTS, true);
  context.progress(`${transfers} transfers in two phases`);
  const twoPhase = run(new Bank(accounts, transfers), transfers, true);
  context.progress(`${transfers} transfers in one phase`);
  const bank = new Bank(accounts, transfers);
  const onePhase = run(bank, transfers, false);
  context.progress('snapshot, restore and digest');
  return {
    transfersPerSecond: onePhase.perSecond,
    twoPhasePerSecond: twoPhase.perSecond,
    figures: {
      held: onePhase.created,
      accounts,
      batchEvents: BATCH_EVENTS,
      lastMillionPerSecond: onePhase.lastPerSecond,
      batchMilliseconds: { p50: onePhase.median, p99: onePhase.p99, max: onePhase.max },
      ...wholeState(bank),
    },
  };
}

class Bank {
  readonly ledger: Ledger;
  readonly maker: BatchMaker;
  clock: bigint;

  constructor(accounts: number, transfers: number) {
    this.ledger = new Ledger({ accounts: accounts + 1, transfers: transfers + accounts });
    const opened = benchAccounts(accounts, ACCOUNT_FLAGS.debitsMustNotExceedCredits);
    this.clock = 0n;
    for (let from = 0; from < opened.length; from += BATCH_EVENTS) {
      const batch = opened.slice(from, from + BATCH_EVENTS);
      this.clock += BigInt(batch.length);
      this.ledger.createAccounts(batch, this.clock);
      const issues = issuesTo(batch, FUNDS);
      this.clock += BigInt(issues.length);
      this.ledger.createTransfers(issues, this.clock);
    }
    this.maker = new BatchMaker(accounts, randomIndex(SEED));
  }
}

/** Only the ledger is timed, not the making of batches. */
function run(bank: Bank, transfers: number, isTwoPhase: boolean) {
  const times: number[] = [];
  let created = 0;
  for (let done = 0; done < transfers; done += BATCH_EVENTS) {
    const count = Math.min(BATCH_EVENTS, transfers - done);
    const isPosting = isTwoPhase && times.length % 2 === 1;
    const batch = isPosting
      ? bank.maker.makePosts(count)
      : bank.maker.make(count, isTwoPhase ? TRANSFER_FLAGS.pending : 0);
    bank.clock += BigInt(count);
    const start = performance.now();
    const statuses = bank.ledger.applyTransfers(batch, bank.clock);
    times.push(performance.now() - start);
    for (const status of statuses) if (status === TRANSFER_STATUSES.created) created += 1;
  }
  if (created !== transfers) throw new Error(`${created} of ${transfers} transfers happened`);
  const last = times.slice(-Math.ceil(1_000_000 / BATCH_EVENTS));
  const sorted = times.toSorted((left, right) => left - right);
  return {
    created,
    perSecond: Math.round((transfers / sum(times)) * 1000),
    lastPerSecond: Math.round(((last.length * BATCH_EVENTS) / sum(last)) * 1000),
    median: rounded(sorted[Math.floor(sorted.length / 2)] ?? 0),
    p99: rounded(sorted[Math.floor(sorted.length * 0.99)] ?? 0),
    max: rounded(sorted.at(-1) ?? 0),
  };
}

function wholeState({ ledger }: Bank): Record<string, unknown> {
  const parts: Uint8Array[] = [];
  const snapshotMilliseconds = timed(() => {
    for (const part of ledger.snapshot()) parts.push(part);
  });
  const digestSeconds = timed(() => ledger.digest()) / 1000;
  const bytes = parts.reduce((all, part) => all + part.byteLength, 0);
  const restored = new Ledger();
  const restoreSeconds = timed(() => restored.restore(parts)) / 1000;
  return {
    snapshotBytes: bytes,
    snapshotMilliseconds: rounded(snapshotMilliseconds),
    digestSeconds: rounded(digestSeconds),
    restoreSeconds: rounded(restoreSeconds),
    residentBytes: process.memoryUsage.rss(),
  };
}

function timed(action: () => void): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
