/** The thread of plan-thread.ts: one batch after the other. */
import { parentPort } from 'node:worker_threads';
import { FogError } from '@fog/contract';
import { type BatchRequest, optimiseBatch } from '@fog/scheduler/placement';
import type { PlanAnswer, PlanOrder } from './plan-thread.ts';

async function answerOf({ request, seed, milliseconds }: PlanOrder): Promise<PlanAnswer> {
  try {
    return { result: await optimiseBatch(request satisfies BatchRequest, { seed, milliseconds }) };
  } catch (error) {
    return { problem: FogError.from(error).toProblem() };
  }
}

const port = parentPort;
port?.on('message', async (order: PlanOrder) => port.postMessage(await answerOf(order)));
