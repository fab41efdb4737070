/**
 * What one principal may have at a time.
 *
 * What it has queued is added up in the transaction that stores a job. What it runs is counted by each coordinator over
 * the nodes on its links. Several coordinators lock the row of the quota in the turn that places its tasks, tell each
 * other in `quota_uses` what they have, and so never go beyond it together. Attempts on nodes that are out of touch are
 * not counted: until such a node is back, or its attempts are given up, so much more may run.
 */
import { FogError, formatBytes, type QuotaLimits } from '@fog/contract';
import { excessOfStart, excessOfSubmit, type Quota, type QuotaExcess, startsWithin } from '@fog/scheduler/queueing';
import { DISPATCH_LIMITS } from '../../limits.ts';
import type { Database, Reader, Writer } from '../../store/database.ts';
import {
  lockQuotas,
  othersUses,
  queuedTasksOf,
  type RunningUse,
  readQuotas,
  saveUses,
} from '../../store/quota-rows.ts';
import type { Needs } from '../requirements.ts';
import type { TurnUses } from './tenant-uses.ts';

export interface QuotasDependencies {
  database: Database;
  coordinatorId: string;
}

/** What the quotas allow in one turn. */
export interface QuotaGate {
  /** How many more tasks with these needs the tenant may start; `Infinity` where nothing is set. */
  allows(tenant: string, needs: Needs): number;
  /** Tells other coordinators, in the same transaction, what the tenants have when it is committed. */
  save(): Promise<OwnUse[]>;
}

/** What a tenant has on the nodes of this coordinator. */
export interface OwnUse {
  principal: string;
  use: RunningUse;
}

const OPEN_GATE: QuotaGate = { allows: () => Number.POSITIVE_INFINITY, save: async () => [] };

export class Quotas {
  readonly #dependencies: QuotasDependencies;
  #quotas: ReadonlyMap<string, QuotaLimits> = new Map();
  /** What other coordinators have been told. */
  readonly #told = new Map<string, RunningUse>();

  constructor(dependencies: QuotasDependencies) {
    this.#dependencies = dependencies;
  }

  /** Reads all quotas anew: another coordinator may have set one. */
  async load(): Promise<void> {
    const rows = await readQuotas(this.#dependencies.database.read, { limit: DISPATCH_LIMITS.quotas });
    this.#quotas = new Map(rows.map(({ principal, ...limits }) => [principal, limits]));
    for (const principal of this.#told.keys()) if (!this.#quotas.has(principal)) this.#told.delete(principal);
  }

  of(principal: string): QuotaLimits | undefined {
    return this.#quotas.get(principal);
  }

  /** In the transaction of a turn that may place tasks of these tenants. */
  async openGate(writer: Writer, tenants: Iterable<string>, uses: TurnUses): Promise<QuotaGate> {
    if (this.#quotas.size === 0) return OPEN_GATE;
    const bound = [...tenants].filter((tenant) => isBounded(this.#quotas.get(tenant))).sort();
    const { database, coordinatorId } = this.#dependencies;
    const isShared = database.engine === 'postgres';
    if (bound.length === 0 && this.#told.size === 0) return OPEN_GATE;
    if (isShared) await lockQuotas(writer, bound);
    const others = isShared ? await othersUses(writer, bound, coordinatorId) : new Map<string, RunningUse>();
    return {
      allows: (tenant, needs) => {
        const limits = this.#quotas.get(tenant);
        if (limits === undefined) return Number.POSITIVE_INFINITY;
        return startsWithin(...asked(limits, addUses(runningOf(uses.of(tenant)), others.get(tenant)), needs));
      },
      save: async () => {
        if (!isShared) return [];
        // Those of whom nothing waits may have ended something.
        const changed = [...new Set([...bound, ...this.#told.keys()])]
          .map((principal) => ({ principal, use: runningOf(uses.of(principal)) }))
          .filter(({ principal, use }) => !isSame(use, this.#told.get(principal)));
        await saveUses(writer, coordinatorId, changed);
        return changed;
      },
    };
  }

  /** The turn that told it is committed. */
  told(changed: readonly OwnUse[]): void {
    for (const { principal, use } of changed) {
      if (use.running === 0) this.#told.delete(principal);
      else this.#told.set(principal, use);
    }
  }

  /** Whether a task with these needs may start, by what runs here alone. */
  mayStart(principal: string, needs: Needs, here: RunningUse): boolean {
    const limits = this.#quotas.get(principal);
    return limits === undefined || excessOfStart(...asked(limits, here, needs)) === null;
  }

  /** Why no task with these needs may start, by what runs here and at other coordinators; null when one may. */
  async excessOf(reader: Reader, principal: string, needs: Needs, here: RunningUse): Promise<QuotaExcess | null> {
    const limits = this.#quotas.get(principal);
    if (limits === undefined) return null;
    const { database, coordinatorId } = this.#dependencies;
    const others = database.engine === 'postgres' ? await othersUses(reader, [principal], coordinatorId) : new Map();
    return excessOfStart(...asked(limits, addUses(here, others.get(principal)), needs));
  }

  /** Throws `too-many-requests` when so many more tasks of the principal may not be queued. */
  async admit(reader: Reader, principal: string, tasks: number): Promise<void> {
    const limits = this.#quotas.get(principal);
    if (limits === undefined || limits.queued === null) return;
    const use = { running: {}, runningWork: 0, queuedWork: await queuedTasksOf(reader, principal) };
    const excess = excessOfSubmit(quotaOf(limits), use, tasks);
    if (excess === null) return;
    const { allowed, used, wanted } = excess;
    throw new FogError(
      'too-many-requests',
      `${principal} may have ${allowed} tasks queued; ${used} are, and this would add ${wanted}`,
      {
        details: { quota: 'queued', allowed, used, wanted },
        hint: 'try again when some of them have found a node, or ask the administrator: fog quota ls',
      },
    );
  }
}

/** For people. */
export function excessText(principal: string, { limit, allowed, used, wanted }: QuotaExcess): string {
  const amount = { cpu: (value: number) => `${value / 1000}`, memory: formatBytes }[limit] ?? String;
  const what = limit === 'running work' ? 'running tasks' : limit;
  return `the quota of ${principal} allows ${amount(allowed)} ${what} at a time: ${amount(used)} in use, ${amount(wanted)} wanted`;
}

function isBounded(limits: QuotaLimits | undefined): boolean {
  return limits !== undefined && (limits.milliCpu !== null || limits.memoryBytes !== null || limits.running !== null);
}

/** Processors are counted in thousandths, so that sums stay exact. */
function quotaOf({ milliCpu, memoryBytes, running, queued }: QuotaLimits): Quota {
  const limits = {
    ...(milliCpu === null ? {} : { cpu: milliCpu }),
    ...(memoryBytes === null ? {} : { memory: memoryBytes }),
  };
  return { running: limits, runningWork: running, queuedWork: queued };
}

function asked(limits: QuotaLimits, use: RunningUse, { milliCpu, memoryBytes }: Needs) {
  const { running: runningWork } = use;
  return [
    quotaOf(limits),
    { running: { cpu: use.milliCpu, memory: use.memoryBytes }, runningWork, queuedWork: 0 },
    { processors: 0, resources: { cpu: milliCpu, memory: memoryBytes } },
  ] as const;
}

export function runningOf({ slots, milliCpu, memoryBytes }: { slots: number } & Omit<Needs, 'diskBytes'>): RunningUse {
  return { running: slots, milliCpu, memoryBytes };
}

function isSame(use: RunningUse, told: RunningUse | undefined): boolean {
  if (told === undefined) return use.running === 0;
  return use.running === told.running && use.milliCpu === told.milliCpu && use.memoryBytes === told.memoryBytes;
}

function addUses(one: RunningUse, other: RunningUse | undefined): RunningUse {
  if (other === undefined) return one;
  return {
    running: one.running + other.running,
    milliCpu: one.milliCpu + other.milliCpu,
    memoryBytes: one.memoryBytes + other.memoryBytes,
  };
}
