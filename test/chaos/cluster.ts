/** Coordinators and agents as processes, the network between them, and the faults that strike both. */
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FogClient } from '../../packages/contract/src/index.ts';
import { httpFetch } from '../../packages/contract/src/node/index.ts';
import type { TestEngine } from '../support/docker-engine.ts';
import { Choices, seededRandom, seedOf } from '../support/seeded-random.ts';
import type { AgentOrder } from './agent-process.ts';
import { ChildProgram } from './child-program.ts';
import type { ClockStep, CoordinatorOrder, CoordinatorReady } from './coordinator-process.ts';
import { garbage } from './garbage.ts';
import { AGENTS, type Fault, type FaultAction, type LinkName, type Schedule } from './schedule.ts';
import { TcpProxy } from './tcp-proxy.ts';

export interface ClusterOptions {
  schedule: Schedule;
  directory: string;
  /** null: SQLite in the coordinator's folder. */
  databaseUrl: string | null;
  compileCache: string;
  /** Of the containers of a mixed schedule. */
  containers: TestEngine | null;
}

interface Coordinator {
  program: ChildProgram;
  directory: string;
  url: string | null;
  /** Kills that have not been lifted. */
  downs: number;
}

interface Agent {
  program: ChildProgram;
  directory: string;
  /** Under which its engines keep what outlives it. */
  nodeId: string;
  downs: number;
  isDead: boolean;
}

interface Link {
  proxy: TcpProxy;
  coordinator: number;
}

export class Cluster {
  /** What ended although nobody killed it, and what did not start. */
  readonly crashes: string[] = [];
  readonly #options: ClusterOptions;
  readonly #coordinators: Coordinator[] = [];
  readonly #agents: Agent[] = [];
  readonly #links = new Map<LinkName, Link>();
  readonly #noise: Choices;
  #clockOffsetMilliseconds = 0;
  #token = '';
  /** With which agents join: their owner is not who submits, so that results cost something. */
  #joinToken = '';

  private constructor(options: ClusterOptions) {
    this.#options = options;
    this.#noise = new Choices(seededRandom(seedOf(options.schedule.seed, 'noise')));
  }

  /** Resolves when all coordinators listen and all agents have tried to connect. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    const { schedule, directory } = options;
    try {
      for (let index = 0; index < schedule.coordinators; index += 1) {
        const folder = join(directory, `coordinator-${index}`);
        const program = cluster.#program(`coordinator-${index}`, './coordinator-process.ts');
        cluster.#coordinators.push({ program, directory: folder, url: null, downs: 0 });
      }
      await cluster.#openLink('client', 0);
      await Promise.all(cluster.#coordinators.map((_, index) => cluster.#startCoordinator(index)));
      const joining = { scope: 'node', principal: 'olga', trusted: true } as const;
      cluster.#joinToken = (await cluster.directClient.call('createToken', { body: joining })).token;
      for (let index = 0; index < AGENTS; index += 1) {
        await cluster.#openLink(index, index % schedule.coordinators);
        const program = cluster.#program(`agent-${index}`, './agent-process.ts');
        const folder = join(directory, `agent-${index}`);
        await mkdir(folder, { mode: 0o700 });
        const nodeId = `${basename(directory)}-agent-${index}`;
        cluster.#agents.push({ program, directory: folder, nodeId, downs: 0, isDead: false });
      }
      await Promise.all(cluster.#agents.map((_, index) => cluster.#startAgent(index)));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Talks through the link that faults act on. */
  get client(): FogClient {
    return new FogClient({ url: this.#link('client').proxy.url, token: this.#token, fetch: httpFetch() });
  }

  /** Talks to a coordinator without anything between. Throws when none runs. */
  get directClient(): FogClient {
    const url = this.#coordinators.find((coordinator) => coordinator.url !== null)?.url;
    if (url === undefined || url === null) throw new Error('no coordinator runs');
    return new FogClient({ url, token: this.#token, fetch: httpFetch() });
  }

  get agents(): readonly { directory: string; nodeId: string; isDead: boolean }[] {
    return this.#agents;
  }

  get dataDirectory(): string {
    return join(this.#options.directory, 'coordinator-0');
  }

  /** Strikes, and resolves when the fault is lifted and what it killed runs again. */
  async strike({ action }: Fault): Promise<void> {
    switch (action.kind) {
      case 'kill-coordinator':
        return await this.#killCoordinator(action.coordinator, action.milliseconds);
      case 'kill-agent':
        return await this.#killAgent(action.agent, action.milliseconds);
      case 'freeze-coordinator':
      case 'freeze-agent': {
        const { program } = this.#frozen(action);
        program.freeze();
        await sleep(action.milliseconds);
        program.thaw();
        return;
      }
      case 'kill-engine':
        return await this.#killEngine(action.milliseconds);
      case 'clock':
        this.#clockOffsetMilliseconds += action.stepMilliseconds;
        for (const { program } of this.#coordinators) program.send(this.#clockStep());
        return;
      case 'switch': {
        const link = this.#link(action.link);
        link.coordinator = (link.coordinator + 1) % this.#coordinators.length;
        this.#aim(link);
        link.proxy.cut()();
        return;
      }
      default:
        return await this.#breakLink(action);
    }
  }

  /** kill -9 of everything. */
  async stop(): Promise<void> {
    const programs = [...this.#coordinators, ...this.#agents].map(({ program }) => program);
    await Promise.all(programs.map((program) => program.kill()));
    await Promise.all([...this.#links.values()].map(({ proxy }) => proxy.close()));
  }

  async #breakLink(action: Extract<FaultAction, { link: LinkName }>): Promise<void> {
    const { proxy } = this.#link(action.link);
    if (action.kind === 'garbage') {
      proxy.inject(action.direction, garbage(this.#noise, action.shape, action.direction));
      return;
    }
    if (action.kind === 'switch') return;
    if (action.kind === 'half-open') {
      proxy.halfOpen(action.milliseconds);
      await sleep(action.milliseconds);
      return;
    }
    const lift =
      action.kind === 'cut'
        ? proxy.cut()
        : action.kind === 'stall'
          ? proxy.stall(action.direction)
          : proxy.delay(action.delayMilliseconds);
    await sleep(action.milliseconds);
    lift();
  }

  async #killCoordinator(index: number, milliseconds: number): Promise<void> {
    const coordinator = this.#coordinator(index);
    coordinator.downs += 1;
    coordinator.url = null;
    this.#aimAll();
    await coordinator.program.kill();
    await sleep(milliseconds);
    coordinator.downs -= 1;
    if (coordinator.downs === 0) await this.#startCoordinator(index);
  }

  async #killAgent(index: number, milliseconds: number | null): Promise<void> {
    const agent = this.#agent(index);
    agent.downs += 1;
    if (milliseconds === null) agent.isDead = true;
    await agent.program.kill();
    await sleep(milliseconds ?? 0);
    agent.downs -= 1;
    if (agent.downs === 0 && !agent.isDead) await this.#startAgent(index);
  }

  async #killEngine(milliseconds: number): Promise<void> {
    const { containers } = this.#options;
    await containers?.kill();
    await sleep(milliseconds);
    await containers?.launch();
  }

  async #startCoordinator(index: number): Promise<void> {
    const { databaseUrl, directory, schedule } = this.#options;
    const coordinator = this.#coordinator(index);
    const order: CoordinatorOrder = {
      dataDirectory: coordinator.directory,
      blobDirectory: join(directory, 'blobs'),
      databaseUrl,
      heartbeat: schedule.heartbeat,
      clockOffsetMilliseconds: this.#clockOffsetMilliseconds,
    };
    await this.#start(coordinator, async () => {
      const ready = await coordinator.program.start<CoordinatorReady>(order);
      if (coordinator.downs > 0) return;
      coordinator.url = ready.url;
      this.#token ||= ready.adminToken;
      coordinator.program.send(this.#clockStep()); // it may have been stepped meanwhile
      this.#aimAll();
    });
  }

  async #startAgent(index: number): Promise<void> {
    const { containers } = this.#options;
    const agent = this.#agent(index);
    const order: AgentOrder = {
      directory: agent.directory,
      url: this.#link(index).proxy.url,
      token: this.#joinToken,
      name: `agent-${index}`,
      realRuntimes: containers === null ? null : { nodeId: agent.nodeId, engineSocket: containers.socketPath },
    };
    await this.#start(agent, () => agent.program.start(order));
  }

  /** A start that a further kill has cut short is no fault. */
  async #start(member: { downs: number }, start: () => Promise<unknown>): Promise<void> {
    try {
      await start();
    } catch (error) {
      if (member.downs === 0) this.crashes.push(String(error));
    }
  }

  #clockStep(): ClockStep {
    return { kind: 'clock', offsetMilliseconds: this.#clockOffsetMilliseconds };
  }

  #program(name: string, script: string): ChildProgram {
    const { directory, compileCache } = this.#options;
    const logPath = join(directory, `${name}.log`);
    const onCrash = (who: string, code: number | null) => this.crashes.push(`${who} ended by itself with code ${code}`);
    return new ChildProgram({ name, script, logPath, compileCache, onCrash });
  }

  async #openLink(name: LinkName, coordinator: number): Promise<void> {
    const link = { proxy: await TcpProxy.open(), coordinator };
    this.#links.set(name, link);
    this.#aim(link);
  }

  #aimAll(): void {
    for (const link of this.#links.values()) this.#aim(link);
  }

  #aim(link: Link): void {
    const { url } = this.#coordinator(link.coordinator);
    link.proxy.retarget(url === null ? null : Number(new URL(url).port));
  }

  #frozen(action: Extract<FaultAction, { kind: 'freeze-coordinator' | 'freeze-agent' }>): { program: ChildProgram } {
    return action.kind === 'freeze-agent' ? this.#agent(action.agent) : this.#coordinator(action.coordinator);
  }

  #link(name: LinkName): Link {
    return known(this.#links.get(name), `link ${name}`);
  }

  #coordinator(index: number): Coordinator {
    return known(this.#coordinators[index], `coordinator ${index}`);
  }

  #agent(index: number): Agent {
    return known(this.#agents[index], `agent ${index}`);
  }
}

function known<Thing>(thing: Thing | undefined, name: string): Thing {
  if (thing === undefined) throw new Error(`there is no ${name}`);
  return thing;
}
