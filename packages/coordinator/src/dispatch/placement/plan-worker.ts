/**
 * The thread of plan-thread.ts: one batch after the other. It makes small plans for nobody at first, unless there is an
 * order already; one that comes meanwhile ends them.
 */
import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { FogError } from '@fog/contract';
import { type BatchRequest, optimiseBatch } from '@fog/scheduler/placement';
import type { PlanAnswer, PlanOrder } from './plan-thread.ts';
import { warmUpPlans } from './plan-warm-up.ts';

async function answerOf({ request, seed, milliseconds }: PlanOrder): Promise<PlanAnswer> {
  try {
    return { result: await optimiseBatch(request satisfies BatchRequest, { seed, milliseconds }) };
  } catch (error) {
    return { problem: FogError.from(error).toProblem() };
  }
}

const port = parentPort;
const first: { message: PlanOrder } | undefined = port === null ? undefined : receiveMessageOnPort(port);
const warmUp = new AbortController();
const answer = async (order: PlanOrder) => {
  warmUp.abort();
  port?.postMessage(await answerOf(order));
};
port?.on('message', answer);
if (first === undefined) await warmUpPlans(warmUp.signal);
else await answer(first.message);
