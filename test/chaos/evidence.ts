/** What a run has left behind: rows of the database, answers of the API, journals and records of the agents. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJournal } from '../../packages/agent/src/journal-codec.ts';
import type { FogClient, JobEventData, Node, TaskCounts, TaskOutput } from '../../packages/contract/src/index.ts';
import { databaseSource } from '../../packages/coordinator/src/settlement/ledger-source.ts';
import { verifyLedger } from '../../packages/coordinator/src/settlement/verify-ledger.ts';
import type { Database } from '../../packages/coordinator/src/store/database.ts';
import type { AttemptRow, JobRow, NodeRow, TaskRow } from '../../packages/coordinator/src/store/tables.ts';
import type { LoadResult } from './load-client.ts';
import type { Schedule } from './schedule.ts';

export interface EventRow {
  stream: string;
  sequence: number;
  data: JobEventData;
}

export interface LogRow {
  job_id: string;
  sequence: number;
  partition: number;
  fence: number;
  text: string;
}

/** What the API says of a job. */
export interface JobAnswer {
  state: string;
  tasks: TaskCounts;
  /** Partition and accepted fence of its tasks. */
  accepted: [number, number | null][];
}

export interface AgentState {
  name: string;
  /** Killed for good: it owes nothing and is not expected to be connected. */
  isDead: boolean;
  journalId: string;
  /** Number of the last entry in the journal. */
  lastSequence: number;
  /** `job partition fence`, one for each execution. */
  executions: string[];
}

export interface Evidence {
  schedule: Schedule;
  load: LoadResult;
  /** Programs that ended by themselves. */
  crashes: readonly string[];
  /** Containers, control groups and folders of attempts that were still there when everything had ended. */
  leftovers: readonly string[];
  jobs: JobRow[];
  tasks: TaskRow[];
  attempts: AttemptRow[];
  events: EventRow[];
  logs: LogRow[];
  nodes: NodeRow[];
  answers: Map<string, JobAnswer>;
  nodeAnswers: Node[];
  agents: AgentState[];
  /** What `fog ledger verify` finds wrong. */
  ledgerFaults: string[];
  /** Digest of the bytes that the API served for a digest that an accepted result names; null: it served none. */
  contents: Map<string, string | null>;
}

export async function readRows(
  database: Database,
): Promise<Pick<Evidence, 'jobs' | 'tasks' | 'attempts' | 'events' | 'logs' | 'nodes'>> {
  const { read } = database;
  const [jobs, tasks, attempts, events, logs, nodes] = await Promise.all([
    read.selectFrom('jobs').selectAll().orderBy('id').execute(),
    read.selectFrom('tasks').selectAll().orderBy('job_id').orderBy('partition').execute(),
    read.selectFrom('attempts').selectAll().orderBy('job_id').orderBy('partition').orderBy('fence').execute(),
    read.selectFrom('events').select(['stream', 'sequence', 'data']).orderBy('stream').orderBy('sequence').execute(),
    read.selectFrom('logs').selectAll().orderBy('job_id').orderBy('sequence').execute(),
    read.selectFrom('nodes').selectAll().orderBy('name').execute(),
  ]);
  const jobEvents = events.filter(({ stream }) => stream.startsWith('j'));
  return {
    jobs,
    tasks,
    attempts,
    events: jobEvents.map((row) => ({ ...row, data: JSON.parse(row.data) as JobEventData })),
    logs,
    nodes,
  };
}

export async function readLedgerFaults({ read }: Database): Promise<string[]> {
  const { faults, isValid } = await verifyLedger(databaseSource(read));
  const told = faults.map(({ table, row, message }) => `${table}, ${row}: ${message}`);
  return isValid || told.length > 0 ? told : ['it is not valid'];
}

export async function readAgents(agents: readonly { directory: string; isDead: boolean }[]): Promise<AgentState[]> {
  return await Promise.all(
    agents.map(async ({ directory, isDead }, index) => {
      const journal = decodeJournal(await readFile(join(directory, 'journal.jsonl')));
      const records = await readFile(join(directory, 'executions'), 'utf8').catch(() => '');
      const isIntact = journal.status === 'intact';
      return {
        name: `agent-${index}`,
        isDead,
        journalId: isIntact ? journal.id : '',
        lastSequence: isIntact ? journal.first + journal.entries.length - 1 : 0,
        executions: records.split('\n').filter((line) => line !== ''),
      };
    }),
  );
}

/** Whether every journal of a living agent is acknowledged to its end. */
export function isDrained(
  agents: readonly AgentState[],
  nodes: readonly Pick<NodeRow, 'name' | 'journal_id' | 'acknowledged'>[],
): boolean {
  return agents.every((agent) => {
    const node = nodes.find(({ name }) => name === agent.name);
    return agent.isDead || (node?.journal_id === agent.journalId && node.acknowledged === agent.lastSequence);
  });
}

export async function askJobs(client: FogClient, ids: readonly string[]): Promise<Map<string, JobAnswer>> {
  const answers = new Map<string, JobAnswer>();
  for (const id of ids) {
    const { state, tasks } = await client.call('getJob', { params: { job: id } });
    const accepted: JobAnswer['accepted'] = [];
    let cursor: string | undefined;
    do {
      const query = { limit: 1000, ...(cursor === undefined ? {} : { cursor }) };
      const page = await client.call('listTasks', { params: { job: id }, query });
      accepted.push(...page.items.map((task): [number, number | null] => [task.partition, task.acceptedFence]));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    answers.set(id, { state, tasks, accepted });
  }
  return answers;
}

/** Fetches every blob that an accepted result names. */
export async function fetchContents(
  client: FogClient,
  tasks: readonly Pick<TaskRow, 'outputs'>[],
): Promise<Map<string, string | null>> {
  const contents = new Map<string, string | null>();
  for (const { digest } of tasks.flatMap(outputsOf)) {
    if (contents.has(digest)) continue;
    contents.set(digest, await digestOf(client, digest).catch(() => null));
  }
  return contents;
}

export function outputsOf(task: Pick<TaskRow, 'outputs'>): TaskOutput[] {
  return task.outputs === null ? [] : (JSON.parse(task.outputs) as TaskOutput[]);
}

async function digestOf(client: FogClient, digest: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of (await client.getBlob(digest)) as unknown as AsyncIterable<Uint8Array>) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}
