/**
 * A coordinator's core without HTTP in one process: the real database, dispatcher, jobs, nodes and sweeps, with a
 * clock that stands until it is moved, seeded randomness, and agents that are objects.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { access, constants, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FogError, JobSpecInput } from '@fog/contract';
import { type Bus, localBus } from '../../src/bus.ts';
import { assembleDeployments } from '../../src/deployments/assemble.ts';
import type { DeploymentService } from '../../src/deployments/deployment-service.ts';
import { Dependencies } from '../../src/dispatch/dependencies.ts';
import { Dispatcher } from '../../src/dispatch/dispatcher.ts';
import { JobCache } from '../../src/dispatch/job-cache.ts';
import { Jobs } from '../../src/dispatch/jobs.ts';
import { Listening } from '../../src/dispatch/listening.ts';
import { Nodes } from '../../src/dispatch/nodes.ts';
import { followOwners } from '../../src/dispatch/owner-reputations.ts';
import { Moves } from '../../src/dispatch/placement/moves.ts';
import { PlacementClasses } from '../../src/dispatch/placement-classes.ts';
import { Preemption } from '../../src/dispatch/preemption.ts';
import { openQueueing } from '../../src/dispatch/queueing/queueing.ts';
import { QuotaService } from '../../src/dispatch/queueing/quota-service.ts';
import type { Quotas } from '../../src/dispatch/queueing/quotas.ts';
import { Samples } from '../../src/dispatch/samples.ts';
import { Suspensions } from '../../src/dispatch/suspensions.ts';
import { Sweeps } from '../../src/dispatch/sweeps.ts';
import { assembleEconomy, assembleWindingUp, type Economy, type EconomyParts } from '../../src/settlement/assemble.ts';
import { MoneyMoves } from '../../src/settlement/money-moves.ts';
import type { StakeParameters } from '../../src/settlement/stake/parameters.ts';
import { readPlacementNodes } from '../../src/store/node-queries.ts';
import { openDatabase } from '../../src/store/open-database.ts';
import { type CrashableDatabase, crashable } from './crashable-database.ts';
import { FakeAgent, type FakeAgentOptions } from './fake-agent.ts';

export const MODULE = `sha256:${'a'.repeat(64)}`;
export const HEARTBEAT_MILLISECONDS = 15_000;

/** Where the data stands; it survives a crash of the core. */
export type Storage = { dataDirectory: string } | { url: string };

export interface FogOptions {
  seed?: number;
  /** Shared by the coordinators of one database. */
  clock?: { now: number };
  /** An hour ago, unless it is told: agents have had their time to connect. */
  startedAt?: number;
  bus?: (coordinatorId: string) => Promise<Bus>;
  keepJobs?: string;
  queuedTasks?: number;
  agingBound?: string;
  storageFault?: () => FogError | null;
  secrets?: Record<string, string>;
  /** Files of folder manifests; any other one names itself. */
  folders?: ReadonlyMap<string, { digest: string }[]>;
  /** What can be read of outputs. */
  blobs?: ReadonlyMap<string, Uint8Array>;
  /** Off, unless it says otherwise. */
  economy?: 'on' | 'off';
  /** Auto: as where others can reach it. */
  faucet?: 'on' | 'off' | 'auto';
}

export interface SpecChange {
  spec?: Partial<Omit<JobSpecInput['spec'], 'task'>>;
  task?: Partial<JobSpecInput['spec']['task']>;
}

/** Of a job whose tasks have checkpoints. */
export const CHECKPOINTED: NonNullable<SpecChange['task']> = {
  runtime: 'process',
  wasm: undefined,
  process: { command: ['/bin/true'] },
  checkpoint: {},
};

/** A job of small wasm tasks. */
export function jobSpec(change: SpecChange = {}): JobSpecInput {
  return {
    kind: 'Job',
    spec: {
      ...change.spec,
      task: {
        runtime: 'wasm',
        wasm: { module: MODULE },
        resources: { cpu: '100m', memory: '1Mi', disk: '1Mi' },
        ...change.task,
      },
    },
  };
}

const WELCOME = { coordinatorVersion: 'test', heartbeatMilliseconds: HEARTBEAT_MILLISECONDS, blobBytes: 1 << 30 };

const UNMEASURED = {
  leases: () => undefined,
  turn: () => undefined,
  yields: () => undefined,
  verification: () => undefined,
  plan: () => undefined,
};

export class Fog implements AsyncDisposable {
  readonly clock: { now: number };
  readonly warnings: { message: string; data: Record<string, unknown> }[] = [];
  readonly database: CrashableDatabase;
  readonly bus: Bus;
  readonly dispatcher: Dispatcher;
  readonly jobs: Jobs;
  readonly nodes: Nodes;
  readonly samples: Samples;
  readonly dependencies: Dependencies;
  readonly suspensions: Suspensions;
  readonly deployments: DeploymentService;
  readonly sweeps: Sweeps;
  readonly quotas: Quotas;
  readonly quotaService: QuotaService;
  readonly economy: Economy | null;
  readonly money: Pick<Economy, 'settlement' | 'sweeps' | 'begin'>;
  /** Those of stake that are others than the first ones. */
  stakeParameters: Partial<StakeParameters> = {};
  readonly agents: FakeAgent[] = [];
  readonly storage: Storage;
  readonly #options: FogOptions;

  private constructor(
    storage: Storage,
    database: CrashableDatabase,
    bus: Bus,
    coordinatorId: string,
    options: FogOptions,
  ) {
    this.storage = storage;
    [this.#options, this.database, this.bus] = [options, database, bus];
    this.clock = options.clock ?? { now: 1_700_000_000_000 };
    const now = () => this.clock.now;
    const warn = (message: string, data: Record<string, unknown>) => void this.warnings.push({ message, data });
    const [jobCache, classes] = [new JobCache(), new PlacementClasses()];
    const startedAt = options.startedAt ?? this.clock.now - 3_600_000;
    const listening = new Listening(startedAt);
    const basis = { database, coordinatorId, now };
    const stakeChanges = () => this.stakeParameters;
    const moneyParts = economyParts({ ...basis, jobs: jobCache, warn, stakeChanges }, options);
    this.economy = assembleEconomy(moneyParts);
    this.money = this.economy ?? assembleWindingUp(moneyParts);
    const queueing = openQueueing(basis, options.agingBound ?? '10m', () => undefined, this.economy?.credits);
    this.quotas = queueing.quotas;
    this.dispatcher = new Dispatcher({
      ...queueing,
      settlement: this.money.settlement,
      database,
      bus,
      jobs: jobCache,
      classes,
      coordinatorId,
      welcome: WELCOME,
      logLimitBytes: 1 << 20,
      listening,
      now,
      random: seededRandom(options.seed ?? 1),
      resolveSecrets: async (_principal, names) => resolveSecrets(options.secrets ?? {}, names),
      metrics: UNMEASURED,
      warn,
    });
    this.economy?.tellPlacer(this.dispatcher.sessions.placer);
    this.economy?.arbitrate(this.dispatcher, { classes, bus });
    this.nodes = new Nodes({ database, dispatcher: this.dispatcher, bus, coordinatorId, now });
    const queueRoom = () => (options.queuedTasks ?? 5_000_000) - this.sweeps.queuedTasks;
    const allNodes = () => readPlacementNodes(database.read);
    this.jobs = new Jobs({
      database,
      dispatcher: this.dispatcher,
      jobs: jobCache,
      classes,
      now,
      randomBytes: (count) => randomBytes(count),
      queueRoom,
      settlement: this.economy?.settlement ?? null,
      quotas: this.quotas,
      storageFault: () => options.storageFault?.() ?? null,
      secretNames: async () => new Set(Object.keys(options.secrets ?? {})),
      connectedNodes: allNodes,
      readFolder: async (digest) => options.folders?.get(digest) ?? [{ digest }],
      publishStreams: (ids) => bus.publish({ kind: 'streams', ids }),
      waits: (jobId, needed) => this.dependencies.follow(jobId, needed),
    });
    this.dependencies = new Dependencies({ database, bus, jobs: this.jobs, now, warn });
    const { dispatcher, jobs } = this;
    this.quotaService = new QuotaService({ ...queueing, database, dispatcher, now });
    const parts = { database, bus, dispatcher, jobs, jobCache, classes, allNodes, now, warn, queueRoom, randomBytes };
    const deployments = assembleDeployments({ ...parts, periods: this.economy?.periods ?? null });
    this.deployments = deployments.service;
    this.samples = new Samples(database, now);
    this.suspensions = new Suspensions({ database, dispatcher: this.dispatcher, bus, jobCache, now });
    const { suspensions, dependencies, samples } = this;
    this.sweeps = new Sweeps({
      ...queueing,
      ...{ database, dispatcher, jobs, jobCache, classes, coordinatorId, startedAt, listening, now, warn },
      ...{ suspensions, dependencies, samples },
      preemption: new Preemption({ database, dispatcher, now }),
      moves: new Moves({ database, dispatcher, jobCache, now }),
      deployments: deployments.looks,
      space: { measure: async () => undefined },
      url: () => 'http://127.0.0.1:1',
      keepJobs: options.keepJobs ?? '30d',
      readBlob: async (digest) => options.blobs?.get(digest) ?? null,
      collectBlobs: async () => undefined,
      others: [followOwners({ database, dispatcher, bus }), ...this.money.sweeps],
      onPeers: (peers) => bus.setPeers(peers),
    });
  }

  static async open(storage: Storage, options: FogOptions = {}): Promise<Fog> {
    const coordinatorId = `c${randomBytes(8).toString('hex')}`;
    const database = crashable(await openDatabase(storage));
    const bus = options.bus === undefined ? localBus() : await options.bus(coordinatorId);
    const fog = new Fog(storage, database, bus, coordinatorId, options);
    await database.write((writer) =>
      writer
        .insertInto('blobs')
        .values({ digest: MODULE, bytes: 1, stored_at: fog.clock.now })
        .onConflict((conflict) => conflict.doNothing())
        .execute(),
    );
    await fog.economy?.governance.begin();
    await fog.sweeps.takeStock();
    return fog;
  }

  async submit(change: SpecChange = {}, request: { by?: string; key?: string } = {}): Promise<string> {
    const caller = { scope: 'submit' as const, principal: request.by ?? 'alice' };
    return await this.jobs.submit(caller, { spec: jobSpec(change), idempotencyKey: request.key });
  }

  /** New FOG, out of nothing. */
  async endow(principal: string, microFog: bigint): Promise<void> {
    const { economy, clock } = this;
    if (economy === null) throw new Error('this fog has no money');
    await this.database.write(async (writer) => {
      const moves = new MoneyMoves('fog');
      moves.issue('wallet', principal, microFog, BigInt(randomInt(1, 2 ** 40)));
      await moves.carryOut(writer, economy.ledger, clock.now);
    });
  }

  /** New FOG for the treasury. */
  async fillTreasury(microFog: bigint): Promise<void> {
    const { economy, clock } = this;
    if (economy === null) throw new Error('this fog has no money');
    await this.database.write(async (writer) => {
      const moves = new MoneyMoves('fog');
      moves.issue('treasury', '', microFog, BigInt(randomInt(1, 2 ** 40)));
      await moves.carryOut(writer, economy.ledger, clock.now);
    });
  }

  agent(options: FakeAgentOptions = {}): FakeAgent {
    const agent = new FakeAgent(this, { name: `node-${this.agents.length}`, ...options });
    this.agents.push(agent);
    return agent;
  }

  async connected(options: FakeAgentOptions = {}): Promise<FakeAgent> {
    const agent = this.agent(options);
    await agent.connect();
    return agent;
  }

  /** Waits until nothing is under way. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet += 1) {
      await this.dispatcher.settled();
      await this.dependencies.settled();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Moves the clock and does what is due by then. */
  async advance(milliseconds: number): Promise<void> {
    this.clock.now += milliseconds;
    await this.sweeps.sweepOnce();
    await this.settle();
  }

  /**
   * The process dies: what was not committed is gone, what was committed but not yet told stays untold. Answers the
   * core that is started in its place, with other options where they are named. Agents lose their links and keep what they hold.
   */
  async crash(change: Partial<FogOptions> = {}): Promise<Fog> {
    await this.database.crash();
    void this.dispatcher.stop();
    for (const agent of this.agents) agent.cut();
    const again = { clock: this.clock, startedAt: this.clock.now, ...change };
    const fog = await Fog.open(this.storage, { ...this.#options, ...again });
    for (const agent of this.agents) agent.moveTo(fog);
    fog.agents.push(...this.agents);
    return fog;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.database.crashed) return;
    await this.settle();
    await this.dispatcher.stop();
    await this.bus.close();
    await this.database.close();
  }
}

function economyParts(
  parts: Pick<EconomyParts, 'database' | 'jobs' | 'coordinatorId' | 'now' | 'warn' | 'stakeChanges'>,
  { economy = 'off', faucet = 'on' }: FogOptions,
): EconomyParts {
  const isAlone = faucet !== 'auto';
  return { ...parts, settings: { economy, faucet, firstSupply: '0' }, isAlone, registry: null };
}

/** A folder for SQLite, gone at the end of the test. */
export async function temporaryStorage(): Promise<{ storage: Storage } & AsyncDisposable> {
  const dataDirectory = await mkdtemp(join(await fastFolder(), 'fog-dispatch-'));
  return {
    storage: { dataDirectory },
    [Symbol.asyncDispose]: () => rm(dataDirectory, { recursive: true, force: true }),
  };
}

/** In memory where there is such a thing: nothing here has to survive a power cut. */
async function fastFolder(): Promise<string> {
  return await access('/dev/shm', constants.W_OK).then(
    () => '/dev/shm',
    () => tmpdir(),
  );
}

/** mulberry32: numbers in [0, 1) that depend on the seed alone. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function resolveSecrets(secrets: Record<string, string>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => {
      const value = secrets[name];
      if (value === undefined) throw new Error(`there is no secret ${name}`);
      return [name, value];
    }),
  );
}
