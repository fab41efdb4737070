/**
 * How long commits take under the loads of commits.ts: a program that answers with a line of JSON. Its arguments are a
 * folder, the batch, transfers a second, and seconds.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { BODY_BYTES, type LedgerMachine, REQUEST_HEADER_BYTES } from '@fog/economy/ledger';
import type { MachineLog } from '@fog/economy/ledger/log';
import { median, percentile, rounded } from '../statistics.ts';
import { randomIndex } from './batches.ts';
import { ACCOUNTS, assertCreated, type LoggedBatches } from './logged-batches.ts';
import { openLedger } from './logged-ledger.ts';

async function measure(path: string, batch: number, transfersPerSecond: number, seconds: number) {
  // An index that grows is made anew, which stops commits for some 40 ms with a million transfers.
  const room = Math.ceil(transfersPerSecond * (seconds + 1)) + ACCOUNTS + 2 * batch;
  const { log, batches, end } = await openLedger(path, { retention: { snapshots: 1 }, transfers: room });
  const requestsOf = (time: number) =>
    requestsInOnePiece(batches, Math.ceil((transfersPerSecond * time) / batch), batch);
  // A process that has just started is slower: the first second is not counted.
  await commitsOf(log, requestsOf(1), transfersPerSecond / batch);
  const requests = requestsOf(seconds);
  const startedAt = performance.now();
  const times = await commitsOf(log, requests, transfersPerSecond / batch);
  const took = (performance.now() - startedAt) / 1000;
  await end();
  const sent = Math.round((requests.length * batch) / took);
  return { transfersPerSecond: sent, p50: rounded(median(times)), p99: rounded(percentile(times, 0.99)) };
}

/** Many small pieces of memory would have the collector at work while commits are timed. */
function requestsInOnePiece(batches: LoggedBatches, count: number, batch: number): Uint8Array[] {
  const requestBytes = REQUEST_HEADER_BYTES + batch * BODY_BYTES;
  const all = new Uint8Array(count * requestBytes);
  return Array.from({ length: count }, (_, index) => {
    const request = all.subarray(index * requestBytes, (index + 1) * requestBytes);
    request.set(batches.next(batch));
    return request;
  });
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
