/** Submits one-task jobs at a steady rate and tells how long each took to reach an agent. */
import type { FogClient } from '../packages/contract/src/index.ts';
import { clockMilliseconds, sleepUntil } from './clock.ts';
import { noOpJob } from './no-op-job.ts';
import type { SimulatedAgents } from './simulated-agents.ts';

const WARM_UP_SUBMITS = 100;

/** Milliseconds from the client's send to the agent's receipt of the lease, one for each submit. */
export async function measureSubmits(
  client: FogClient,
  agents: SimulatedAgents,
  pace: { submitsPerSecond: number; seconds: number },
): Promise<number[]> {
  const spec = noOpJob(1);
  const submits = pace.submitsPerSecond * pace.seconds + WARM_UP_SUBMITS;
  await agents.reset();
  const start = clockMilliseconds() + 100;
  const sent: Promise<{ job: string; sentAt: number }>[] = [];
  for (let index = 0; index < submits; index += 1) {
    await sleepUntil(start + (index * 1000) / pace.submitsPerSecond);
    sent.push(submit(client, spec));
  }
  const jobs = await Promise.all(sent);
  await agents.acknowledged(submits);
  const receipts = await agents.receipts();
  return jobs.slice(WARM_UP_SUBMITS).map(({ job, sentAt }) => {
    const receivedAt = receipts.get(job);
    if (receivedAt === undefined) throw new Error(`job ${job} never reached an agent`);
    return receivedAt - sentAt;
  });
}

async function submit(client: FogClient, spec: unknown): Promise<{ job: string; sentAt: number }> {
  const sentAt = clockMilliseconds();
  const { id } = await client.call('submitJob', { body: { spec } });
  return { job: id, sentAt };
}
