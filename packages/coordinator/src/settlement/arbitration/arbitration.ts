/**
 * Carries arbitrations out: has a task run again, where it can by a trusted node, otherwise by arbiters, and writes down
 * what follows. Each step is one transaction that first locks the row, so that of several coordinators one takes it.
 *
 * A transaction locks the row of the arbitration, then those of jobs and owners, then the ledger. Whoever else locks rows of jobs
 * waits for no row of an arbitration.
 */
import { randomBytes } from 'node:crypto';
import { type ArbitrationOutcome, FogError, type JobEventData, type Prover } from '@fog/contract';
import { type ArbiterRun, drawArbiters, faultOf, type Validator } from '@fog/economy/staking';
import type { CachedJob, JobCache } from '../../dispatch/job-cache.ts';
import type { PlacementClasses } from '../../dispatch/placement-classes.ts';
import type { QueueHints } from '../../dispatch/queue-hints.ts';
import type { PlacementNode, Requirements } from '../../dispatch/requirements.ts';
import { insertHiddenRun, type QueuedRun } from '../../dispatch/verification/hidden-runs.ts';
import { digestOfOutputs } from '../../dispatch/verification/result-proof.ts';
import {
  isAsRead,
  readArbitrationRuns,
  readOpen,
  readRunning,
  removeArbitrations,
  saveArbitration,
} from '../../store/arbitration-rows.ts';
import type { Database, Writer } from '../../store/database.ts';
import { insertArbitratedFaults } from '../../store/fault-rows.ts';
import { readPlacementNodes } from '../../store/node-queries.ts';
import { loadStakeRows } from '../../store/stake-rows.ts';
import type { ArbitrationsTable } from '../../store/stake-tables.ts';
import { loadAttempts, saveJobs } from '../../store/turn-rows.ts';
import { recordOfOwners } from '../../store/verification-rows.ts';
import { type OverseenRun, payerOf } from '../oversight.ts';
import { stakeBefore } from '../stake/faults.ts';
import type { StakeStore } from '../stake/stake-store.ts';
import { arbiterNodes, hasTrustedNode, runRequirements } from './candidates.ts';
import { ARBITRATION_LIMITS } from './limits.ts';
import {
  type ArbitrationRecord,
  type ArbitrationRun,
  compensationOf,
  findingOf,
  partiesOf,
  type RunAnswer,
  readArbitration,
  storedDraw,
  writeEvidence,
  wrongParties,
} from './record.ts';

export interface ArbitrationDependencies {
  database: Database;
  jobs: JobCache;
  stake: StakeStore;
  /** Pays for runs in the transaction that takes them for proof. Rows of their payers are locked. */
  payRuns: (writer: Writer, runs: readonly OverseenRun[]) => Promise<void>;
  now: () => number;
  dispatch: {
    classes: PlacementClasses;
    hints: Pick<QueueHints, 'add'>;
    wake: () => void;
    announce: (classIds: string[]) => void;
    publishStreams: (ids: string[]) => void;
  };
}

/** A row with what is read of it. */
interface Case {
  row: ArbitrationsTable;
  record: ArbitrationRecord;
  job: CachedJob;
}

interface Target {
  owner: string | null;
  requirements: Requirements;
}

export class Arbitration {
  readonly #dependencies: ArbitrationDependencies;
  readonly #since: number;
  /** As this look has found them. */
  #nodes: Promise<PlacementNode[]> | null = null;

  constructor(dependencies: ArbitrationDependencies) {
    this.#dependencies = dependencies;
    this.#since = dependencies.now();
  }

  /** Looks at all that are under way. */
  async look(): Promise<void> {
    const { database, stake, now } = this.#dependencies;
    const { underWay, restMilliseconds } = ARBITRATION_LIMITS;
    this.#nodes = null;
    const running = await readRunning(database.read);
    for (const row of running) await this.#harvest(row);
    if (now() >= this.#since + restMilliseconds) {
      const open = await readOpen(database.read, underWay - running.length);
      for (const row of open) await this.#begin(row);
    }
    await removeArbitrations(database, now() - stake.parameters.evidenceAgeMilliseconds);
  }

  async #begin(row: ArbitrationsTable): Promise<void> {
    const { now } = this.#dependencies;
    const record = readArbitration(row.record);
    if (!(await this.#isAnythingAtStake(record))) return await this.#end(row, record, 'nothing-at-stake');
    const job = await this.#load(row);
    if (job === null) return await this.#end(row, record, 'unanswered');
    const nodes = await this.#placementNodes();
    if (!hasTrustedNode(job, nodes)) return await this.#draw({ row, record, job });
    const target = { owner: null, requirements: runRequirements(job, 'trusted') };
    const until = now() + ARBITRATION_LIMITS.patienceMilliseconds + runTime(job);
    await this.#run({ row, record: { ...record, until }, job }, 'trusted', [target]);
  }

  #placementNodes(): Promise<PlacementNode[]> {
    this.#nodes ??= readPlacementNodes(this.#dependencies.database.read);
    return this.#nodes;
  }

  /** Nothing is run again for what no stake answers for. */
  async #isAnythingAtStake({ parties }: ArbitrationRecord): Promise<boolean> {
    for (const { owner, leasedAt } of parties) {
      if ((await stakeBefore(this.#dependencies.database.read, owner, leasedAt)) > 0n) return true;
    }
    return false;
  }

  /** Null when its job is gone. */
  async #load({ job_id: job, paid_by: payer }: ArbitrationsTable): Promise<CachedJob | null> {
    const { database, jobs } = this.#dependencies;
    await jobs.load(database.read, [job, payer]);
    return jobs.find(job) ?? null;
  }

  async #draw({ row, record, job }: Case): Promise<void> {
    const { database, stake, now } = this.#dependencies;
    const parties = partiesOf(record);
    const nodes = await this.#placementNodes();
    const owners = [...new Set(nodes.map(({ owner }) => owner))];
    const keys = owners.map((validator) => ({ validator, key: '' }));
    const rows = await loadStakeRows(database.read, 'validators', keys);
    const validators = new Map(rows.map((validator): [string, Validator] => [validator.validator, validator]));
    const able = arbiterNodes(job, nodes, validators, parties);
    const candidates = able.map(({ nodeId: _, ...candidate }) => candidate);
    const draw = { seed: randomBytes(32).toString('hex'), candidates, parties };
    const task = { job: row.job_id, partition: row.partition };
    let drawn: string[];
    try {
      drawn = drawArbiters(task, draw, stake.parameters.arbiters);
    } catch (error) {
      if (!(error instanceof FogError) || error.code !== 'unavailable') throw error;
      // Others may come.
      if (now() < Math.max(row.opened_at, this.#since) + ARBITRATION_LIMITS.patienceMilliseconds) return;
      return await this.#end(row, record, 'too-few-arbiters');
    }
    const targets = drawn.map((owner): Target => {
      const node = able.find((candidate) => candidate.owner === owner)?.nodeId ?? null;
      return { owner, requirements: runRequirements(job, { node }) };
    });
    const until = now() + ARBITRATION_LIMITS.patienceMilliseconds + runTime(job);
    await this.#run({ row, record: { ...record, until, draw: storedDraw(draw) }, job }, 'arbiters', targets);
  }

  /** Has the task run again by those. */
  async #run({ row, record, job }: Case, state: Prover, targets: readonly Target[]): Promise<void> {
    const { database, jobs, now, dispatch } = this.#dependencies;
    const { classes, hints, wake, announce } = dispatch;
    const paying = job.oversight ?? (job.payment === null ? null : { by: job.id, terms: job.payment.terms });
    const queued = await database.write(async (writer) => {
      if (!(await isAsRead(writer, database.engine, row))) return [];
      const runs: ArbitrationRun[] = [];
      const inserted: QueuedRun[] = [];
      for (const { owner, requirements } of targets) {
        const task = { job: row.job_id, partition: row.partition };
        const run = await insertHiddenRun(
          writer,
          { task, purpose: 'arbitration', requirements: () => requirements, oversight: paying },
          { jobs, classes, now: now() },
        );
        if (run === null) continue;
        runs.push({ job: run.head.job, owner });
        inserted.push(run);
      }
      await saveArbitration(writer, row.id, { state, record: { ...record, runs } });
      return inserted;
    });
    if (queued.length === 0) return;
    for (const { placement, head } of queued) hints.add(placement, head);
    wake();
    announce(queued.map(({ placement }) => placement.id));
  }

  async #harvest(row: ArbitrationsTable): Promise<void> {
    const { database, jobs, now } = this.#dependencies;
    const record = readArbitration(row.record);
    const ids = record.runs.map(({ job }) => job);
    await jobs.load(database.read, ids);
    const known = await readArbitrationRuns(database.read, ids);
    const answers = record.runs.map(({ job: id, owner }): RunAnswer => {
      const [run, job] = [known.get(id), jobs.find(id)];
      if (run === undefined || job === undefined) return { kind: 'none' };
      if (run.result === null) return { kind: run.hasEnded ? 'none' : 'waiting' };
      const digest = digestOfOutputs(job.spec.spec.task, run.result.outputs);
      const isTheirs = owner === null || run.result.owner === owner;
      return digest === null || !isTheirs ? { kind: 'none' } : { kind: 'digest', digest };
    });
    const finding = findingOf(row.state as Prover, answers, now() >= record.until);
    if (finding.kind === 'waiting') return;
    if (finding.kind === 'found') return await this.#conclude(row, record, finding);
    if (finding.kind === 'nothing') return await this.#end(row, record, finding.outcome);
    const job = await this.#load(row);
    if (job === null) return await this.#end(row, record, 'unanswered');
    await this.#draw({ row, record, job });
  }

  /** Writes down what is wrong, and pays those who have found it out. */
  async #conclude(
    row: ArbitrationsTable,
    record: ArbitrationRecord,
    { digest, by }: { digest: string; by: Prover },
  ): Promise<void> {
    const { job_id: job, partition } = row;
    const wrong = wrongParties(record, digest);
    const runs = record.runs.flatMap(({ owner }): ArbiterRun[] => (owner === null ? [] : [{ arbiter: owner, digest }]));
    const proof = by === 'arbiters' && record.draw !== null ? writeEvidence(record.draw, runs) : null;
    const paidForTask = compensationOf(BigInt(record.paidForTask), wrong.length);
    const outcome = wrong.length > 0 ? 'proven' : 'right';
    const fences = wrong.map(({ fence }) => fence);
    await this.#end(row, record, outcome, { by, wrong: fences }, async (writer, now) => {
      const faults = wrong.map(({ fence, owner, nodeId, digest: claimedDigest, signature, leasedAt }) => ({
        fault: faultOf({ job, partition, fence }),
        ...{ job, partition, fence, validator: owner, nodeId, buyer: record.buyer, foundAt: now, leasedAt },
        ...{ claimedDigest, digest, signature, evidence: proof, paidForTask },
        slashPpm: BigInt(record.slashPpm),
        insurancePpm: BigInt(record.insurancePpm),
      }));
      await insertArbitratedFaults(writer, faults);
      const evidence = { finding: 'proven-wrong', valueMicroFog: paidForTask } as const;
      const liars = new Set(wrong.map(({ owner }) => owner));
      await recordOfOwners(
        writer,
        Array.from(liars, (owner) => ({ owner, evidence })),
        now,
      );
      await this.#dependencies.payRuns(writer, await this.#overseen(writer, record));
    });
  }

  async #overseen(writer: Writer, { runs }: ArbitrationRecord): Promise<OverseenRun[]> {
    const { jobs } = this.#dependencies;
    const ids = runs.map(({ job }) => job);
    await jobs.load(writer, ids);
    const known = ids.flatMap((id) => jobs.find(id) ?? []);
    await jobs.load(
      writer,
      known.flatMap(({ oversight }) => oversight?.by ?? []),
    );
    const names = await readRunTasks(writer, ids);
    const { tasks, attempts } = await loadAttempts(writer, names);
    return known.flatMap((job) => {
      const task = tasks.find((one) => one.job === job.id);
      const attempt = attempts.find((one) => one.job === job.id && one.fence === task?.acceptedFence);
      const payer = payerOf(job, jobs);
      return task === undefined || attempt === undefined || payer === null ? [] : [{ task, job, attempt, payer }];
    });
  }

  /** It is over: tells the job, and does what follows in the same transaction, with the row of who pays locked. */
  async #end(
    row: ArbitrationsTable,
    record: ArbitrationRecord,
    outcome: ArbitrationOutcome,
    { by, wrong }: { by: Prover | null; wrong: number[] } = { by: null, wrong: [] },
    follow: (writer: Writer, now: number) => Promise<void> = async () => undefined,
  ): Promise<void> {
    const { database, now, dispatch } = this.#dependencies;
    const job = await this.#load(row);
    const told = await database.write(async (writer) => {
      if (!(await isAsRead(writer, database.engine, row))) return [];
      const at = now();
      const data: JobEventData = { type: 'task.arbitrated', partition: row.partition, outcome, by, wrong };
      // A check is in no list, and tells nothing of itself.
      const isShown = job !== null && !job.isHidden;
      const entries = new Map(isShown ? [[job.id, [{ kind: 'event' as const, data }]]] : []);
      const streams = await saveJobs(writer, new Map([[row.paid_by, {}]]), entries, at);
      await saveArbitration(writer, row.id, { state: outcome, record, endedAt: at });
      await follow(writer, at);
      return streams;
    });
    if (told.length > 0) dispatch.publishStreams(told);
  }
}

/** Their names, whatever their fences. */
async function readRunTasks(writer: Writer, jobs: readonly string[]) {
  if (jobs.length === 0) return [];
  const rows = await writer
    .selectFrom('tasks')
    .select(['job_id', 'partition', 'fence'])
    .where('job_id', 'in', jobs)
    .execute();
  return rows.map(({ job_id: job, partition, fence }) => ({ job, partition, fence }));
}

function runTime({ attemptMilliseconds }: CachedJob): number {
  return Math.min(attemptMilliseconds, ARBITRATION_LIMITS.runMilliseconds);
}
