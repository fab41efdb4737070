/**
 * How long commits take under the loads of commits.ts: a program that answers with a line of JSON. Its arguments are a
 * folder, the batch, transfers a second, and seconds.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { LedgerMachine } from '@fog/economy/ledger';
import type { MachineLog } from '@fog/economy/ledger/log';
import { median, percentile, rounded } from '../statistics.ts';
import { randomIndex } from './batches.ts';
import { assertCreated } from './logged-batches.ts';
import { openLedger } from './logged-ledger.ts';

async function measure(path: string, batch: number, transfersPerSecond: number, seconds: number) {
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

const [path = '', batch, transfersPerSecond, seconds] = process.argv.slice(2);
const figures = await measure(path, Number(batch), Number(transfersPerSecond), Number(seconds));
process.stdout.write(JSON.stringify(figures));
