/** A process with many simulated agents, and the parent's view of several such processes. */
import { ChildProgram, serveParent } from './child-program.ts';
import { clockMilliseconds, sleepUntil } from './clock.ts';
import { SimulatedAgent } from './simulated-agent.ts';

export interface ConnectOptions {
  url: string;
  joinToken: string;
  firstNumber: number;
  count: number;
  slots: number;
}
export interface CutOptions {
  /** Of the agents, 0 to 1. */
  share: number;
  /** Each comes back after a random part of this. */
  downMilliseconds: number;
}
export interface CutReport {
  agents: number;
  /** Attempts that ran, and results that waited for their acknowledgement, at the moment of the cut. */
  running: number;
  unacknowledged: number;
}
export interface Executions {
  /** Tasks that ran here, as `job/partition`, with how often. */
  counts: [string, number][];
  refusals: string[];
}

const HEARTBEAT_MILLISECONDS = 15_000;
const TICK_MILLISECONDS = 100;
/** Handshakes at the same time: a hello has to be answered within ten seconds. */
const CONNECTING = 64;
/** Sockets of one process: below common limits of open files. */
const AGENTS_A_PROCESS = 5000;
const HEAP = ['--max-semi-space-size=32'];

/** The parent's side: agents spread over as many processes as they need. */
export class SimulatedAgents implements AsyncDisposable {
  readonly #programs: ChildProgram[];

  private constructor(programs: ChildProgram[]) {
    this.#programs = programs;
  }

  static async start(
    options: { url: string; joinToken: string; count: number; slots: number; processes?: number },
    cleanup: AsyncDisposableStack,
  ): Promise<SimulatedAgents> {
    const { url, joinToken, count, slots } = options;
    const processes = options.processes ?? Math.ceil(count / AGENTS_A_PROCESS);
    const programs = Array.from({ length: processes }, () =>
      cleanup.use(new ChildProgram('simulated-agents.ts', { nodeArguments: HEAP })),
    );
    const agents = new SimulatedAgents(programs);
    const share = Math.ceil(count / processes);
    await Promise.all(
      programs.map((program, index) => {
        const connect: ConnectOptions = {
          ...{ url, joinToken, slots, firstNumber: index * share + 1 },
          count: Math.min(share, count - index * share),
        };
        return program.ask('connect', connect);
      }),
    );
    return agents;
  }

  /** Resolves with the time of the acknowledgement that made `count` durable results since the last reset. */
  async acknowledged(count: number): Promise<number> {
    for (;;) {
      const states = await this.#all<{ count: number; lastMilliseconds: number }>('acknowledgements');
      if (states.reduce((sum, state) => sum + state.count, 0) >= count) {
        return Math.max(...states.map((state) => state.lastMilliseconds));
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async reset(options: { pauseMilliseconds?: number; recordExecutions?: boolean } = {}): Promise<void> {
    await this.#all('reset', options);
  }

  /** When the first lease of each job arrived, since the last reset. */
  async receipts(): Promise<Map<string, number>> {
    return new Map((await this.#all<[string, number][]>('receipts')).flat());
  }

  /** Cuts agents off without warning; resolves when all are connected again. */
  async cut(options: CutOptions): Promise<CutReport> {
    const reports = await this.#all<CutReport>('cut', options);
    const sum = (field: keyof CutReport) => reports.reduce((total, report) => total + report[field], 0);
    return { agents: sum('agents'), running: sum('running'), unacknowledged: sum('unacknowledged') };
  }

  /** How often each task ran, over all agents. */
  async executions(): Promise<{ counts: Map<string, number>; refusals: string[] }> {
    const counts = new Map<string, number>();
    const reports = await this.#all<Executions>('executions');
    for (const [key, times] of reports.flatMap((report) => report.counts))
      counts.set(key, (counts.get(key) ?? 0) + times);
    return { counts, refusals: reports.flatMap((report) => report.refusals) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#programs.map((program) => program[Symbol.asyncDispose]()));
  }

  #all<Result>(command: string, parameters?: unknown): Promise<Result[]> {
    return Promise.all(this.#programs.map((program) => program.ask<Result>(command, parameters)));
  }
}

/** What the agents of this process saw since the last reset. */
class Observations {
  acknowledged = 0;
  lastMilliseconds = 0;
  pauseMilliseconds = 0;
  isRecordingExecutions = false;
  readonly receipts = new Map<string, number>();
  readonly executions = new Map<string, number>();
  readonly refusals: string[] = [];

  reset(options: { pauseMilliseconds?: number; recordExecutions?: boolean }): void {
    this.acknowledged = 0;
    this.lastMilliseconds = 0;
    this.pauseMilliseconds = options.pauseMilliseconds ?? 0;
    this.isRecordingExecutions = options.recordExecutions ?? false;
    this.receipts.clear();
    this.executions.clear();
  }

  executed(job: string, partition: number): void {
    if (!this.isRecordingExecutions) return;
    const key = `${job}/${partition}`;
    this.executions.set(key, (this.executions.get(key) ?? 0) + 1);
  }
}

function serveAgents(): void {
  const agents: SimulatedAgent[] = [];
  const record = new Observations();
  const observer = {
    leased: (job: string, at: number) => void (record.receipts.has(job) || record.receipts.set(job, at)),
    executed: (job: string, partition: number) => record.executed(job, partition),
    acknowledged: (count: number, at: number) => {
      record.acknowledged += count;
      record.lastMilliseconds = at;
    },
    refused: (reason: string) => void record.refusals.push(reason),
    pauseMilliseconds: () => (record.pauseMilliseconds === 0 ? 0 : Math.random() * record.pauseMilliseconds),
  };
  keepBeating(agents);
  const connect = async ({ url, joinToken, firstNumber, count, slots }: ConnectOptions) => {
    for (let index = 0; index < count; index += 1) {
      const name = `simulated-${firstNumber + index}`;
      agents.push(new SimulatedAgent({ url, joinToken, name, slots }, observer));
    }
    await eachOf(agents, CONNECTING, (agent) => agent.connect());
  };
  const cut = async ({ share, downMilliseconds }: CutOptions): Promise<CutReport> => {
    const chosen = agents.slice(0, Math.round(agents.length * share));
    const unacknowledged = chosen.reduce((sum, agent) => sum + agent.unacknowledgedCount, 0);
    const running = chosen.reduce((sum, agent) => sum + agent.heldCount, 0) - unacknowledged;
    for (const agent of chosen) agent.cut();
    const start = clockMilliseconds();
    await eachOf([...chosen.entries()], CONNECTING, async ([index, agent]) => {
      await sleepUntil(start + (index / chosen.length) * downMilliseconds);
      await agent.connect();
    });
    return { agents: chosen.length, running, unacknowledged };
  };
  serveParent(
    {
      connect,
      cut,
      reset: (options: { pauseMilliseconds?: number }) => record.reset(options),
      acknowledgements: () => ({ count: record.acknowledged, lastMilliseconds: record.lastMilliseconds }),
      receipts: () => [...record.receipts],
      executions: (): Executions => ({ counts: [...record.executions], refusals: record.refusals }),
    },
    () => undefined,
  );
}

/** One timer for all: every agent beats once in the interval, evenly spread over it. */
function keepBeating(agents: readonly SimulatedAgent[]): void {
  let next = 0;
  setInterval(() => {
    const count = Math.ceil((agents.length * TICK_MILLISECONDS) / HEARTBEAT_MILLISECONDS);
    for (let index = 0; index < count; index += 1) {
      agents[next % agents.length]?.heartbeat();
      next += 1;
    }
  }, TICK_MILLISECONDS);
}

async function eachOf<Item>(items: readonly Item[], most: number, work: (item: Item) => Promise<void>): Promise<void> {
  const rest = items.values();
  const workers = Array.from({ length: most }, async () => {
    for (const item of rest) await work(item);
  });
  await Promise.all(workers);
}

if (import.meta.main) serveAgents();
