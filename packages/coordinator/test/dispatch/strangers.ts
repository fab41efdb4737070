/** Nodes of different owners and networks that run verified tasks as the test says, and what it asks of them. */
import type { AttemptName, JobSpecInput, Node, TaskOutput } from '@fog/contract';
import { attemptKey } from '@fog/contract';
import { type NodeTrust, standingOf, unknownNode } from '@fog/verification';
import { readRecord, type VerificationRecord } from '../../src/dispatch/verification/record.ts';
import type { FakeAgent, FakeAgentOptions } from './fake-agent.ts';
import { type Fog, jobSpec } from './fog-harness.ts';
import { taskRow } from './invariants.ts';

export const RIGHT = digest(0);
/** A wrong output; the same number is the same output. */
export const wrong = (which: number) => digest(1 + which);

function digest(value: number): string {
  return `sha256:${value.toString(16).padStart(64, '0')}`;
}

export function outputsOf(result: string): TaskOutput[] {
  return [{ name: 'result', type: 'file', digest: result, bytes: 1 }];
}

/** What a node answers for an attempt, null: its program fails; called once for each. */
export type Answer = (name: AttemptName) => string | null;
export const failing: Answer = () => null;
export const honest: Answer = () => RIGHT;

/** A connected node, by default of an owner and in a network of its own, that does what it is told to. */
export async function stranger(fog: Fog, answer: Answer = honest, options: FakeAgentOptions = {}): Promise<FakeAgent> {
  const number = fog.agents.length;
  const agent = fog.agent({ owner: `owner-${number}`, prefix: `10.0.${number}.0/24`, ...options });
  obey(agent, answer);
  await agent.connect();
  return agent;
}

/** Runs, commits, reveals, each at once. */
export function obey(agent: FakeAgent, answer: Answer): void {
  const answers = new Map<string, string | null>();
  const answerFor = (name: AttemptName): string | null =>
    answers.getOrInsertComputed(attemptKey(name), () => answer(name));
  agent.onLease = (name, verified) => {
    const result = answerFor(name);
    queueMicrotask(() => {
      if (result === null) agent.fail(name, 'exit-code', 3);
      else if (verified) agent.commit(name, result);
      else agent.succeed(name, outputsOf(result));
    });
  };
  agent.onReveal = (name) => queueMicrotask(() => agent.reveal(name, answerFor(name) ?? RIGHT));
}

/** Lets so much time pass as a coordinator that looks at its tasks all the while. */
export async function passing(fog: Fog, milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += 5000) await fog.advance(Math.min(5000, milliseconds - passed));
}

type Block = NonNullable<JobSpecInput['spec']['verification']>;

/** A verified job of tasks with one output; the blobs that nodes of this file answer are there. */
export async function submitVerified(
  fog: Fog,
  verification: Block = { mode: 'replicate' },
  spec: Partial<JobSpecInput['spec']> = {},
  task: Partial<JobSpecInput['spec']['task']> = {},
): Promise<string> {
  await fog.database.write((writer) =>
    writer
      .insertInto('blobs')
      .values(Array.from({ length: 20 }, (_, which) => ({ digest: digest(which), bytes: 1, stored_at: 1 })))
      .onConflict((conflict) => conflict.doNothing())
      .execute(),
  );
  const { spec: base } = jobSpec({ task: { outputs: [{ name: 'result', path: '/result' }] } });
  return await fog.submit({ spec: { ...base, ...spec, verification }, task: { ...base.task, ...task } });
}

export async function recordOf(fog: Fog, job: string, partition = 0): Promise<VerificationRecord | null> {
  const { verification } = await taskRow(fog.database, job, partition);
  return verification === null ? null : readRecord(verification);
}

export async function acceptedOutput(fog: Fog, job: string, partition = 0): Promise<string | null> {
  const { outputs } = await taskRow(fog.database, job, partition);
  return outputs === null ? null : ((JSON.parse(outputs) as TaskOutput[])[0]?.digest ?? null);
}

export async function trustOf(fog: Fog, { id }: Pick<Node, 'id'>): Promise<NodeTrust | null> {
  const row = await fog.database.read
    .selectFrom('node_trust')
    .select('record')
    .where('node_id', '=', id)
    .executeTakeFirst();
  return row === undefined ? null : (JSON.parse(row.record) as NodeTrust);
}

export async function standing(fog: Fog, agent: FakeAgent): Promise<string> {
  const trust = await trustOf(fog, agent);
  return trust === null ? 'none' : standingOf(trust);
}

/** Makes the record of the node one of so many valid results in a row. */
export async function prove(fog: Fog, agent: FakeAgent, consecutiveValid: number): Promise<void> {
  const record: NodeTrust = { ...((await trustOf(fog, agent)) ?? unknownNode()), consecutiveValid };
  const row = { node_id: agent.id, runtime: 'wasm', record: JSON.stringify(record), version: 1 };
  await fog.database.write((writer) =>
    writer
      .insertInto('node_trust')
      .values(row)
      .onConflict((conflict) => conflict.columns(['node_id', 'runtime']).doUpdateSet({ record: row.record }))
      .execute(),
  );
}
