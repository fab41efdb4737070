/** A coordinator in a process of its own, so that its memory and processor time are its own. */
import { loadSettings } from '../packages/contract/src/index.ts';
import { type RunningCoordinator, spareMemory, startCoordinator } from '../packages/coordinator/src/index.ts';
import { ChildProgram, serveParent } from './child-program.ts';

export interface CoordinatorProcessOptions {
  dataDirectory: string;
  /** PostgreSQL; without it SQLite in the data folder. */
  databaseUrl?: string | undefined;
  /** Whether tasks are paid for. */
  economy?: 'on' | 'off';
}

export interface CoordinatorUsage {
  peakRssBytes: number;
  rssBytes: number;
  cpuMilliseconds: number;
}

/** The parent's side. */
export class CoordinatorProcess implements AsyncDisposable {
  readonly url: string;
  readonly adminToken: string;
  readonly #program: ChildProgram;

  private constructor(program: ChildProgram, started: { url: string; adminToken: string }) {
    this.#program = program;
    this.url = started.url;
    this.adminToken = started.adminToken;
  }

  static async start(
    options: CoordinatorProcessOptions,
    context: { cleanup: AsyncDisposableStack; profileFolder: string | null },
  ): Promise<CoordinatorProcess> {
    const { profileFolder } = context;
    const nodeArguments = profileFolder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
    const program = context.cleanup.use(new ChildProgram('coordinator-process.ts', { nodeArguments }));
    return new CoordinatorProcess(program, await program.ask('start', options));
  }

  usage(): Promise<CoordinatorUsage> {
    return this.#program.ask('usage');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

if (import.meta.main) {
  let running: RunningCoordinator | undefined;
  const start = async ({ dataDirectory, databaseUrl, economy }: CoordinatorProcessOptions) => {
    const { settings } = loadSettings('coordinator', {
      environment: {},
      flags: { listen: '127.0.0.1:0', databaseUrl, economy },
    });
    spareMemory();
    running = await startCoordinator({
      dataDirectory,
      settings,
      log: (level, message, data) => {
        if (level !== 'info') process.stderr.write(`coordinator ${level}: ${message} ${JSON.stringify(data ?? {})}\n`);
      },
    });
    return { url: running.url, adminToken: running.adminToken };
  };
  const usage = (): CoordinatorUsage => {
    const { user, system } = process.cpuUsage();
    return {
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
      rssBytes: process.memoryUsage.rss(),
      cpuMilliseconds: (user + system) / 1000,
    };
  };
  serveParent({ start, usage }, () => running?.close());
}
