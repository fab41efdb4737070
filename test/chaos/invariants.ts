/**
 * What must hold when everything has come to its end, whatever has struck. Pure.
 *
 * The heart of it: every accepted task has exactly one accepted result, and nothing that was acknowledged is lost.
 */
import { createHash } from 'node:crypto';
import {
  ATTEMPT_TRANSITIONS,
  type AttemptState,
  isTerminal,
  JOB_TRANSITIONS,
  type JobState,
  TASK_STATES,
  TASK_TRANSITIONS,
  type TaskState,
} from '../../packages/contract/src/index.ts';
import type { AttemptRow, JobRow, TaskRow } from '../../packages/coordinator/src/store/tables.ts';
import { balanceOf, readRecord } from '../../packages/economy/src/escrow/index.ts';
import { type Evidence, outputsOf } from './evidence.ts';
import type { PlannedJob } from './schedule.ts';
import { checkStreams } from './stream-invariants.ts';
import { planTask } from './task-plan.ts';

export interface Violation {
  invariant: string;
  detail: string;
  /** Id of the job concerned, where there is one. */
  job: string | null;
}

/** The evidence of one job, for the checks of jobs. */
export interface JobEvidence {
  row: JobRow;
  planned: PlannedJob | undefined;
  isCancelled: boolean;
  tasks: TaskRow[];
  attempts: AttemptRow[];
}

type Report = (invariant: string, detail: string, job?: string) => void;

export function checkInvariants(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  const report: Report = (invariant, detail, job) => violations.push({ invariant, detail, job: job ?? null });
  for (const crash of evidence.crashes) report('no program ends by itself', crash);
  for (const leftover of evidence.leftovers) report('nothing is left', leftover);
  checkSubmits(evidence, report);
  for (const job of jobsOf(evidence)) {
    checkJob(job, report);
    for (const task of job.tasks) checkTask(task, job, evidence, report);
    checkAnswer(job, evidence, report);
    checkMoney(job, report);
  }
  for (const fault of evidence.ledgerFaults) report('the ledger is as it should be', fault);
  checkStreams(evidence, report);
  checkAgents(evidence, report);
  return violations;
}

function jobsOf(evidence: Evidence): JobEvidence[] {
  const tasks = Map.groupBy(evidence.tasks, (task) => task.job_id);
  const attempts = Map.groupBy(evidence.attempts, (attempt) => attempt.job_id);
  return evidence.jobs.map((row) => ({
    row,
    planned: evidence.schedule.jobs.find((job) => job.key === row.idempotency_key),
    isCancelled: evidence.load.cancelled.has(row.idempotency_key ?? ''),
    tasks: tasks.get(row.id) ?? [],
    attempts: attempts.get(row.id) ?? [],
  }));
}

function checkSubmits({ load, jobs, schedule }: Evidence, report: Report): void {
  for (const [key, error] of load.givenUp) report('every submit is answered in the end', `${key}: ${error}`);
  for (const { key } of schedule.jobs) {
    const stored = jobs.filter((job) => job.idempotency_key === key).map((job) => job.id);
    const answered = [...(load.acknowledged.get(key) ?? [])];
    if (stored.length > 1) report('one job for each idempotency key', `${key} made ${stored.join(', ')}`);
    for (const id of answered) {
      if (!stored.includes(id)) report('no acknowledged submit is lost', `${key} was answered as ${id}`, id);
    }
  }
}

function checkJob({ row, planned, isCancelled, tasks }: JobEvidence, report: Report): void {
  const state = row.state as JobState;
  if (!isTerminal(JOB_TRANSITIONS, state) || row.ended_at === null) {
    report('every job comes to its end', `it is ${state}`, row.id);
    return;
  }
  const allowed = allowedEnds(planned, isCancelled);
  if (!allowed.includes(state)) {
    report('a job ends as its tasks do', `it is ${state} (${row.reason}), not ${allowed.join(' or ')}`, row.id);
  }
  if (row.expanded !== tasks.length || (row.expanded !== row.task_count && row.closing === null)) {
    report('all tasks exist', `${tasks.length} rows, ${row.expanded} expanded, ${row.task_count} wanted`, row.id);
  }
  for (const taskState of TASK_STATES) {
    const counted = tasks.filter((task) => task.state === taskState).length;
    if (counted !== row[taskState]) {
      report('the counters of a job are right', `${taskState}: ${row[taskState]}, but ${counted} rows`, row.id);
    }
  }
  if (state === 'completed' && row.succeeded !== row.task_count) {
    report('a completed job has all results', `${row.succeeded} of ${row.task_count}`, row.id);
  }
}

/** Each job was covered, and what covered it is paid, kept or returned. */
function checkMoney({ row, tasks }: JobEvidence, report: Report): void {
  if (row.escrow === null) {
    report('every job is covered', 'it is not', row.id);
    return;
  }
  const record = readRecord(row.escrow);
  if (record.phase !== 'closed') report('every escrow closes', `it is ${record.phase}`, row.id);
  else if (balanceOf(record) !== 0n) report('nothing of a cover is lost', row.escrow, row.id);
  const isEarned = tasks.some(({ state }) => state === 'succeeded');
  if (isEarned && record.paid === 0n) report('accepted results are paid', row.escrow, row.id);
}

function allowedEnds(planned: PlannedJob | undefined, isCancelled: boolean): JobState[] {
  const ends: JobState[] = planned?.program.kind === 'doomed' ? ['failed'] : ['completed'];
  if (isCancelled) ends.push('cancelled');
  if (planned !== undefined && planned.totalTimeout !== null) ends.push('expired');
  return ends;
}

function checkTask(task: TaskRow, job: JobEvidence, evidence: Evidence, report: Report): void {
  const name = `task ${task.partition}`;
  const state = task.state as TaskState;
  const attempts = job.attempts.filter((attempt) => attempt.partition === task.partition);
  if (!isTerminal(TASK_TRANSITIONS, state)) {
    report('no task is left', `${name} is ${state}`, task.job_id);
    return;
  }
  const valid = attempts.filter((attempt) => attempt.state === 'valid');
  if (state !== 'succeeded') {
    if (valid.length > 0) report('no result without success', `${name} is ${state}`, task.job_id);
  } else if (valid.length !== 1 || valid[0]?.fence !== task.accepted_fence) {
    const fences = valid.map((attempt) => attempt.fence).join(', ') || 'none';
    report('exactly one accepted result', `${name} accepted ${task.accepted_fence}; valid: ${fences}`, task.job_id);
  } else {
    checkResult(task, job, evidence, report);
  }
  const fences = attempts.map((attempt) => attempt.fence);
  if (fences.length !== task.fence || fences.some((fence, index) => fence !== index + 1)) {
    report('fences count the leases', `${name} has fence ${task.fence}; attempts: ${fences.join(', ')}`, task.job_id);
  }
  for (const attempt of attempts) {
    if (!isTerminal(ATTEMPT_TRANSITIONS, attempt.state as AttemptState)) {
      report('no attempt of a decided task lives', `${name}, fence ${attempt.fence} is ${attempt.state}`, task.job_id);
    }
  }
}

function checkResult(task: TaskRow, { planned }: JobEvidence, { contents, agents }: Evidence, report: Report): void {
  const name = `task ${task.partition}`;
  const execution = `${task.job_id} ${task.partition} ${task.accepted_fence}`;
  if (!agents.some((agent) => agent.executions.includes(execution))) {
    report('what was accepted was executed', `${name}, fence ${task.accepted_fence} ran nowhere`, task.job_id);
  }
  if (planned === undefined) return;
  const { output } = planTask(planned.program, task.partition, task.accepted_fence ?? 0);
  const expected = output === null ? [] : [`sha256:${createHash('sha256').update(output).digest('hex')}`];
  const named = outputsOf(task).map(({ digest }) => digest);
  if (named.join() !== expected.join()) {
    report(
      'results have the right content',
      `${name} names ${named.join() || 'nothing'}, not ${expected.join()}`,
      task.job_id,
    );
    return;
  }
  for (const digest of named) {
    const served = contents.get(digest);
    if (served !== digest) report('results can be fetched', `${name}: ${digest} is served as ${served}`, task.job_id);
  }
}

/** The API answers what stands in the database. */
function checkAnswer({ row, tasks }: JobEvidence, { answers }: Evidence, report: Report): void {
  const answer = answers.get(row.id);
  if (answer === undefined) return;
  const counts = (of: Pick<JobRow, TaskState>) => TASK_STATES.map((state) => `${state} ${of[state]}`).join(', ');
  const accepted = JSON.stringify(tasks.map((task) => [task.partition, task.accepted_fence]));
  if (
    answer.state !== row.state ||
    counts(answer.tasks) !== counts(row) ||
    JSON.stringify(answer.accepted) !== accepted
  ) {
    report('the API answers what is stored', `it says ${answer.state} with ${counts(answer.tasks)}`, row.id);
  }
}

function checkAgents({ agents, nodes, nodeAnswers }: Evidence, report: Report): void {
  const executions = agents.flatMap((agent) => agent.executions);
  const repeated = executions.filter((execution, index) => executions.indexOf(execution) !== index);
  for (const execution of repeated) report('one execution for each fence', execution, execution.split(' ')[0]);
  for (const { name } of agents.filter(({ isDead }) => isDead)) {
    const isConnected = nodes.some((node) => node.name === name && node.state === 'connected');
    if (isConnected) report('dead nodes are found out', `${name} counts as connected`);
  }
  for (const agent of agents.filter(({ isDead }) => !isDead)) {
    const node = nodes.find(({ name }) => name === agent.name);
    const answer = nodeAnswers.find(({ name }) => name === agent.name);
    if (node === undefined || answer === undefined) {
      report('nodes are known', `${agent.name} is not`);
      continue;
    }
    if (node.journal_id !== agent.journalId || node.acknowledged !== agent.lastSequence) {
      report('journals are acknowledged', `${agent.name}: ${node.acknowledged} of ${agent.lastSequence} entries`);
    }
    if (node.state !== 'connected' || node.silent_since !== null) {
      report('living nodes are connected', `${agent.name} is ${node.state}, silent since ${node.silent_since}`);
    }
    if (answer.running.length > 0)
      report('idle nodes are free', `${agent.name} runs ${answer.running.length} attempts`);
  }
}
