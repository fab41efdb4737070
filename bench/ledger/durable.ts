/**
 * The ledger over its log on a real disk: transfers a second with group commit, how long a commit takes at a given load,
 * and how long it takes to get ten million transfers back.
 */
import { join } from 'node:path';
import type { LedgerMachine } from '@fog/economy/ledger';
import { type MachineLog, openFolder, recover } from '@fog/economy/ledger/log';
import type { BenchmarkContext } from '../benchmark.ts';
import { median, rounded } from '../statistics.ts';
import { TemporaryFolder } from '../temporary-folder.ts';
import { BATCH_EVENTS } from './batches.ts';
import { measureCommits } from './commits.ts';
import { assertCreated, createLedgerMachine } from './logged-batches.ts';
import { openLedger } from './logged-ledger.ts';

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

export async function measureDurable(context: BenchmarkContext, { transfers, seconds }: DurableOptions) {
  const folder = context.cleanup.use(new TemporaryFolder());
  const commitMilliseconds = await measureCommits(context, folder.path, seconds);
  const history = await writeHistory(context, join(folder.path, 'history'), transfers);
  const recovery = recoverHistory(join(folder.path, 'history'), history.digest);
  context.progress(`recovery: ${JSON.stringify(recovery)}`);
  return {
    perSecond: history.perSecond,
    commitMilliseconds,
    snapshot: history.snapshot,
    recoverySeconds: recovery.fromSnapshot,
    recovery: { transfers, ...recovery },
  };
}

async function writeHistory(context: BenchmarkContext, path: string, transfers: number) {
  const { log, batches, end } = await openLedger(path, { retention: { snapshots: 1, wholeLog: true } });
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
