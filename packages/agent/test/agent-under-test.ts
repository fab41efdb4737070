/** An agent with a fake runtime in a folder of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentSettings, agentSettingsSchema } from '@fog/contract';
import { type RunningAgent, startAgent } from '../src/index.ts';
import { FakeCoordinator } from './fake-coordinator.ts';
import { FakeRuntime } from './fake-runtime.ts';

/** A folder that is removed with its scope. */
export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'fog-agent-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export interface Site extends AsyncDisposable {
  coordinator: FakeCoordinator;
  runtime: FakeRuntime;
  folder: string;
  logged: string[];
  agent: RunningAgent;
  /** Starts another agent in the same folder, as after a restart. */
  restart(runtime?: FakeRuntime): Promise<RunningAgent>;
}

export async function startSite(
  change: {
    settings?: Partial<AgentSettings>;
    runtime?: FakeRuntime;
    prepare?: (coordinator: FakeCoordinator, runtime: FakeRuntime) => void;
  } = {},
): Promise<Site> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const coordinator = stack.use(await FakeCoordinator.start());
  const runtime = change.runtime ?? new FakeRuntime();
  change.prepare?.(coordinator, runtime);
  const logged: string[] = [];
  const settings = agentSettingsSchema.parse({ name: 'tested', slots: 4, cpu: 4, memory: '1Gi', ...change.settings });
  const start = (engine: FakeRuntime): Promise<RunningAgent> =>
    startAgent({
      dataDirectory: folder.path,
      url: coordinator.url,
      settings,
      runtimes: [engine],
      log: (level, message, data) => logged.push(`${level} ${message} ${JSON.stringify(data ?? {})}`),
    });
  const site: Site = {
    coordinator,
    runtime,
    folder: folder.path,
    logged,
    agent: await start(runtime),
    restart: async (engine = runtime) => {
      site.agent = await start(engine);
      return site.agent;
    },
    [Symbol.asyncDispose]: async () => {
      await site.agent.stop();
      await stack.disposeAsync();
    },
  };
  return site;
}
