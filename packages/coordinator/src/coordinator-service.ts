/** The service behind the routes: checks who may see what, reads the store, hands changes to the dispatcher's parts. */
import {
  type AttemptName,
  type AttemptSample,
  type Explanation,
  FogError,
  isLongRunning,
  type Job,
  type JobEventRecord,
  type JobSpec,
  type Node,
  type NodeEventRecord,
  type Owner,
  type Plan,
  parseJobSpec,
  type Status,
  type TaskWithAttempts,
} from '@fog/contract';
import type { QuotaExcess } from '@fog/scheduler/queueing';
import { decodeCursor, encodeCursor } from './access/page-cursor.ts';
import type { BlobTotals } from './blobs/blob-store.ts';
import type { Bus } from './bus.ts';
import { neededText } from './dispatch/dependencies.ts';
import type { Dispatcher } from './dispatch/dispatcher.ts';
import { explainTask } from './dispatch/explanation.ts';
import { type JobCache, runKindOf, runKindsOf } from './dispatch/job-cache.ts';
import type { Jobs } from './dispatch/jobs.ts';
import type { Nodes } from './dispatch/nodes.ts';
import { keptFront, planFront } from './dispatch/placement/fronts.ts';
import type { PlacementClasses } from './dispatch/placement-classes.ts';
import { excessText, type Quotas, runningOf } from './dispatch/queueing/quotas.ts';
import {
  type Hurdle,
  type Needs,
  type PlacementClass,
  placementClass,
  requirementsOf,
} from './dispatch/requirements.ts';
import type { Suspensions } from './dispatch/suspensions.ts';
import type { Caller, CoordinatorService, Page, PageRequest, StreamPage, StreamRequest } from './service.ts';
import type { Settlement } from './settlement/settlement.ts';
import { readBondHurdles } from './settlement/stake/bonds.ts';
import type { Database } from './store/database.ts';
import type { DatabaseSpace } from './store/database-space.ts';
import { isWaiting, readNeeded } from './store/dependency-rows.ts';
import { readEvents, readJob, readJobs, readLogs, readPlaceInQueue, readTasks } from './store/job-queries.ts';
import { explainPlacement, ownersAfter, readNodes } from './store/node-queries.ts';
import { readSamples } from './store/sample-rows.ts';

export interface CoordinatorServiceDependencies {
  database: Database;
  bus: Bus;
  dispatcher: Dispatcher;
  jobs: Jobs;
  suspensions: Suspensions;
  jobCache: JobCache;
  classes: PlacementClasses;
  nodes: Nodes;
  quotas: Pick<Quotas, 'excessOf'>;
  /** Null where nobody pays. */
  settlement: Pick<Settlement, 'bondOf'> | null;
  version: string;
  url: () => string;
  startedAt: number;
  now: () => number;
  blobTotals: () => Promise<BlobTotals>;
  space: Pick<DatabaseSpace, 'size' | 'limitBytes'>;
}

const ALL_NODES = 100_000;

export function createCoordinatorService(dependencies: CoordinatorServiceDependencies): CoordinatorService {
  const { database, jobs, nodes } = dependencies;
  const subscribers = subscriptions(dependencies.bus);
  const visibleJob = (caller: Caller, id: string) => readVisibleJob(dependencies, caller, id);
  const node = (caller: Caller, id: string) => readNode(dependencies, caller, id);
  const changed = (caller: Caller, id: string, change: Promise<void>) => change.then(() => node(caller, id));

  return {
    async submitJob(caller, request) {
      const id = await jobs.submit(caller, request);
      return await visibleJob(caller, id);
    },
    async rerunJob(caller, id) {
      const { spec, submitter } = await visibleJob(caller, id);
      const again = await jobs.submit({ ...caller, principal: submitter }, { spec });
      return await visibleJob(caller, again);
    },
    cancelJob: (caller, id) => cancelJob(dependencies, caller, id),
    suspendJob: (caller, id, partition) => changeSuspension(dependencies, caller, { id, partition, suspend: true }),
    resumeJob: (caller, id, partition) => changeSuspension(dependencies, caller, { id, partition, suspend: false }),
    getJob: visibleJob,
    async listJobs(caller, { state, cursor, limit }) {
      const before = decodeCursor(cursor, /^j[0-9a-z]{18}$/);
      const submitter = caller.scope === 'submit' ? caller.principal : null;
      const items = await readJobs(database.read, { submitter, state, before, limit: limit + 1 });
      return toPage(items, limit, (job) => job.id);
    },
    async listTasks(caller, id, { state, cursor, limit }) {
      await visibleJob(caller, id);
      const from = Number(decodeCursor(cursor, /^\d{1,7}$/) ?? -1) + 1;
      const items = await readTasks(database.read, id, { state, from, limit: limit + 1 });
      return toPage(items, limit, (task) => String(task.partition));
    },
    getTask: (caller, job, partition) => readVisibleTask(dependencies, caller, { job, partition }),
    explainTask: (caller, task) => readExplanation(dependencies, caller, task),
    async taskSamples(caller, task, request) {
      await readVisibleTask(dependencies, caller, task);
      return await listSamples(database, task, request);
    },
    async jobEvents(caller, id, request) {
      // The end is looked up first: what is read afterwards is then complete.
      const { endedAt } = await visibleJob(caller, id);
      const items = (await readEvents(database.read, id, request)) as JobEventRecord[];
      return endOf(items, request, endedAt !== null);
    },
    async jobLogs(caller, id, request) {
      const { endedAt } = await visibleJob(caller, id);
      return endOf(await readLogs(database.read, id, request), request, endedAt !== null);
    },
    plan: (caller, request) => readPlan(dependencies, caller, request),
    planFront: (caller, request) => planFront(dependencies, caller, request),
    getFront: async (caller, index) => keptFront(dependencies.dispatcher, caller, index),
    listNodes: (caller, request) => listNodes(dependencies, caller, request),
    getNode: node,
    listOwners: (request) => listOwners(dependencies, request),
    async nodeEvents(caller, id, request) {
      await node(caller, id);
      return { items: (await readEvents(database.read, id, request)) as NodeEventRecord[], ended: false };
    },
    cordonNode: (caller, id, cordoned) => changed(caller, id, nodes.cordon(id, cordoned, caller.principal)),
    trustNode: (caller, id, trusted) => changed(caller, id, nodes.trust(id, trusted, caller.principal)),
    drainNode: (caller, id, milliseconds) => changed(caller, id, nodes.drain(id, milliseconds, caller.principal)),
    removeNode: (_caller, id) => nodes.remove(id),
    status: () => readStatus(dependencies),
    subscribe: subscribers,
  };
}

function isOneEachNode({ spec: { type } }: JobSpec): boolean {
  return type === 'ops' || type === 'daemon';
}

async function cancelJob(dependencies: CoordinatorServiceDependencies, caller: Caller, id: string): Promise<Job> {
  await readVisibleJob(dependencies, caller, id);
  await refuseDeployed(dependencies, id);
  await dependencies.jobs.close(id, 'cancelled', caller.principal);
  return await readVisibleJob(dependencies, caller, id);
}

/** Throws `conflict` for a job that a deployment keeps running: it would be missing in it. */
async function refuseDeployed({ database }: Pick<CoordinatorServiceDependencies, 'database'>, id: string) {
  const row = await database.read
    .selectFrom('jobs')
    .select(['deployment', 'ended_at'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined || row.deployment === null || row.ended_at !== null) return;
  throw new FogError('conflict', `job ${id} runs a revision of the deployment ${row.deployment}`, {
    hint: `fog scale ${row.deployment} 0, or fog rollout remove ${row.deployment}`,
  });
}

/** To a submitter, jobs of others do not exist. */
async function readVisibleJob(
  { database }: Pick<CoordinatorServiceDependencies, 'database'>,
  caller: Caller,
  id: string,
): Promise<Job> {
  const job = await readJob(database.read, id);
  if (job === null || (caller.scope === 'submit' && job.submitter !== caller.principal)) {
    throw new FogError('not-found', `there is no job ${id}`, { hint: 'fog job ls' });
  }
  return job;
}

async function readVisibleTask(
  dependencies: Pick<CoordinatorServiceDependencies, 'database'>,
  caller: Caller,
  { job, partition }: { job: string; partition: number },
): Promise<TaskWithAttempts> {
  await readVisibleJob(dependencies, caller, job);
  const [task] = await readTasks(dependencies.database.read, job, { from: partition, limit: 1 });
  if (task?.partition !== partition) throw new FogError('not-found', `job ${job} has no task ${partition}`);
  return task;
}

async function readExplanation(
  dependencies: CoordinatorServiceDependencies,
  caller: Caller,
  name: { job: string; partition: number },
): Promise<Explanation> {
  const { database, dispatcher, jobCache, classes, now } = dependencies;
  if (await isWaiting(database.read, name.job)) return await explainWaiting(dependencies, caller, name);
  const task = await readVisibleTask(dependencies, caller, name);
  const place = await readPlaceInQueue(database.read, task);
  const [stored] = await classes.load(database.read, [place.classId]);
  await jobCache.load(database.read, [name.job]);
  const { spec, submitter } = jobCache.get(name.job);
  // That of a replica is forgotten once nobody waits in it.
  const placement = stored ?? placementClass(requirementsOf(spec, submitter));
  const known = await readNodes(database.read, jobCache, { limit: ALL_NODES, now: now() });
  const at = { submittedAt: jobCache.get(name.job).submittedAt, kinds: runKindsOf(jobCache.get(name.job)) };
  const bond = await readBondHurdles(database.read, jobCache.get(name.job).bond, known);
  const plan = explainPlacement(placement, known, 1, termsOf(dependencies, placement, { ...at, bond }));
  const excess = await overQuotaOf(dependencies, submitter, placement.requirements);
  const overQuota = excess === null ? null : excessText(submitter, excess);
  return explainTask({ task, ...place, plan, overQuota, kept: dispatcher.keptFor(place.classId), now: now() });
}

async function overQuotaOf(
  { quotas, dispatcher, database }: CoordinatorServiceDependencies,
  submitter: string,
  needs: Needs,
): Promise<QuotaExcess | null> {
  const here = runningOf(dispatcher.sessions.uses.of(submitter));
  return await quotas.excessOf(database.read, submitter, needs, here);
}

/** The tasks of a job that waits for others are not there yet. */
async function explainWaiting(
  dependencies: CoordinatorServiceDependencies,
  caller: Caller,
  { job: id, partition }: { job: string; partition: number },
): Promise<Explanation> {
  const { database } = dependencies;
  const { spec, tasks } = await readVisibleJob(dependencies, caller, id);
  if (partition >= tasks.queued) throw new FogError('not-found', `job ${id} has no task ${partition}`);
  const message = neededText(await readNeeded(database.read, id));
  const plan = await readPlan(dependencies, caller, { spec });
  return { state: 'queued', waiting: { reason: 'dependencies', message, ahead: null }, placed: null, plan };
}

async function changeSuspension(
  dependencies: CoordinatorServiceDependencies,
  caller: Caller,
  { id, partition, suspend }: { id: string; partition: number | undefined; suspend: boolean },
): Promise<Job> {
  const { spec } = await readVisibleJob(dependencies, caller, id);
  if (isLongRunning(spec)) {
    throw new FogError('conflict', `job ${id} runs a ${spec.spec.type}, which is kept running`, {
      hint: 'a service is scaled to 0 instead: fog scale NAME 0',
    });
  }
  if (spec.spec.verification !== undefined && spec.spec.verification.mode !== 'none') {
    throw new FogError('conflict', `the results of job ${id} are verified: its replicas cannot wait for each other`, {
      hint: 'cancel it, and submit it again later',
    });
  }
  await dependencies.suspensions.change(id, { suspend, partition, by: caller.principal });
  return await readVisibleJob(dependencies, caller, id);
}

/** What keeps nodes out by the terms of a job, at this moment. */
function termsOf(
  { dispatcher, now }: Pick<CoordinatorServiceDependencies, 'dispatcher' | 'now'>,
  placement: PlacementClass,
  { bond, ...at }: { submittedAt: number; kinds: string[]; bond: (node: Node) => Hurdle | null },
): (node: Node) => Hurdle | null {
  return (node) => dispatcher.sessions.placer.hurdleOn(node, { placement, now: now(), ...at }) ?? bond(node);
}

async function readPlan(
  { database, jobCache, dispatcher, settlement, now }: CoordinatorServiceDependencies,
  caller: Caller,
  request: { spec: unknown },
): Promise<Plan> {
  const spec = parseJobSpec(request.spec);
  const placement = placementClass(requirementsOf(spec, caller.principal));
  const known = await readNodes(database.read, jobCache, { limit: ALL_NODES, now: now() });
  const bond = await readBondHurdles(database.read, settlement?.bondOf(spec, caller.principal) ?? null, known);
  const at = { submittedAt: now(), kinds: [runKindOf(placement.requirements)], bond };
  const plan = explainPlacement(placement, known, spec.spec.count, termsOf({ dispatcher, now }, placement, at));
  return { ...plan, tasks: isOneEachNode(spec) ? plan.nodes.length : plan.tasks };
}

async function listSamples(
  { read }: Database,
  task: { job: string; partition: number },
  { fence, cursor, limit }: PageRequest & { fence?: number | undefined },
): Promise<Page<AttemptSample>> {
  const [, afterFence, at] = /^(\d+) (\d+)$/.exec(decodeCursor(cursor, /^\d{1,9} \d{1,15}$/) ?? '') ?? [];
  const after = at === undefined ? undefined : { fence: Number(afterFence), at: Number(at) };
  const items = await readSamples(read, task, { fence, after, limit: limit + 1 });
  return toPage(items, limit, (sample) => `${sample.fence} ${sample.at}`);
}

async function listNodes(
  dependencies: CoordinatorServiceDependencies,
  caller: Caller,
  { cursor, limit }: PageRequest,
): Promise<Page<Node>> {
  const key = decodeCursor(cursor, /^n[0-9a-f]{32} .{1,63}$/);
  const after = key === undefined ? undefined : { id: key.slice(0, 33), name: key.slice(34) };
  const { database, jobCache, now } = dependencies;
  const items = await readNodes(database.read, jobCache, { after, limit: limit + 1, now: now() });
  return toPage(
    items.map((item) => asSeenBy(dependencies, caller, item)),
    limit,
    (item) => `${item.id} ${item.name}`,
  );
}

async function listOwners(
  { database, now }: CoordinatorServiceDependencies,
  { cursor, limit }: PageRequest,
): Promise<Page<Owner>> {
  const after = decodeCursor(cursor, /^[A-Za-z0-9._-]{1,63}$/);
  return toPage(await ownersAfter(database.read, { after, limit: limit + 1, now: now() }), limit, ({ owner }) => owner);
}

async function readNode(dependencies: CoordinatorServiceDependencies, caller: Caller, id: string): Promise<Node> {
  const { database, jobCache, now } = dependencies;
  const [node] = await readNodes(database.read, jobCache, { id, limit: 1, now: now() });
  if (node === undefined) throw new FogError('not-found', `there is no node ${id}`, { hint: 'fog node ls' });
  return asSeenBy(dependencies, caller, node);
}

/** With what only the coordinator that holds the link knows, and without the jobs of others. */
function asSeenBy({ dispatcher, jobCache }: CoordinatorServiceDependencies, caller: Caller, node: Node): Node {
  const isVisible = ({ job }: AttemptName) =>
    caller.scope !== 'submit' || jobCache.get(job).submitter === caller.principal;
  const session = dispatcher.sessions.get(node.id);
  return {
    ...node,
    running: node.running.filter(isVisible),
    cpuBusy: session?.cpuBusy ?? null,
    memoryFreeBytes: session?.memoryFreeBytes ?? null,
  };
}

async function readStatus(dependencies: CoordinatorServiceDependencies): Promise<Status> {
  const { database, version, startedAt, url, space } = dependencies;
  const count = database.read.fn.countAll<number>().as('count');
  const states = await database.read.selectFrom('nodes').select(['state', count]).groupBy('state').execute();
  const tasks = await database.read
    .selectFrom('jobs')
    .select(({ fn }) => [
      fn.sum<number | null>('queued').as('queued'),
      fn.sum<number | null>('scheduled').as('scheduled'),
      fn.sum<number | null>('running').as('running'),
    ])
    .where('ended_at', 'is', null)
    .where('purpose', '=', 'user')
    .executeTakeFirst();
  const nodesIn = (state: string) => Number(states.find((row) => row.state === state)?.count ?? 0);
  const blobs = await dependencies.blobTotals();
  return {
    version,
    url: url(),
    database: database.engine,
    startedAt,
    nodes: { connected: nodesIn('connected'), unknown: nodesIn('unknown'), lost: nodesIn('lost') },
    tasks: { queued: Number(tasks?.queued ?? 0), leased: Number(tasks?.scheduled ?? 0) + Number(tasks?.running ?? 0) },
    disk: {
      databaseBytes: space.size?.bytes ?? null,
      databaseLimitBytes: space.limitBytes,
      blobBytes: blobs.blobBytes,
      blobLimitBytes: blobs.limitBytes,
      blobs: blobs.blobs,
    },
  };
}

function toPage<Item>(items: Item[], limit: number, key: (item: Item) => string): Page<Item> {
  const page = items.slice(0, limit);
  const last = page.at(-1);
  return { items: page, next: items.length > limit && last !== undefined ? encodeCursor(key(last)) : null };
}

function endOf<Item>(items: Item[], request: StreamRequest, jobEnded: boolean): StreamPage<Item> {
  return { items, ended: jobEnded && items.length < request.limit };
}

/** Wakes the readers of a stream whenever any coordinator has appended to it. */
function subscriptions(bus: Bus): CoordinatorService['subscribe'] {
  const wakes = new Map<string, Set<() => void>>();
  bus.subscribe((hint) => {
    if (hint.kind !== 'streams' || wakes.size === 0) return;
    for (const id of hint.ids) for (const wake of wakes.get(id) ?? []) wake();
  });
  return (stream, wake) => {
    const set = wakes.get(stream) ?? new Set();
    set.add(wake);
    wakes.set(stream, set);
    return () => {
      set.delete(wake);
      if (set.size === 0 && wakes.get(stream) === set) wakes.delete(stream);
    };
  };
}
