/**
 * The ledger over its log on a real disk: transfers a second with group commit, how long a commit takes at a given load,
 * and how long it takes to get ten million transfers back.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  MachineLog,
  openFolder,
  type Retention,
  recover,
  snapshotThread,
} from '../../packages/economy/src/ledger/log/index.ts';
import type { LedgerMachine } from '../../packages/economy/src/ledger/machine.ts';
import type { BenchmarkContext } from '../benchmark.ts';
import { median, percentile, rounded } from '../statistics.ts';
import { TemporaryFolder } from '../temporary-folder.ts';
import {
  accountRequests,
  assertCreated,
  BATCH_TRANSFERS,
  createLedgerMachine,
  transferRequest,
} from './logged-batches.ts';

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

/** What commits are timed under: batches at random moments (exponential pauses), whether answers have come or not. */
const LOADS: readonly Load[] = [
  { batch: 8190, transfersPerSecond: 300_000 },
  { batch: 1000, transfersPerSecond: 100_000 },
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
  const [heaviest] = Object.values(commit) as { p99: number }[];
  const recovery = recoverHistory(join(folder.path, 'history'), history.digest);
  context.progress(`recovery: ${JSON.stringify(recovery)}`);
  return {
    transfersPerSecond: { durable: history.perSecond },
    commitMilliseconds: { p99: heaviest?.p99, ...commit },
    snapshot: history.snapshot,
    recoverySeconds: recovery.fromSnapshot,
    recovery: { transfers, ...recovery },
  };
}

async function openLedger(
  path: string,
  retention: Retention,
): Promise<{ log: MachineLog<LedgerMachine>; end(): Promise<void> }> {
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
  for (const request of accountRequests()) assertCreated(await log.submit(request));
  const end = async () => {
    await log.close();
    storage[Symbol.dispose]();
  };
  return { log, end };
}

async function measureCommits(path: string, { batch, transfersPerSecond }: Load, seconds: number) {
  const { log, end } = await openLedger(path, { snapshots: 1 });
  const times: number[] = [];
  const warmUp = await commitsOf(log, { batch, transfersPerSecond, count: 50, first: 1, times: [] });
  const count = Math.ceil((transfersPerSecond * seconds) / batch);
  await commitsOf(log, { batch, transfersPerSecond, count, first: warmUp, times });
  await end();
  return { transfersPerSecond, p50: rounded(median(times)), p99: rounded(percentile(times, 0.99)) };
}

async function commitsOf(
  log: MachineLog<LedgerMachine>,
  { batch, transfersPerSecond, count, first, times }: Load & { count: number; first: number; times: number[] },
): Promise<number> {
  const requests = Array.from({ length: count }, (_, index) => transferRequest(first + index * batch, batch));
  const answers: Promise<void>[] = [];
  let due = performance.now();
  for (const request of requests) {
    due += (-Math.log(1 - Math.random()) * batch * 1000) / transfersPerSecond;
    const pause = due - performance.now();
    if (pause > 1) await sleep(pause - 0.5);
    while (performance.now() < due) await new Promise(setImmediate);
    // From when it was due: a batch that could not even be sent has waited, too.
    const since = due;
    answers.push(
      log.submit(request).then((answer) => {
        times.push(performance.now() - since);
        assertCreated(answer);
      }),
    );
  }
  await Promise.all(answers);
  return first + count * batch;
}

async function writeHistory(context: BenchmarkContext, path: string, transfers: number) {
  const { log, end } = await openLedger(path, { snapshots: 1, wholeLog: true });
  const batches = Math.ceil(transfers / BATCH_TRANSFERS);
  let seconds = 0;
  let snapshot: Promise<unknown> | null = null;
  const rates: { batches: number; perSecond: number; beside: boolean }[] = [];
  const stride = Math.ceil(batches / 10);
  for (let start = 0; start < batches; start += stride) {
    const amount = Math.min(stride, batches - start);
    // What makes the batches is not what is measured.
    const requests = Array.from({ length: amount }, (_, index) =>
      transferRequest(1 + (start + index) * BATCH_TRANSFERS, BATCH_TRANSFERS),
    );
    const startedAt = performance.now();
    await inWindow(log, requests);
    const took = (performance.now() - startedAt) / 1000;
    seconds += took;
    rates.push({ batches: amount, perSecond: (amount * BATCH_TRANSFERS) / took, beside: snapshot !== null });
    if (snapshot === null && start + amount >= batches * SNAPSHOT_SHARE) snapshot = timed(log.snapshot());
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
