/**
 * The looks at deployments: which are due, and one after the other.
 *
 * Each coordinator looks; the lock of the row lets one at a time decide, and what it decided is stored before it is
 * done, so that several never do the same twice.
 */
import type { DeploymentState } from '@fog/contract';
import type { Bus } from '../bus.ts';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { JobCache } from '../dispatch/job-cache.ts';
import type { Jobs } from '../dispatch/jobs.ts';
import type { PlacementClasses } from '../dispatch/placement-classes.ts';
import type { PlacementNode } from '../dispatch/requirements.ts';
import { DEPLOYMENT_LIMITS } from '../limits.ts';
import type { Database } from '../store/database.ts';
import { type DeploymentKey, lockDeployment, readDeployment } from '../store/deployment-rows.ts';
import { act, type Effects, needsAct } from './act.ts';
import { decide } from './controller.ts';
import { type LookDependencies, lookAt } from './look.ts';

export interface DeploymentLooksDependencies {
  database: Database;
  bus: Bus;
  dispatcher: Pick<Dispatcher, 'take' | 'hints' | 'announce' | 'wake'>;
  jobs: Pick<Jobs, 'close'>;
  jobCache: JobCache;
  classes: PlacementClasses;
  allNodes: () => Promise<PlacementNode[]>;
  /** Null where nobody pays. */
  periods: object | null;
  now: () => number;
  warn: (message: string, data: Record<string, unknown>) => void;
}

interface DueDeployment extends DeploymentKey {
  type: string;
  state: string;
  /** Those that have not ended. */
  jobs: Set<string>;
}

/** States in which time alone changes nothing soon. */
const QUIET: readonly string[] = ['stable', 'failed'] satisfies DeploymentState[];

export class DeploymentLooks {
  readonly #dependencies: DeploymentLooksDependencies;
  readonly #lookingSince: number;
  /** Jobs of deployments, as of the last look; only of these it is noted that something happened. */
  #known: ReadonlySet<string> = new Set();
  #changed = new Set<string>();
  #haveNodesChanged = false;
  #rounds = 0;

  constructor(dependencies: DeploymentLooksDependencies) {
    this.#dependencies = dependencies;
    this.#lookingSince = dependencies.now();
    dependencies.bus.subscribe((hint) => {
      if (hint.kind === 'node') this.#haveNodesChanged = true;
      if (hint.kind !== 'streams') return;
      for (const id of hint.ids) if (this.#known.has(id)) this.#changed.add(id);
    });
  }

  /** Looks at all that are under way or have changed, and now and then at the rest. */
  async lookAround(): Promise<void> {
    const isFull = this.#rounds % DEPLOYMENT_LIMITS.looksBetweenAll === 0;
    this.#rounds += 1;
    const changed = this.#changed;
    const haveNodesChanged = this.#haveNodesChanged;
    this.#changed = new Set();
    this.#haveNodesChanged = false;
    const all = await this.#readAll();
    this.#known = new Set(all.flatMap(({ jobs }) => [...jobs]));
    const nodes = this.#nodesOnce();
    for (const deployment of all) {
      const hasChanged = (haveNodesChanged && deployment.type === 'daemon') || !deployment.jobs.isDisjointFrom(changed);
      if (!isFull && !hasChanged && QUIET.includes(deployment.state)) continue;
      try {
        await this.#look(deployment, nodes);
      } catch (error) {
        const { principal, name } = deployment;
        this.#dependencies.warn('a look at a deployment failed', { principal, name, error: String(error) });
      }
    }
  }

  /** The next steps of one deployment at once: somebody has just asked for something. */
  async lookNow(key: DeploymentKey): Promise<void> {
    await this.#look(key, this.#nodesOnce());
  }

  async #look(key: DeploymentKey, nodes: LookDependencies['nodes']): Promise<void> {
    const { database, jobCache: jobs, classes, now, periods } = this.#dependencies;
    const isPaid = periods !== null;
    const row = await readDeployment(database.read, key);
    if (row === null) return;
    const lookingSince = this.#lookingSince;
    const look = await lookAt(database.read, row, { jobs, nodes, now: now(), lookingSince, isPaid });
    const decision = decide(look.view, now());
    if (!needsAct(look, decision)) {
      const leaving = look.replicas.filter((replica) => replica.leaving);
      return await this.#carryOut(key, { added: null, leaving, closeJobs: decision.closeJobs });
    }
    const effects = await database.write(async (writer) => {
      const locked = await lockDeployment(writer, database.engine, key, true);
      if (locked === null) return null;
      const at = now();
      const again = await lookAt(writer, locked, { jobs, nodes, now: at, lookingSince, isPaid });
      return await act(writer, again, { engine: database.engine, jobs, classes, now: at });
    });
    if (effects !== null) await this.#carryOut(key, effects);
  }

  /** What follows the commit. What a crash leaves of it is found by the next look. */
  async #carryOut({ principal }: DeploymentKey, { added, leaving, closeJobs }: Effects): Promise<void> {
    const { dispatcher, jobs, bus } = this.#dependencies;
    if (added !== null) {
      for (const placement of added.classes) dispatcher.hints.add(placement, { rank: added.rank, job: added.job });
      dispatcher.announce(added.classes.map(({ id }) => id));
      bus.publish({ kind: 'streams', ids: [added.job] });
      dispatcher.wake();
    }
    const closes = leaving.map(({ job, partition, fence }) => {
      return { kind: 'close' as const, name: { job, partition, fence }, why: 'cancelled' as const };
    });
    if (closes.length > 0) dispatcher.take(...closes);
    for (const job of closeJobs) await jobs.close(job, 'cancelled', principal);
  }

  /** Read when they are first needed; one round sees them all alike. */
  #nodesOnce(): LookDependencies['nodes'] {
    let nodes: Promise<PlacementNode[]> | undefined;
    return () => {
      nodes ??= this.#dependencies.allNodes();
      return nodes;
    };
  }

  async #readAll(): Promise<DueDeployment[]> {
    const rows = await this.#dependencies.database.read
      .selectFrom('deployments as d')
      .leftJoin('deployment_revisions as r', (join) =>
        join.onRef('r.principal', '=', 'd.principal').onRef('r.name', '=', 'd.name'),
      )
      .leftJoin('jobs as j', (join) => join.onRef('j.id', '=', 'r.job_id').on('j.ended_at', 'is', null))
      .select(['d.principal', 'd.name', 'd.type', 'd.state', 'j.id as job'])
      .execute();
    const deployments = new Map<string, DueDeployment>();
    for (const { job, ...row } of rows) {
      const key = `${row.principal}/${row.name}`;
      const deployment = deployments.get(key) ?? { ...row, jobs: new Set() };
      if (job !== null) deployment.jobs.add(job);
      deployments.set(key, deployment);
    }
    return [...deployments.values()];
  }
}
