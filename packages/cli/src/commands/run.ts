/** `fog run FILE`: submit a job, wait for it, show its result. */
import { setTimeout as pause } from 'node:timers/promises';
import { FogError, type Job, parseDuration } from '@fog/contract';
import type { Fog, JobHandle, JobResult } from '@fog/sdk';
import type { Command } from 'commander';
import { EXIT, jobExitCode } from '../exit-code.ts';
import { CLI_LIMITS } from '../limits.ts';
import { writeError } from '../output/errors.ts';
import { JobProgress } from '../output/job-progress.ts';
import { countsText, jobReasonText, reasonText } from '../output/job-text.ts';
import { ProgressLine } from '../output/progress-line.ts';
import { WaitingNote } from '../output/waiting-note.ts';
import { onStopSignals } from '../signals.ts';
import { coloursOf, note, type Terminal, write, writeJson, writeLine } from '../terminal.ts';
import { type CommonOptions, connect, withConnection } from './command-context.ts';
import { readJobSources } from './job-source.ts';
import { followWorkflow } from './run-workflow.ts';

interface RunOptions extends CommonOptions {
  detach?: boolean;
  timeout?: string;
  idempotencyKey?: string;
}

const HELP = `
FILE is a job in YAML or JSON ("-" reads it from standard input), or a program: .js, .mjs or .wasm.
Files that it names are uploaded; their paths are relative to FILE.
A YAML file may hold several jobs, parted by "---": spec.dependsOn of one names the metadata.name of those that have to
complete before it. Its exit code is that of the first job of the file that did not complete.

Exit code: 0 when every task succeeded, else that of the failed task with the lowest number (1 if it has none),
124 timed out, 130 cancelled. Of every command: 2 for what you can mend (wrong usage or specification, no such thing, a
state or token that does not allow it, a taken address or folder), 125 when fog itself failed (it cannot be reached, is
full or broken, or has another version).
Ctrl-C cancels the job; a second one leaves at once.

Examples:
  $ fog run examples/hello/job.yaml
  $ fog run square.js 7 --timeout 1m
  $ fog run job.yaml --detach`;

/** Makes a command, `fog run` or `fog job run`, out of its name. */
export function addRunCommand(parent: Command, terminal: Terminal): void {
  const command = parent
    .command('run <file> [args...]')
    .description('submit a job and wait for it')
    .option('-d, --detach', 'print the id of the job and do not wait')
    .option('--timeout <duration>', 'wait no longer than this, such as 10m; the job goes on')
    .option('--idempotency-key <key>', 'the same key answers with the first job')
    .addHelpText('after', HELP);
  withConnection(command).action(async (file: string, args: string[], options: RunOptions) => {
    terminal.exitCode = await run(terminal, file, args, options);
  });
}

async function run(terminal: Terminal, file: string, args: string[], options: RunOptions): Promise<number> {
  const timeoutMilliseconds = options.timeout === undefined ? undefined : parseDuration(options.timeout);
  const { documents, baseDirectory } = await readJobSources(terminal, file, args);
  const fog = await connect(terminal, options);
  // From here on: a Ctrl-C between the submit and the wait would leave a job behind that nobody waits for.
  using interrupt = new Interrupt();
  const { idempotencyKey } = options;
  if (documents.length > 1) {
    const jobs = await fog.submitWorkflow(documents as Record<string, unknown>[], { baseDirectory, idempotencyKey });
    return await followWorkflow(terminal, fog, jobs, interrupt, { ...options, timeoutMilliseconds });
  }
  const job = await fog.submit(documents[0] as Record<string, unknown>, { baseDirectory, idempotencyKey });
  if (options.detach) {
    await (options.json ? writeJson(terminal, job) : writeLine(terminal, job.id));
    return EXIT.ok;
  }
  if (!options.json) await note(terminal, `job ${job.id} submitted`);
  const result = await waitWithProgress(terminal, fog.job(job.id), job, interrupt, {
    timeoutMilliseconds,
    isQuiet: options.json === true,
    cancelsOnInterrupt: true,
  });
  const exitCode = jobExitCode(result.job, result.failedTask);
  if (options.json) await writeJson(terminal, { ...result, exitCode });
  else await showResult(terminal, fog, result);
  return exitCode;
}

/** Remembers the first signal until somebody acts on it; a second one ends the process at once. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #signals = onStopSignals((_, count) => {
    if (count > 1) process.exit(EXIT.cancelled);
    this.#controller.abort();
  });

  /** Calls back once, at once when the signal has come already. */
  onSignal(act: () => void): void {
    const { signal } = this.#controller;
    if (signal.aborted) act();
    else signal.addEventListener('abort', act, { once: true });
  }

  [Symbol.dispose](): void {
    this.#signals[Symbol.dispose]();
  }
}

export interface WaitSettings {
  timeoutMilliseconds: number | undefined;
  isQuiet: boolean;
  /** A signal cancels the job; otherwise it only ends the wait. */
  cancelsOnInterrupt: boolean;
}

/** Follows a job to its end, with a progress line. Throws `timed-out`, and `cancelled` when the wait was ended. */
export async function waitWithProgress(
  terminal: Terminal,
  handle: JobHandle,
  job: Job,
  interrupt: Interrupt,
  settings: WaitSettings,
): Promise<JobResult> {
  const progress = new JobProgress(job);
  const line = new ProgressLine(terminal, () => progress.text(Date.now()));
  const stop = new AbortController();
  const watching = new AbortController();
  interrupt.onSignal(() => {
    if (!settings.cancelsOnInterrupt) stop.abort();
    else handle.cancel().catch((error: unknown) => stop.abort(error));
  });
  if (!settings.isQuiet) line.start();
  const watched = Promise.all([
    watch(handle, progress, watching.signal),
    settings.isQuiet ? null : tellWaits(handle, progress, line, watching.signal),
  ]);
  try {
    return await handle.wait({ signal: stop.signal, timeoutMilliseconds: settings.timeoutMilliseconds });
  } catch (cause) {
    if (!stop.signal.aborted || settings.cancelsOnInterrupt) throw cause;
    throw new FogError('cancelled', `stopped waiting; job ${handle.id} goes on`, {
      cause,
      details: { job: handle.id },
    });
  } finally {
    watching.abort();
    await watched;
    line.stop();
  }
}

/** Only for the eye: what goes wrong here, the wait meets as well. */
async function watch(handle: JobHandle, progress: JobProgress, signal: AbortSignal): Promise<void> {
  try {
    for await (const record of handle.events({ signal })) progress.take(record);
  } catch {
    await pause(0);
  }
}

/** As above: what cannot be asked is not told. */
async function tellWaits(
  handle: JobHandle,
  progress: JobProgress,
  line: ProgressLine,
  signal: AbortSignal,
): Promise<void> {
  await tellWaiting(signal, async (waits) => {
    const explanation = progress.waits ? await handle.explain(undefined, signal) : null;
    const message = waits.take(explanation?.waiting ?? null, Date.now());
    if (message !== null) line.say(`waits: ${message}; fog job why ${handle.id}`);
  });
}

/** Calls back again and again until the signal. What is thrown counts as nothing to tell. */
export async function tellWaiting(signal: AbortSignal, ask: (waits: WaitingNote) => Promise<void>): Promise<void> {
  const waits = new WaitingNote();
  for (;;) {
    await pause(CLI_LIMITS.askWhyMilliseconds, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    await ask(waits).catch(() => undefined);
  }
}

export async function showResult(terminal: Terminal, fog: Fog, { job, succeeded, failedTask }: JobResult) {
  const colours = coloursOf(terminal, 'stderr');
  if (!succeeded) {
    const why =
      failedTask === null
        ? jobReasonText(job)
        : `task ${failedTask.partition}: ${reasonText(failedTask.reason, failedTask.message)}`;
    await note(terminal, `${colours.red(`job ${job.id} ${job.state}`)}: ${countsText(job.tasks)}`);
    if (why !== '') await note(terminal, `  ${why}`);
    if (job.state !== 'cancelled') await note(terminal, `  see "fog job get ${job.id}" and "fog job logs ${job.id}"`);
    return;
  }
  await note(terminal, colours.green(`job ${job.id} completed: ${countsText(job.tasks)}`));
  try {
    await showOutputs(terminal, fog, job);
  } catch (error) {
    // The job itself came out well: a result that cannot be shown now can be fetched later.
    await writeError(terminal, FogError.from(error), false);
  }
}

/** A small result of a single task is what a newcomer wants to see; the rest is a command away. */
async function showOutputs(terminal: Terminal, fog: Fog, job: Job): Promise<void> {
  const outputs = job.spec.spec.count === 1 ? await fog.job(job.id).outputs(0) : [];
  const result = outputs.find((output) => output.name === 'result' && output.type === 'file');
  const hasOthers = outputs.some((output) => output !== result) || job.spec.spec.count > 1;
  if (result !== undefined && result.bytes <= CLI_LIMITS.printedResultBytes) {
    const text = printableText(await result.data());
    if (text !== null) {
      await write(terminal.stdout, text.endsWith('\n') || text === '' ? text : `${text}\n`);
      if (!hasOthers) return;
    }
  }
  if (result === undefined && !hasOthers) return;
  await note(terminal, `see "fog job logs ${job.id}" and "fog job outputs ${job.id} --to DIR"`);
}

/** Null where the bytes are not text. */
function printableText(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? null : text;
  } catch {
    return null;
  }
}
