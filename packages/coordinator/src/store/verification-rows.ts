/** Saves what a turn has decided on verified tasks: their records, and what their verdicts say of nodes. */
import { isTerminal, type RuntimeName, TASK_TRANSITIONS } from '@fog/contract';
import { type NodeTrust, recordVerdict, type TaskReference, unknownNode } from '@fog/verification';
import type { PlacementClasses } from '../dispatch/placement-classes.ts';
import type { TurnTask } from '../dispatch/turn-records.ts';
import { dueOf } from '../dispatch/verification/record.ts';
import type { Judgement } from '../dispatch/verification/step-effects.ts';
import type { TurnVerification } from '../dispatch/verification/turn-verification.ts';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';
import { insertAnswers, judgeChecks } from './spot-check-rows.ts';
import { StaleRows } from './turn-rows.ts';
import { verificationAsRead } from './verified-text.ts';

const UPDATE_RECORDS: BulkStatement = {
  text: `UPDATE tasks SET verification = d.verification, verification_due = d.due, reverifying = d.reverifying,
      class_id = d.class_id
    FROM ROWS AS d
    WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition AND tasks.verification IS NOT DISTINCT FROM d.had
    RETURNING tasks.partition`,
  columns: {
    job_id: 'text',
    partition: 'integer',
    had: 'text',
    verification: 'text',
    due: 'bigint',
    reverifying: 'integer',
    class_id: 'text',
  },
};

/** Nothing where nothing is verified. Answers the verdicts. Throws, so that the transaction is run again, when another coordinator was faster. */
export async function saveVerification(
  writer: Writer,
  verification: TurnVerification,
  classes: PlacementClasses,
  now: number,
): Promise<Judgement['verdict'][]> {
  const { changed, effects } = verification;
  if (changed.size === 0) return [];
  const { judged, answers, checked } = effects;
  // In the order of their ids, so that two coordinators cannot wait for each other.
  const placements = [...verification.classes.values()].sort((left, right) => (left.id < right.id ? -1 : 1));
  await classes.store(
    writer,
    placements.map((placement) => placement.requirements),
    now,
  );
  const rows = [...changed].map((task) => recordRow(task));
  const saved = await runBulk(writer, UPDATE_RECORDS, rows);
  if (saved.length !== rows.length) throw new StaleRows('the verification of a task has changed since it was read');
  await insertAnswers(writer, answers, now);
  const checks = await judgeChecks(writer, checked);
  verification.checks.push(...checks.outcomes);
  await reopen(writer, checks.disputed, now);
  const all = [...judged, ...checks.judged];
  verification.records.push(...(await recordVerdicts(writer, all, now)));
  changed.clear();
  for (const done of [judged, answers, checked]) done.length = 0;
  return all.map(({ verdict }) => verdict);
}

/** In the order of the columns of UPDATE_RECORDS. */
function recordRow(task: TurnTask): (string | number | null)[] {
  const { job, partition, state, verification: record, reverifying, classId } = task;
  const text = record === null ? null : JSON.stringify(record);
  const isOver = state !== 'succeeded' && isTerminal(TASK_TRANSITIONS, state);
  const due = record === null || isOver ? null : dueOf(record);
  return [job, partition, verificationAsRead(task), text, due, reverifying ? 1 : 0, classId];
}

const LOAD_TRUST: BulkStatement = {
  text: `SELECT k.node_id, k.runtime, t.record, t.version, n.trusted
    FROM ROWS AS k CROSS JOIN nodes n LEFT JOIN node_trust t ON t.node_id = k.node_id AND t.runtime = k.runtime
    WHERE n.id = k.node_id`,
  columns: { node_id: 'text', runtime: 'text' },
};

const SAVE_TRUST: BulkStatement = {
  text: `INSERT INTO node_trust (node_id, runtime, record, version)
    SELECT node_id, runtime, record, version FROM ROWS AS d WHERE true
    ON CONFLICT (node_id, runtime) DO UPDATE SET record = excluded.record, version = excluded.version
    WHERE node_trust.version = excluded.version - 1 RETURNING node_id`,
  columns: { node_id: 'text', runtime: 'text', record: 'text', version: 'bigint' },
};

/** A decided task becomes due at once: that means that it is to be verified again. */
const REOPEN: BulkStatement = {
  text: `UPDATE tasks SET verification_due = d.due FROM ROWS AS d
    WHERE tasks.job_id = d.job_id AND tasks.partition = d.partition AND tasks.state = 'succeeded'
      AND tasks.verification IS NOT NULL AND tasks.verification_due IS NULL`,
  columns: { job_id: 'text', partition: 'integer', due: 'bigint' },
};

interface TrustRow {
  node_id: string;
  runtime: string;
  record: string | null;
  version: number | null;
  trusted: number;
}

export interface KnownTrust {
  node: string;
  runtime: string;
  trust: NodeTrust;
  version: number;
}

/** Of the nodes that exist and are not trusted, by `NODE RUNTIME`; of those no record is kept. */
export async function loadTrust(
  reader: Reader,
  wanted: readonly { node: string; runtime: string }[],
): Promise<Map<string, KnownTrust>> {
  const keys = new Map(wanted.map(({ node, runtime }) => [trustKey(node, runtime), [node, runtime]]));
  const rows = await runBulk<TrustRow>(reader, LOAD_TRUST, [...keys.values()]);
  return new Map(
    rows
      .filter(({ trusted }) => trusted === 0)
      .map(({ node_id: node, runtime, record, version }) => {
        const trust = record === null ? unknownNode() : (JSON.parse(record) as NodeTrust);
        return [trustKey(node, runtime), { node, runtime, trust, version: version ?? 0 }];
      }),
  );
}

export function trustKey(node: string, runtime: string): string {
  return `${node} ${runtime}`;
}

export type TrustByRuntime = Partial<Record<RuntimeName, NodeTrust>>;

/** What verification knows of these nodes, or of all, by node and runtime. */
export async function readTrust(reader: Reader, ids?: readonly string[]): Promise<Map<string, TrustByRuntime>> {
  let query = reader.selectFrom('node_trust').select(['node_id', 'runtime', 'record']);
  if (ids !== undefined) query = query.where('node_id', 'in', ids);
  const trust = new Map<string, TrustByRuntime>();
  for (const { node_id: node, runtime, record } of await query.execute()) {
    trust.getOrInsertComputed(node, () => ({}))[runtime as RuntimeName] = JSON.parse(record) as NodeTrust;
  }
  return trust;
}

/** Answers the records that have changed. */
async function recordVerdicts(writer: Writer, judged: readonly Judgement[], now: number): Promise<KnownTrust[]> {
  if (judged.length === 0) return [];
  const known = await loadTrust(writer, judged);
  const again: TaskReference[] = [];
  const touched = new Set<KnownTrust>();
  for (const { node, runtime, verdict, task } of judged) {
    const entry = known.get(trustKey(node, runtime));
    if (entry === undefined) continue;
    const recorded = recordVerdict(entry.trust, verdict, task);
    entry.trust = recorded.trust;
    again.push(...recorded.reverify);
    touched.add(entry);
  }
  const rows = [...touched].map(({ node, runtime, trust, version }) => {
    return [node, runtime, JSON.stringify(trust), version + 1];
  });
  const saved = await runBulk(writer, SAVE_TRUST, rows);
  if (saved.length !== rows.length) throw new StaleRows('the record of a node has changed since it was read');
  await reopen(writer, again, now);
  return [...touched];
}

async function reopen(writer: Writer, tasks: readonly TaskReference[], now: number): Promise<void> {
  const rows = new Map(tasks.map(({ job, partition }) => [`${job}/${partition}`, [job, partition, now]]));
  await runBulk(writer, REOPEN, [...rows.values()]);
}
