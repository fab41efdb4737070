/** `fog run FILE` of a file with several jobs: follows them to their ends, one after the other. */
import type { Job } from '@fog/contract';
import type { Fog, JobResult } from '@fog/sdk';
import { EXIT, jobExitCode } from '../exit-code.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import { type Interrupt, showResult, waitWithProgress } from './run.ts';

export interface WorkflowRunOptions {
  detach?: boolean;
  json?: boolean;
  /** For all of them together. */
  timeoutMilliseconds: number | undefined;
}

/** In the order of the file. A signal cancels all of them. Answers the exit code. */
export async function followWorkflow(
  terminal: Terminal,
  fog: Fog,
  jobs: readonly Job[],
  interrupt: Interrupt,
  { detach = false, json = false, timeoutMilliseconds }: WorkflowRunOptions,
): Promise<number> {
  if (detach) {
    if (json) await writeJson(terminal, { items: jobs });
    else for (const { id } of jobs) await writeLine(terminal, id);
    return EXIT.ok;
  }
  if (!json) for (const { id, name } of jobs) await note(terminal, `job ${id} submitted: ${name}`);
  interrupt.onSignal(() => {
    for (const { id } of jobs)
      fog
        .job(id)
        .cancel()
        .catch(() => undefined);
  });
  const until = timeoutMilliseconds === undefined ? undefined : performance.now() + timeoutMilliseconds;
  const results: JobResult[] = [];
  for (const job of jobs) {
    const left = until === undefined ? undefined : Math.max(1, Math.round(until - performance.now()));
    const settings = { timeoutMilliseconds: left, isQuiet: json, cancelsOnInterrupt: true };
    const result = await waitWithProgress(terminal, fog.job(job.id), job, interrupt, settings);
    results.push(result);
    if (!json) await showResult(terminal, fog, result);
  }
  const codes = results.map((result) => jobExitCode(result.job, result.failedTask));
  const exitCode = codes.find((code) => code !== EXIT.ok) ?? EXIT.ok;
  if (json) await writeJson(terminal, { items: results, exitCode });
  return exitCode;
}
