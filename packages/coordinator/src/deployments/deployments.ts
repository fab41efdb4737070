/** What is asked of deployments: each command changes rows under their lock, and the controller does the rest. */
import { counted, deploymentNameFaults, FogError, type JobSpec, newId, parseJobSpec } from '@fog/contract';
import { sql } from 'kysely';
import { type Jobs, jobOf } from '../dispatch/jobs.ts';
import { hurdleOf, type PlacementNode, placementClass, requirementsOf } from '../dispatch/requirements.ts';
import { DEPLOYMENT_LIMITS } from '../limits.ts';
import type { ServicePeriods } from '../settlement/periods/service-periods.ts';
import type { Database, Reader, Writer } from '../store/database.ts';
import {
  type DeploymentKey,
  lockDeployment,
  type RevisionWithJob,
  readDeployment,
  readRevisions,
  saveDeployment,
} from '../store/deployment-rows.ts';
import { refusableWrite } from '../store/refusable-write.ts';
import type { DeploymentRow } from '../store/tables.ts';
import type { DeploymentLooks } from './deployment-looks.ts';
import { lastGoodOf } from './look.ts';
import { afterEvent, beginRevision, isRunnable, type NewRevision, retryRevision, revisionText } from './revisions.ts';

export interface DeploymentsDependencies {
  database: Database;
  jobs: Pick<Jobs, 'admit' | 'store'>;
  /** Null where nobody pays. */
  periods: Pick<ServicePeriods, 'coverMore' | 'onChange'> | null;
  allNodes: () => Promise<PlacementNode[]>;
  looks: Pick<DeploymentLooks, 'lookNow'>;
  now: () => number;
  randomBytes: (count: number) => Uint8Array;
  /** How many more tasks may be queued. */
  queueRoom: () => number;
}

export class Deployments {
  readonly #dependencies: DeploymentsDependencies;

  constructor(dependencies: DeploymentsDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Deploys the document under the name. The specification that is deployed already changes nothing but, where it names
   * another count than the last one did, the number of replicas; if it has failed, it is tried again.
   * Throws what `parseJobSpec` and `Jobs.admit` throw, `invalid-request` for a job that has an end or another name,
   * `conflict` for a deployment of the other type or one that is being removed, and `too-many-requests`.
   */
  async deploy(key: DeploymentKey, by: string, document: unknown): Promise<void> {
    const spec = deployableSpec(document, key.name);
    const { database, jobs, looks, now } = this.#dependencies;
    const { count } = spec.spec;
    if (!(await this.#isDeployed(database.read, key, spec))) {
      const folderEntries = await jobs.admit(spec, key.principal, count);
      const others = await this.#nodesOfOthers(spec, key);
      await refusableWrite(database, async (writer) => {
        const row = await this.#openRow(writer, key, spec, now());
        const revisions = await readRevisions(writer, key);
        const wanted = row.revision > 0 && row.named_count === count ? row.wanted : count;
        await refuseTooManyReplicas(writer, key, wanted);
        if (await isCurrent(writer, revisions, spec)) return await this.#again(writer, row, revisions, wanted, count);
        const stored = { folderEntries, replicas: others ?? wanted };
        const job = await this.#jobFor(writer, key, revisions, spec, stored);
        const next: NewRevision = { job, by, of: null, event: 'deploy', reason: null, wanted, namedCount: count };
        await beginRevision(writer, row, revisions, next, now());
      });
    }
    await looks.lookNow(key);
  }

  /** Throws `invalid-request` for a daemon, which has one replica a node. */
  async scale(key: DeploymentKey, replicas: number): Promise<void> {
    const { database, looks, queueRoom } = this.#dependencies;
    await refusableWrite(database, async (writer) => {
      const row = await this.#lock(writer, key);
      if (row.type === 'daemon') {
        throw new FogError('invalid-request', `${key.name} is a daemon: it has one replica on every matching node`);
      }
      const room = queueRoom();
      if (replicas - row.wanted > room) {
        throw new FogError('too-many-requests', `the queue has room for ${counted(room, 'more task')}`, {
          details: { room },
        });
      }
      await refuseTooManyReplicas(writer, key, replicas);
      await this.#again(writer, row, await readRevisions(writer, key), replicas, row.named_count);
    });
    await looks.lookNow(key);
  }

  /**
   * Takes up an earlier revision again, as a new one. Throws `not-found` for a revision that is not kept, and
   * `conflict` where there is none to return to or it is what runs.
   */
  async rollBack(key: DeploymentKey, by: string, wanted: number | undefined): Promise<void> {
    const { database, jobs, looks, now } = this.#dependencies;
    const known = await readRevisions(database.read, key);
    const spec = await specOf(database.read, targetOf(key, known, wanted));
    const { wanted: replicas } = await requireDeployment(database.read, key);
    const folderEntries = await jobs.admit(spec, key.principal, replicas);
    const others = await this.#nodesOfOthers(spec, key);
    await refusableWrite(database, async (writer) => {
      const row = await this.#lock(writer, key);
      const revisions = await readRevisions(writer, key);
      const target = targetOf(key, revisions, wanted);
      const next: NewRevision = {
        job: await this.#jobFor(writer, key, revisions, await specOf(writer, target), {
          folderEntries,
          replicas: others ?? row.wanted,
        }),
        by,
        of: target.revision,
        event: 'roll-back',
        reason: `${by} asked for revision ${target.revision}`,
        wanted: row.wanted,
        namedCount: row.named_count,
      };
      await beginRevision(writer, row, revisions, next, now());
    });
    await looks.lookNow(key);
  }

  /** Resolves when its replicas have been told to stop; it is gone when they have ended. */
  async remove(key: DeploymentKey): Promise<void> {
    const { database, looks, now } = this.#dependencies;
    await refusableWrite(database, async (writer) => {
      const row = await this.#lock(writer, key);
      if (row.state === 'removing') return;
      await saveDeployment(writer, key, { state: afterEvent(row, 'remove'), reason: null, updated_at: now() });
    });
    await looks.lookNow(key);
  }

  /** A repeated deploy costs no write. */
  async #isDeployed(reader: Reader, key: DeploymentKey, spec: JobSpec): Promise<boolean> {
    const row = await readDeployment(reader, key);
    if (row === null || row.named_count !== spec.spec.count || row.state === 'failed' || row.state === 'removing') {
      return false;
    }
    return await isCurrent(reader, await readRevisions(reader, key), spec);
  }

  /** Of a daemon: how many of the nodes that suit have another owner, who is to be paid. Null of a service. */
  async #nodesOfOthers(spec: JobSpec, { principal }: DeploymentKey): Promise<number | null> {
    const { periods, allNodes } = this.#dependencies;
    if (periods === null || spec.spec.type !== 'daemon') return null;
    const placement = placementClass(requirementsOf(spec, principal));
    const nodes = await allNodes();
    return nodes.filter((node) => node.owner !== principal && hurdleOf(placement, node) === null).length;
  }

  async #lock(writer: Writer, key: DeploymentKey): Promise<DeploymentRow> {
    const row = await lockDeployment(writer, this.#dependencies.database.engine, key, false);
    return row ?? noSuchDeployment(key);
  }

  /** The locked row, made where there is none; revision 0 tells that it has none yet. */
  async #openRow(writer: Writer, key: DeploymentKey, { spec }: JobSpec, now: number): Promise<DeploymentRow> {
    const made = await writer
      .insertInto('deployments')
      .values({
        ...key,
        type: spec.type,
        state: 'rolling-out',
        reason: null,
        revision: 0,
        named_count: 0,
        wanted: 0,
        ready: 0,
        available: 0,
        updated: 0,
        most_available: 0,
        progress_at: now,
        created_at: now,
        updated_at: now,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning('name')
      .execute();
    if (made.length > 0) await refuseTooMany(writer, key);
    const row = await this.#lock(writer, key);
    if (row.type === spec.type) return row;
    throw new FogError('conflict', `${key.name} is deployed as a ${row.type}, not as a ${spec.type}`, {
      hint: `fog rollout remove ${key.name}`,
    });
  }

  /** The same specification, perhaps another number of replicas; one that has failed is tried again. */
  async #again(
    writer: Writer,
    row: DeploymentRow,
    revisions: readonly RevisionWithJob[],
    wanted: number,
    namedCount: number,
  ): Promise<void> {
    const now = this.#dependencies.now();
    const state = afterEvent(row, 'scale');
    const isRetry = row.state === 'failed';
    const { periods } = this.#dependencies;
    const job = revisions[0]?.job_id;
    if (periods !== null && job !== undefined && wanted > row.wanted)
      await periods.coverMore(writer, row, { job, wanted });
    if (isRetry && revisions[0] !== undefined) await retryRevision(writer, revisions[0], now);
    await saveDeployment(writer, row, {
      state,
      wanted,
      named_count: namedCount,
      most_available: isRetry ? 0 : Math.min(row.most_available, wanted),
      progress_at: now,
      updated_at: now,
      ...(isRetry ? { reason: null } : {}),
    });
  }

  /** The job of a good revision with the same specification if it lives, so that its replicas go on; else a new one. */
  async #jobFor(
    writer: Writer,
    { principal, name }: DeploymentKey,
    revisions: readonly RevisionWithJob[],
    spec: JobSpec,
    { folderEntries, replicas }: { folderEntries: string[]; replicas: number },
  ): Promise<string> {
    const text = revisionText(spec);
    const isPaid = this.#dependencies.periods !== null;
    for (const revision of revisions.filter((each) => each.stable_at !== null && isRunnable(each))) {
      // What nobody pays for is from before the fog asked for money: a new revision is paid.
      if (isPaid && !revision.isPaid) continue;
      if (revisionText(await specOf(writer, revision)) === text) return revision.job_id;
    }
    const { jobs, now, randomBytes } = this.#dependencies;
    const stored = await jobs.store(writer, {
      id: newId('j', now(), randomBytes(9)),
      spec,
      submitter: principal,
      key: null,
      pinned: [],
      folderEntries,
      deployment: name,
      replicas,
      leaseTerms: null,
      submittedAt: now(),
    });
    return jobOf(stored);
  }
}

/** Throws `not-found`. */
export async function requireDeployment(reader: Reader, key: DeploymentKey): Promise<DeploymentRow> {
  return (await readDeployment(reader, key)) ?? noSuchDeployment(key);
}

function noSuchDeployment({ name }: DeploymentKey): never {
  throw new FogError('not-found', `there is no deployment ${name}`, { hint: 'fog rollout ls' });
}

function deployableSpec(document: unknown, name: string): JobSpec {
  const spec = parseJobSpec(document, deploymentNameFaults(document));
  const { type } = spec.spec;
  if (type !== 'service' && type !== 'daemon') {
    throw new FogError('invalid-request', `a job of type: ${type} has an end, it cannot be deployed`, {
      hint: 'submit it: fog run FILE',
    });
  }
  if (spec.metadata.name === name) return spec;
  throw new FogError('invalid-request', `metadata.name is ${spec.metadata.name}, the deployment is ${name}`, {
    hint: 'write the name of the deployment as metadata.name',
  });
}

async function refuseTooMany(writer: Writer, { principal }: DeploymentKey): Promise<void> {
  const { deployments } = await writer
    .selectFrom('deployments')
    .select((expression) => expression.fn.countAll<number>().as('deployments'))
    .where('principal', '=', principal)
    .executeTakeFirstOrThrow();
  const most = DEPLOYMENT_LIMITS.deploymentsPerPrincipal;
  if (Number(deployments) <= most) return;
  throw new FogError('too-many-requests', `${principal} has ${most} deployments already`, {
    retryable: false,
    hint: 'remove some with "fog rollout remove NAME"',
  });
}

async function refuseTooManyReplicas(writer: Writer, { principal, name }: DeploymentKey, wanted: number) {
  const { others } = await writer
    .selectFrom('deployments')
    .select((expression) => expression.fn.coalesce(expression.fn.sum<number>('wanted'), sql.lit(0)).as('others'))
    .where('principal', '=', principal)
    .where('name', '!=', name)
    .executeTakeFirstOrThrow();
  const most = DEPLOYMENT_LIMITS.replicasPerPrincipal;
  if (Number(others) + wanted <= most) return;
  throw new FogError('too-many-requests', `${principal} may have ${most} replicas, and ${others} of them are others`, {
    retryable: false,
    details: { room: Math.max(0, most - Number(others)) },
    hint: 'scale some down with "fog scale NAME N"',
  });
}

/** Whether it is what the current revision runs, and may go on to. */
async function isCurrent(reader: Reader, revisions: readonly RevisionWithJob[], spec: JobSpec): Promise<boolean> {
  const [current] = revisions;
  return (
    current !== undefined && isRunnable(current) && revisionText(await specOf(reader, current)) === revisionText(spec)
  );
}

/** The specification of a revision; its job is kept as long as the revision. */
async function specOf(reader: Reader, { job_id }: Pick<RevisionWithJob, 'job_id'>): Promise<JobSpec> {
  const { rows } = await sql<{ spec: string }>`SELECT spec FROM jobs WHERE id = ${job_id}`.execute(reader);
  return JSON.parse(rows[0]?.spec ?? 'null') as JobSpec;
}

function targetOf(
  key: DeploymentKey,
  revisions: readonly RevisionWithJob[],
  wanted: number | undefined,
): RevisionWithJob {
  const [current] = revisions;
  if (current === undefined) noSuchDeployment(key);
  const { name } = key;
  const hint = `fog rollout history ${name}`;
  if (wanted === undefined) {
    const good = lastGoodOf(revisions.filter((revision) => revision === current || revision.job_id !== current.job_id));
    if (good !== null) return good;
    throw new FogError('conflict', `${name} has no earlier revision that was stable`, { hint });
  }
  const target = revisions.find((revision) => revision.revision === wanted);
  if (target === undefined) throw new FogError('not-found', `${name} has no revision ${wanted}`, { hint });
  if (target.job_id !== current.job_id) return target;
  throw new FogError('conflict', `revision ${wanted} of ${name} is what runs`, { hint });
}
