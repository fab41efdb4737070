/** Tasks with a known answer, and nodes that are asked for it. */
import assert from 'node:assert/strict';
import type { LeaseGroup } from '@fog/contract';
import type { FakeAgent, FakeAgentOptions } from './fake-agent.ts';
import type { Fog, SpecChange } from './fog-harness.ts';
import { type Answer, honest, prove, stranger, submitVerified } from './strangers.ts';

export const CHECKED = { mode: 'adaptive', spotChecks: 0.5 } as const;

/** Two credible nodes agree on a task, which becomes a known answer, and rest. */
export async function knowAnswer(
  fog: Fog,
  task: SpecChange['task'] = {},
  options: FakeAgentOptions = {},
): Promise<{ origin: string; group: LeaseGroup }> {
  const makers = [await stranger(fog, honest, options), await stranger(fog, honest, options)];
  for (const maker of makers) await prove(fog, maker, 20);
  const origin = await submitVerified(fog, { ...CHECKED, mode: 'replicate' }, {}, task);
  await fog.settle();
  for (const maker of makers) await fog.nodes.cordon(maker.id, true, 'root');
  const [group] = makers[0]?.groups ?? [];
  assert.ok(group !== undefined && group.job === origin);
  return { origin, group };
}

/** A proven node that works until it has got a check. */
export async function checkedNode(
  fog: Fog,
  answer: Answer,
  { task = {}, options = {} }: { task?: SpecChange['task']; options?: FakeAgentOptions } = {},
): Promise<{ agent: FakeAgent; jobs: string[]; check: LeaseGroup }> {
  const agent = await stranger(fog, answer, options);
  await prove(fog, agent, 1_000_000);
  const jobs: string[] = [];
  for (let tries = 0; tries < 40; tries += 1) {
    jobs.push(await submitVerified(fog, CHECKED, {}, task));
    await fog.settle();
    const check = agent.groups.find(({ job }) => !jobs.includes(job));
    if (check !== undefined) return { agent, jobs, check };
  }
  throw new Error('no check was issued');
}
