/** A node program in a process of its own. */
import { type RunningAgent, startAgent } from '../packages/agent/src/index.ts';
import { loadSettings } from '../packages/contract/src/index.ts';
import { ChildProgram, serveParent } from './child-program.ts';

export interface AgentProcessOptions {
  dataDirectory: string;
  url: string;
  token: string;
  name: string;
  slots: number;
  trusted: string[];
}

/** The parent's side. Resolves when the node is connected. */
export async function startAgentProcess(
  options: AgentProcessOptions,
  cleanup: AsyncDisposableStack,
): Promise<ChildProgram> {
  const program = cleanup.use(new ChildProgram('agent-process.ts'));
  await program.ask('start', options);
  return program;
}

if (import.meta.main) {
  let running: RunningAgent | undefined;
  const start = async ({ dataDirectory, url, token, ...flags }: AgentProcessOptions) => {
    const { settings } = loadSettings('agent', { environment: {}, flags });
    running = await startAgent({
      ...{ dataDirectory, url, token, settings },
      log: (level, message, data) => {
        if (level !== 'info') process.stderr.write(`agent ${level}: ${message} ${JSON.stringify(data ?? {})}\n`);
      },
    });
    await running.connected();
  };
  serveParent({ start }, () => running?.stop());
}
