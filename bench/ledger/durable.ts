/**
 * The ledger over its log on a real disk: transfers a second with group commit, how long a commit takes at a given load,
 * and how long it takes to get ten million transfers back.
 */
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { LedgerMachine } from '@fog/economy/ledger';
import { MachineLog, openFolder, type Retention, recover, snapshotThread } from '@fog/economy/ledger/log';
import type { BenchmarkContext } from '../benchmark.ts';
import { median, percentile, rounded } from '../statistics.ts';
import { TemporaryFolder } from '../temporary-folder.ts';
import { BATCH_EVENTS, randomIndex } from './batches.ts';
import { assertCreated, createLedgerMachine, LoggedBatches } from './logged-batches.ts';

/** Batches that wait for their answers at a time while throughput is measured. */
const WINDOW = 8;
/** Share of the history that the snapshot holds; the rest is replayed. */
const SNAPSHOT_SHARE = 0.8;

export interface DurableOptions {
  /** Transfers of the history that is recovered. */
  transfers: number;
  /** Seconds of each load. */
  seconds: number;
}

interface Load {
  batch: number;
  transfersPerSecond: number;
}

/** What commits are timed under, the first of them for the headline: batches at random moments (exponential pauses), whether answers have come or not. */
const LOADS: readonly Load[] = [
  { batch: 100, transfersPerSecond: 100_000 },
  { batch: 1000, transfersPerSecond: 100_000 },
  { batch: 8190, transfersPerSecond: 300_000 },
  { batch: 1, transfersPerSecond: 2000 },
];

export async function measureDurable(context: BenchmarkContext, { transfers, seconds }: DurableOptions) {
  const folder = context.cleanup.use(new TemporaryFolder());
  const commit: Record<string, unknown> = {};
  for (const load of LOADS) {
    const path = join(folder.path, `load-${load.batch}`);
    const name = `batches${load.batch}`;
    commit[name] = await measureCommits(path, load, seconds);
    context.progress(`commits of ${load.batch} at ${load.transfersPerSecond}/s: ${JSON.stringify(commit[name])} ms`);
  }
  const history = await writeHistory(context, join(folder.path, 'history'), transfers);
  const [stated] = Object.values(commit) as { p99: number }[];
  const recovery = recoverHistory(join(folder.path, 'history'), history.digest);
  context.progress(`recovery: ${JSON.stringify(recovery)}`);
  return {
    perSecond: history.perSecond,
    commitMilliseconds: { p99: stated?.p99, ...commit },
    snapshot: history.snapshot,
    recoverySeconds: recovery.fromSnapshot,
    recovery: { transfers, ...recovery },
  };
}

async function openLedger(path: string, retention: Retention) {
  const storage = openFolder(path);
  const log = await MachineLog.open({
    storage,
    retention,
    createMachine: createLedgerMachine,
    now: () => BigInt(Date.now()) * 1_000_000n,
    makeSnapshot: snapshotThread({
      folder: path,
      machineModule: new URL('./logged-batches.ts', import.meta.url).href,
      createMachine: 'createLedgerMachine',
    }),
  });
  const batches = new LoggedBatches();
  for (const request of batches.openings()) assertCreated(await log.submit(request));
  const end = async () => {
    await log.close();
    storage[Symbol.dispose]();
  };
  return { log, batches, end };
}

async function measureCommits(path: string, { batch, transfersPerSecond }: Load, seconds: number) {
  const { log, batches, end } = await openLedger(path, { snapshots: 1 });
  const requestsOf = (time: number) =>
    Array.from({ length: Math.ceil((transfersPerSecond * time) / batch) }, () => batches.next(batch));
  // A process that has just started is slower: the first second is not counted.
  await commitsOf(log, requestsOf(1), transfersPerSecond / batch);
  const times = await commitsOf(log, requestsOf(seconds), transfersPerSecond / batch);
  await end();
  return { transfersPerSecond, p50: rounded(median(times)), p99: rounded(percentile(times, 0.99)) };
}

/** Milliseconds of each commit, in the order in which they ended. */
async function commitsOf(
  log: MachineLog<LedgerMachine>,
  requests: readonly Uint8Array[],
  perSecond: number,
): Promise<number[]> {
  const times: number[] = [];
  const answers: Promise<void>[] = [];
  const random = randomIndex(7);
  let due = performance.now();
  for (const request of requests) {
    due += (-Math.log((1 + random.next(2 ** 24)) / 2 ** 24) * 1000) / perSecond;
    // A sender that spins would make garbage for the collector, which stops commits; a timer is late by a millisecond.
    const pause = due - performance.now();
    await (pause > 0 ? sleep(pause) : nextTurn());
    // From when it was due: what could not even be sent in time has waited, too.
    const since = due;
    const answered = log.submit(request).then((answer) => {
      times.push(performance.now() - since);
      assertCreated(answer);
    });
    answers.push(answered);
  }
  await Promise.all(answers);
  return times;
}

async function writeHistory(context: BenchmarkContext, path: string, transfers: number) {
  const { log, batches, end } = await openLedger(path, { snapshots: 1, wholeLog: true });
  const wanted = Math.ceil(transfers / BATCH_EVENTS);
  let seconds = 0;
  let snapshot: Promise<unknown> | null = null;
  const rates: { batches: number; perSecond: number; beside: boolean }[] = [];
  const stride = Math.ceil(wanted / 10);
  for (let start = 0; start < wanted; start += stride) {
    const amount = Math.min(stride, wanted - start);
    // What makes the batches is not what is measured.
    const requests = Array.from({ length: amount }, () => batches.next(BATCH_EVENTS));
    const startedAt = performance.now();
    await inWindow(log, requests);
    const took = (performance.now() - startedAt) / 1000;
    seconds += took;
    rates.push({ batches: amount, perSecond: (amount * BATCH_EVENTS) / took, beside: snapshot !== null });
    if (snapshot === null && start + amount >= wanted * SNAPSHOT_SHARE) snapshot = timed(log.snapshot());
  }
  const report = await snapshot;
  const digest = log.machine.digest();
  await end();
  const alone = rates.filter(({ beside }) => !beside);
  const perSecond = rounded(median(alone.map((rate) => rate.perSecond)));
  const beside = rounded(median(rates.filter((rate) => rate.beside).map((rate) => rate.perSecond)));
  context.progress(`${perSecond} durable transfers/s, ${beside} beside a snapshot`);
  return { perSecond, digest, seconds, snapshot: { ...(report as object), transfersPerSecondBeside: beside } };
}

async function timed(work: Promise<{ bytes: number; pausedMilliseconds: number }>) {
  const startedAt = performance.now();
  const { bytes, pausedMilliseconds } = await work;
  return {
    seconds: rounded((performance.now() - startedAt) / 1000),
    bytes,
    pausedMilliseconds: rounded(pausedMilliseconds),
  };
}

async function inWindow(log: MachineLog<LedgerMachine>, requests: readonly Uint8Array[]): Promise<void> {
  let next = 0;
  const lane = async () => {
    for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
      assertCreated(await log.submit(request));
    }
  };
  await Promise.all(Array.from({ length: WINDOW }, lane));
}

/** From files that the operating system may still have in memory. */
function recoverHistory(path: string, digest: Uint8Array) {
  const timeOf = (useSnapshots: boolean): number => {
    using storage = openFolder(path);
    const startedAt = performance.now();
    const { machine } = recover(storage, createLedgerMachine, { useSnapshots });
    const seconds = rounded((performance.now() - startedAt) / 1000);
    if (Buffer.compare(machine.digest(), digest) !== 0) throw new Error('another state came back');
    return seconds;
  };
  return { fromSnapshot: timeOf(true), fullReplay: timeOf(false) };
}
