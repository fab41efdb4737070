/** Runs a command in a running container. */
import { readFileSync } from 'node:fs';
import { DOCKER_LIMITS } from '../limits.ts';
import type { Engine } from './engine.ts';
import { LogDemultiplexer } from './log-demux.ts';

/**
 * Both outputs in the order in which the engine sends them, cut at the limit. The exit code is null when the time is
 * up; the command is killed then. Throws the engine's errors, such as that the container does not run.
 */
export async function execInContainer(
  engine: Engine,
  containerId: string,
  command: readonly string[],
  timeoutMilliseconds: number,
): Promise<{ exitCode: number | null; output: string }> {
  const execId = await engine.createExec(containerId, command);
  const timeout = AbortSignal.timeout(timeoutMilliseconds);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const parser = new LogDemultiplexer((_stream, data) => {
    const part = data.slice(0, DOCKER_LIMITS.execOutputBytes - bytes);
    bytes += part.length;
    if (part.length > 0) chunks.push(part);
  });
  try {
    const response = await engine.startExec(execId, timeout);
    for await (const chunk of response as AsyncIterable<Uint8Array>) parser.push(chunk);
  } catch (error) {
    if (!timeout.aborted) throw error;
  }
  const output = Buffer.concat(chunks).toString('utf8');
  // Answers without a length end in the same way when they are cut off.
  if (!timeout.aborted) return { exitCode: (await engine.inspectExec(execId)).ExitCode, output };
  await killExec(engine, containerId, execId);
  return { exitCode: null, output };
}

/**
 * The engine has no call for it. The process is killed by its number on this machine, once its control group shows that
 * the number means the same here as to the engine; where it does not (a virtual machine), the command runs on until the
 * container ends.
 */
async function killExec(engine: Engine, containerId: string, execId: string): Promise<void> {
  try {
    const { Pid, Running } = await engine.inspectExec(execId);
    if (Running && Pid > 1 && readFileSync(`/proc/${Pid}/cgroup`, 'utf8').includes(containerId))
      process.kill(Pid, 'SIGKILL');
  } catch {
    // It has ended, or is out of reach.
  }
}
