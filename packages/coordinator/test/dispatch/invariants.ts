/** What must hold whenever nothing is under way, whatever has happened before. */
import assert from 'node:assert/strict';
import {
  ATTEMPT_TRANSITIONS,
  type AttemptState,
  isTerminal,
  JOB_TRANSITIONS,
  type JobSpec,
  type JobState,
  TASK_STATES,
  TASK_TRANSITIONS,
  type TaskState,
} from '@fog/contract';
import { runningOf } from '@fog/verification';
import { isDecided, readRecord, type VerificationRecord, wantsNode } from '../../src/dispatch/verification/record.ts';
import type { Database } from '../../src/store/database.ts';
import type { AttemptRow, JobRow, TaskRow } from '../../src/store/tables.ts';
import type { Fog } from './fog-harness.ts';

const PLACED = ['leased', 'preparing', 'running', 'suspended', 'uploading'];
/** What a session holds: a committed attempt has given up its place, not its outputs. */
const HELD = [...PLACED, 'committed'];

/** Checks the whole database. */
export async function assertConsistent(database: Database): Promise<void> {
  const jobs = await database.read.selectFrom('jobs').selectAll().execute();
  const tasks = await database.read.selectFrom('tasks').selectAll().execute();
  const attempts = await database.read.selectFrom('attempts').selectAll().orderBy('fence').execute();
  const attemptsOf = Map.groupBy(attempts, (row) => `${row.job_id}/${row.partition}`);
  const tasksOf = Map.groupBy(tasks, (row) => row.job_id);
  for (const { job_id, partition, fence, placement } of attempts) {
    assert.match(placement ?? '', /^\{"by":"/, `attempt ${job_id}/${partition}/${fence} has a reason for its place`);
  }
  const kept = new Set(jobs.filter((job) => job.deployment !== null).map((job) => job.id));
  for (const task of tasks) {
    assertTask(task, attemptsOf.get(`${task.job_id}/${task.partition}`) ?? [], kept.has(task.job_id));
  }
  for (const job of jobs) {
    assertJob(job, tasksOf.get(job.id) ?? []);
    await assertStream(database, job);
  }
  await assertReplicas(database, tasks, kept);
  const nodes = await database.read.selectFrom('nodes').select(['id', 'next_sequence']).execute();
  for (const node of nodes) {
    assertEnd(await sequences(database, node.id), node.next_sequence, `node ${node.id}`);
  }
}

/** Each live task of a deployment's job has a row among the replicas. */
async function assertReplicas(database: Database, tasks: readonly TaskRow[], kept: ReadonlySet<string>): Promise<void> {
  const rows = await database.read.selectFrom('deployment_replicas').select(['job_id', 'partition']).execute();
  const replicas = new Set(rows.map((row) => `${row.job_id}/${row.partition}`));
  for (const { job_id, partition, state } of tasks) {
    if (!kept.has(job_id) || isTerminal(TASK_TRANSITIONS, state as TaskState)) continue;
    assert.ok(replicas.has(`${job_id}/${partition}`), `replica ${job_id}/${partition} has a row`);
  }
}

/** Checks that every session holds exactly the attempts that the database places on its node, within its capacity. */
export async function assertPlaces(fog: Fog): Promise<void> {
  const rows = await fog.database.read
    .selectFrom('attempts')
    .select(['job_id', 'partition', 'fence', 'node_id'])
    .where('state', 'in', HELD)
    .execute();
  const placed = Map.groupBy(rows, (row) => row.node_id);
  for (const session of fog.dispatcher.sessions.all()) {
    const expected = (placed.get(session.nodeId) ?? []).map((row) => `${row.job_id}/${row.partition}/${row.fence}`);
    assert.deepEqual([...session.held.keys()].sort(), expected.sort(), `held by ${session.description.name}`);
    for (const [what, free] of Object.entries(session.free)) assert.ok(free >= 0, `${what} is given away twice`);
  }
}

/** Checks that each agent runs what its session holds. */
export function assertAgreement(fog: Fog): void {
  for (const agent of fog.agents) {
    if (agent.session === null) continue;
    const held = [...agent.session.held.keys()].sort();
    assert.deepEqual([...agent.held.keys()].sort(), held, `run by ${agent.description.name}`);
  }
}

/** Checks that each agent has been told which of its attempts are suspended. */
export async function assertObedience(fog: Fog): Promise<void> {
  const tasks = await fog.database.read
    .selectFrom('tasks')
    .select(['job_id', 'partition'])
    .where('suspended_at', 'is not', null)
    .execute();
  const suspended = new Set(tasks.map((row) => `${row.job_id}/${row.partition}`));
  for (const agent of fog.agents.filter(({ session }) => session !== null)) {
    for (const [key, { job, partition }] of agent.held) {
      assert.equal(agent.suspended.has(key), suspended.has(`${job}/${partition}`), `${key} was told`);
    }
  }
}

function assertTask(task: TaskRow, attempts: AttemptRow[], isCut: boolean): void {
  const name = `task ${task.job_id}/${task.partition} (${task.state})`;
  const state = task.state as TaskState;
  assert.deepEqual(
    attempts.map((row) => row.fence),
    Array.from({ length: task.fence }, (_, index) => index + 1).slice(isCut ? -attempts.length || task.fence : 0),
    `fences of ${name}`,
  );
  const valid = attempts.filter((row) => row.state === 'valid').map((row) => row.fence);
  assert.deepEqual(valid, task.accepted_fence === null ? [] : [task.accepted_fence], `valid attempts of ${name}`);
  assert.equal(task.accepted_fence !== null, state === 'succeeded', `accepted attempt of ${name}`);
  for (const row of attempts) {
    const isOver = isTerminal(ATTEMPT_TRANSITIONS, row.state as AttemptState);
    assert.equal(row.ended_at !== null, isOver, `end of attempt ${row.fence} (${row.state}) of ${name}`);
  }
  if (task.verification !== null) return assertVerified(task, attempts, readRecord(task.verification), name);
  const current = attempts.at(-1)?.state ?? 'none';
  if (state === 'scheduled' || state === 'running')
    assert.ok(PLACED.includes(current), `${name} hangs on a ${current} attempt`);
  if (state === 'queued') assert.ok(!PLACED.includes(current), `${name} has a ${current} attempt`);
  assertSuspension(name, task);
  for (const row of attempts) {
    if (!isTerminal(TASK_TRANSITIONS, state)) continue;
    assert.ok(isTerminal(ATTEMPT_TRANSITIONS, row.state as AttemptState), `${name} has a ${row.state} attempt`);
  }
}

/** What is suspended is not claimed, what is not is not forgotten; and a checkpoint is kept as long as it may be needed. */
function assertSuspension(name: string, task: TaskRow): void {
  const isSuspended = task.suspended_at !== null;
  if (task.state === 'queued') {
    if (isSuspended) assert.equal(task.parked, 1, `${name} is suspended`);
    if (task.parked === 1)
      assert.equal(task.not_before === null, isSuspended, `${name} waits for its time or a resume`);
  }
  if (isSuspended) assert.equal(task.queue_deadline, null, `${name} has a deadline in the queue`);
  const checkpoint = [task.checkpoint_bytes, task.checkpoint_files, task.checkpoint_fence, task.checkpoint_at];
  const hasOne = task.checkpoint_manifest !== null;
  for (const part of checkpoint) assert.equal(part !== null, hasOne, `checkpoint of ${name}`);
  if (isTerminal(TASK_TRANSITIONS, task.state as TaskState)) assert.ok(!hasOne, `${name} has a checkpoint`);
  assert.ok((task.checkpoint_fence ?? 0) <= task.fence, `the checkpoint of ${name} is of an attempt that never was`);
}

/** Of a task whose results are verified, its record and its attempts say the same. */
function assertVerified(task: TaskRow, attempts: AttemptRow[], record: VerificationRecord, name: string): void {
  const { state } = record;
  const isEnded = ['failed', 'cancelled', 'expired'].includes(task.state);
  const live = attempts.filter((row) => HELD.includes(row.state));
  const expected = [...runningOf(state).map(({ fence }) => fence), record.adjudicator].filter(
    (fence) => fence !== null,
  );
  assert.deepEqual(
    live.map((row) => row.fence),
    isEnded ? [] : expected.sort((left, right) => left - right),
    `replicas that run of ${name}`,
  );
  for (const what of ['owner', 'prefix'] as const) {
    const all = state.replicas.map((replica) => replica[what]);
    assert.equal(new Set(all).size, all.length, `two replicas of ${name} at one ${what}: ${all.join(', ')}`);
  }
  if (task.state === 'succeeded') {
    assert.notEqual(state.accepted, null, `${name} was accepted`);
    assert.equal(task.reverifying === 1, wantsNode(record), `${name} wants a replica`);
  } else if (!isEnded) {
    assert.equal(task.state === 'queued', wantsNode(record), `${name} waits for a node if it wants one`);
  }
  if (isEnded) assert.equal(task.verification_due, null, `${name} is over`);
  else if (!isDecided(record)) assert.notEqual(task.verification_due, null, `${name} is looked at again`);
}

function assertJob(job: JobRow, tasks: TaskRow[]): void {
  const name = `job ${job.id} (${job.state})`;
  assert.equal(tasks.length, job.expanded, `rows of ${name}`);
  const counted = Object.fromEntries(
    TASK_STATES.map((state) => [state, tasks.filter((task) => task.state === state).length]),
  );
  assert.deepEqual(Object.fromEntries(TASK_STATES.map((state) => [state, job[state]])), counted, `counters of ${name}`);
  const isOver = isTerminal(JOB_TRANSITIONS, job.state as JobState);
  assert.equal(job.ended_at !== null, isOver, `end of ${name}`);
  const live = job.queued + job.scheduled + job.running;
  if (isOver) assert.equal(live, 0, `${name} has live tasks`);
  else {
    const waits = job.expanded < job.task_count || job.closing !== null || job.deployment !== null;
    assert.ok(live > 0 || waits, `${name} has nothing left to do`);
  }
}

async function assertStream(database: Database, job: JobRow): Promise<void> {
  const logs = await database.read.selectFrom('logs').select('sequence').where('job_id', '=', job.id).execute();
  const numbers = [...(await sequences(database, job.id)), ...logs.map((row) => row.sequence)];
  if (job.deployment === null) assertContiguous(numbers, job.next_sequence, `job ${job.id}`);
  else assertEnd(numbers, job.next_sequence, `job ${job.id}`);
  const events = await database.read
    .selectFrom('events')
    .select(['sequence', 'data'])
    .where('stream', '=', job.id)
    .orderBy('sequence')
    .execute();
  const ends = events.filter((row) => /^\{"type":"job\.(completed|failed|cancelled|expired)"/.test(row.data));
  assert.equal(ends.length, job.ended_at === null ? 0 : 1, `ends of the stream of ${job.id}`);
  const later = ends[0] === undefined ? [] : events.slice(events.indexOf(ends[0]) + 1);
  // What was accepted may be verified again.
  const isAgain = (JSON.parse(job.spec) as JobSpec).spec.verification !== undefined;
  assert.deepEqual(isAgain ? later.filter((row) => row.data.includes('"type":"job.')) : later, [], job.id);
}

async function sequences(database: Database, stream: string): Promise<number[]> {
  const rows = await database.read.selectFrom('events').select('sequence').where('stream', '=', stream).execute();
  return rows.map((row) => row.sequence);
}

/** What is old may have been removed; what is kept is the end. */
function assertEnd(numbers: number[], next: number, what: string): void {
  assertContiguous(numbers, next, what, next - numbers.length);
}

function assertContiguous(numbers: number[], next: number, what: string, first = 1): void {
  numbers.sort((left, right) => left - right);
  assert.deepEqual(
    numbers,
    Array.from({ length: next - first }, (_, index) => first + index),
    `stream of ${what}`,
  );
}

/** Events of a job, shortened: `task.leased 0/1`. */
export async function eventTypes(database: Database, stream: string): Promise<string[]> {
  const rows = await database.read
    .selectFrom('events')
    .select('data')
    .where('stream', '=', stream)
    .orderBy('sequence')
    .execute();
  return rows.map(({ data }) => {
    const { type, partition, fence } = JSON.parse(data) as { type: string; partition?: number; fence?: number };
    return [type, ...(partition === undefined ? [] : [fence === undefined ? partition : `${partition}/${fence}`])].join(
      ' ',
    );
  });
}

/** States of the attempts of a task by fence. */
export async function attemptStates(database: Database, job: string, partition = 0): Promise<string[]> {
  const rows = await database.read
    .selectFrom('attempts')
    .select('state')
    .where('job_id', '=', job)
    .where('partition', '=', partition)
    .orderBy('fence')
    .execute();
  return rows.map((row) => row.state);
}

export async function jobRow(database: Database, id: string): Promise<JobRow> {
  return await database.read.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

export async function taskRow(database: Database, job: string, partition = 0): Promise<TaskRow> {
  return await database.read
    .selectFrom('tasks')
    .selectAll()
    .where('job_id', '=', job)
    .where('partition', '=', partition)
    .executeTakeFirstOrThrow();
}
