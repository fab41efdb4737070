/** Saves what a turn has decided on verified tasks: their records, and what their verdicts say of nodes. */
import { isTerminal, type RuntimeName, TASK_TRANSITIONS } from '@fog/contract';
import {
  type ReputationRecord,
  readReputation,
  recordEvidence,
  takenOver,
  writeReputation,
} from '@fog/economy/reputation';
import { type NodeTrust, recordVerdict, type TaskReference, unknownNode } from '@fog/verification';
import type { PlacementClasses } from '../dispatch/placement-classes.ts';
import type { TurnTask } from '../dispatch/turn-records.ts';
import type { NodeEvidence } from '../dispatch/verification/evidence.ts';
import { dueOf } from '../dispatch/verification/record.ts';
import type { Judgement } from '../dispatch/verification/step-effects.ts';
import type { TurnVerification } from '../dispatch/verification/turn-verification.ts';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';
import { lockOwners, type OwnerReputation, saveOwners } from './reputation-rows.ts';
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
  const learnt = await recordVerdicts(writer, all, now);
  verification.records.push(...learnt.nodes);
  verification.owners.push(...learnt.owners);
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
  text: `SELECT k.node_id, k.runtime, t.record, t.reputation, t.version, n.trusted
    FROM ROWS AS k CROSS JOIN nodes n LEFT JOIN node_trust t ON t.node_id = k.node_id AND t.runtime = k.runtime
    WHERE n.id = k.node_id`,
  columns: { node_id: 'text', runtime: 'text' },
};

const SAVE_TRUST: BulkStatement = {
  text: `INSERT INTO node_trust (node_id, runtime, record, reputation, version)
    SELECT node_id, runtime, record, reputation, version FROM ROWS AS d WHERE true
    ON CONFLICT (node_id, runtime) DO UPDATE
      SET record = excluded.record, reputation = excluded.reputation, version = excluded.version
    WHERE node_trust.version = excluded.version - 1 RETURNING node_id`,
  columns: { node_id: 'text', runtime: 'text', record: 'text', reputation: 'text', version: 'bigint' },
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
  reputation: string | null;
  version: number | null;
  trusted: number;
}

export interface KnownTrust {
  node: string;
  runtime: string;
  trust: NodeTrust;
  /** As it is stored; null where it is not. */
  reputation: string | null;
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
      .map(({ node_id: node, runtime, record, reputation, version }) => {
        const trust = record === null ? unknownNode() : (JSON.parse(record) as NodeTrust);
        return [trustKey(node, runtime), { node, runtime, trust, reputation, version: version ?? 0 }];
      }),
  );
}

export function trustKey(node: string, runtime: string): string {
  return `${node} ${runtime}`;
}

/** What is known of a node in one runtime: what decides on replicas, and what placement goes by. */
export interface NodeRecords {
  trust: Partial<Record<RuntimeName, NodeTrust>>;
  reputation: Partial<Record<RuntimeName, ReputationRecord>>;
}

/** By node. */
export async function readTrust(
  reader: Reader,
  ids: readonly string[],
  now: number,
): Promise<Map<string, NodeRecords>> {
  const rows = await reader
    .selectFrom('node_trust')
    .select(['node_id', 'runtime', 'record', 'reputation'])
    .where('node_id', 'in', ids)
    .execute();
  const records = new Map<string, NodeRecords>();
  for (const { node_id: node, runtime, record, reputation } of rows) {
    const known = records.getOrInsertComputed(node, () => ({ trust: {}, reputation: {} }));
    const trust = JSON.parse(record) as NodeTrust;
    known.trust[runtime as RuntimeName] = trust;
    known.reputation[runtime as RuntimeName] = reputationIn(reputation, trust, now);
  }
  return records;
}

function reputationIn(text: string | null, trust: NodeTrust, now: number): ReputationRecord {
  return text === null ? takenOver(trust, now) : readReputation(text);
}

interface Learnt {
  nodes: (Omit<KnownTrust, 'reputation'> & { reputation: ReputationRecord })[];
  owners: (OwnerReputation & { hasFallen: boolean })[];
}

/** Answers the records that have changed. Of owners those are read and saved of whom there is evidence, all at once. */
async function recordVerdicts(writer: Writer, judged: readonly Judgement[], now: number): Promise<Learnt> {
  if (judged.length === 0) return { nodes: [], owners: [] };
  const known = await loadTrust(writer, judged);
  const told = judged.flatMap(({ node, runtime, ...judgement }) => {
    const entry = known.get(trustKey(node, runtime));
    return entry === undefined ? [] : [{ ...judgement, entry }];
  });
  const nodes = new Map<KnownTrust, Learnt['nodes'][number]>();
  const again: TaskReference[] = [];
  for (const { entry, verdict, task, evidence } of told) {
    const before = nodes.get(entry) ?? { ...entry, reputation: reputationIn(entry.reputation, entry.trust, now) };
    const { trust, reverify } = recordVerdict(before.trust, verdict, task);
    const reputation =
      evidence === null ? before.reputation : recordEvidence(before.reputation, evidence.evidence, now);
    nodes.set(entry, { ...before, trust, reputation });
    again.push(...reverify);
  }
  const touched = [...nodes.values()];
  const rows = touched.map(({ node, runtime, trust, reputation, version }) => {
    return [node, runtime, JSON.stringify(trust), writeReputation(reputation), version + 1];
  });
  const saved = await runBulk(writer, SAVE_TRUST, rows);
  if (saved.length !== rows.length) throw new StaleRows('the record of a node has changed since it was read');
  await reopen(writer, again, now);
  const owners = await recordOfOwners(
    writer,
    told.flatMap(({ evidence }) => evidence ?? []),
    now,
  );
  return { nodes: touched, owners };
}

/** Adds to the records of owners, at most one write for each. Answers those as they stand from then on. */
export async function recordOfOwners(
  writer: Writer,
  evidence: readonly NodeEvidence[],
  now: number,
): Promise<Learnt['owners']> {
  if (evidence.length === 0) return [];
  const known = await lockOwners(
    writer,
    evidence.map(({ owner }) => owner),
  );
  const changed = new Map<string, Learnt['owners'][number]>();
  for (const { owner, evidence: found } of evidence) {
    const before = changed.get(owner) ?? { ...(known.get(owner) as OwnerReputation), hasFallen: false };
    const reputation = recordEvidence(before.reputation, found, now);
    changed.set(owner, { ...before, reputation, hasFallen: before.hasFallen || found.finding !== 'right' });
  }
  return await saveOwners(writer, [...changed.values()]);
}

async function reopen(writer: Writer, tasks: readonly TaskReference[], now: number): Promise<void> {
  const rows = new Map(tasks.map(({ job, partition }) => [`${job}/${partition}`, [job, partition, now]]));
  await runBulk(writer, REOPEN, [...rows.values()]);
}
