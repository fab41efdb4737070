/**
 * The `javascript` runtime: one script a job, `export default (input, ctx) => output`, on one of two engines that
 * give the same bytes. docs/javascript-globals.md says what a script may use.
 *
 *     v8             full speed, for those whom the owner of the node trusts
 *     v8-bubblewrap  the same inside an operating system's sandbox, for strangers
 *     quickjs        compiled to wasm, for strangers where there is no such sandbox
 */
import { statSync } from 'node:fs';
import { JAVASCRIPT_LIMITS } from '../limits.ts';
import { type BubblewrapProbe, probeBubblewrap } from '../process/bubblewrap.ts';
import { killOrphans } from '../process/orphans.ts';
import type {
  AttemptHost,
  AttemptOutcome,
  AttemptRequest,
  RunningAttempt,
  RuntimeProbe,
  RuntimeSettings,
  TaskRuntime,
} from '../runtime.ts';
import { type ChildKind, ChildShelf } from './child-shelf.ts';
import { chooseEngine, type JavascriptEngine } from './engine-choice.ts';
import { childCommand, heapMebibytes, JavascriptChild } from './engine-processes.ts';
import { JavascriptAttempt, type JavascriptRequest, RESULT_OUTPUT } from './javascript-attempt.ts';

export interface JavascriptRuntimeDependencies {
  /** Looks whether bubblewrap works here. */
  probeSandbox(): Promise<BubblewrapProbe>;
}

/** Creates the runtime. Processes start with the first attempt. */
export function createJavascriptRuntime(
  settings: RuntimeSettings,
  dependencies: JavascriptRuntimeDependencies = { probeSandbox: probeBubblewrap },
): TaskRuntime {
  return new JavascriptRuntime(settings, dependencies);
}

interface StartedKind extends ChildKind {
  engine: JavascriptEngine;
  memoryBytes: number;
}

class JavascriptRuntime implements TaskRuntime {
  readonly name = 'javascript';
  readonly #settings: RuntimeSettings;
  readonly #dependencies: JavascriptRuntimeDependencies;
  readonly #shelf: ChildShelf<JavascriptChild>;
  readonly #kinds = new Map<string, StartedKind>();
  readonly #unsettled = new Set<RunningAttempt>();
  readonly #waiting: JavascriptAttempt[] = [];
  #running = 0;
  #closed = false;
  #sandbox: BubblewrapProbe | null = null;
  #probing: Promise<BubblewrapProbe> | null = null;

  constructor(settings: RuntimeSettings, dependencies: JavascriptRuntimeDependencies) {
    this.#settings = settings;
    this.#dependencies = dependencies;
    this.#shelf = new ChildShelf({ slots: settings.slots, start: ({ key }) => this.#startChild(key) });
  }

  async probe(): Promise<RuntimeProbe> {
    const sandbox = await this.#probeSandbox();
    return {
      available: true,
      version: `v8 ${process.versions.v8}, quickjs-ng 0.12.1`,
      features: {
        v8: sandbox.available ? 'trusted and sandboxed' : `trusted only: ${sandbox.reason}`,
        quickjs: 'available',
        ...(sandbox.available ? { bubblewrap: sandbox.version } : { hint: sandbox.hint }),
      },
    };
  }

  refusal({ program, trusted, limits }: Pick<AttemptRequest, 'program' | 'trusted' | 'limits'>): string | null {
    if (program.runtime !== 'javascript') return `The javascript runtime does not run ${program.runtime} programs.`;
    const tooMuch = diskRefusal(limits);
    if (tooMuch !== null) return tooMuch;
    const choice = chooseEngine(program.engine, trusted, this.#sandbox);
    return 'refusal' in choice && this.#sandbox !== null ? choice.refusal : null;
  }

  start(request: AttemptRequest, host: AttemptHost): RunningAttempt {
    const { program } = request;
    if (program.runtime !== 'javascript') {
      return failed('rejected', `The javascript runtime does not run ${program.runtime} programs.`);
    }
    if (this.#closed) return failed('drained', 'The runtime is closed.');
    const javascriptRequest: JavascriptRequest = { ...request, program };
    const attempt =
      !request.trusted && program.engine !== 'quickjs' && this.#sandbox === null
        ? new ProbingAttempt(this.#probeSandbox(), () => this.#create(javascriptRequest, host))
        : this.#create(javascriptRequest, host);
    this.#unsettled.add(attempt);
    void attempt.outcome.then(() => this.#unsettled.delete(attempt));
    return attempt;
  }

  /** Attempts die with the agent; a sandbox that was being made may not. */
  async reap(): Promise<void> {
    killOrphans(this.#settings.nodeId);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const attempt of [...this.#unsettled]) attempt.kill('drained', 'The runtime was closed.');
    await this.#shelf.close();
  }

  #create(request: JavascriptRequest, host: AttemptHost): RunningAttempt {
    if (this.#closed) return failed('drained', 'The runtime is closed.');
    const choice = chooseEngine(request.program.engine, request.trusted, this.#sandbox);
    if ('refusal' in choice) return failed('rejected', choice.refusal);
    const tooMuch = diskRefusal(request.limits);
    if (tooMuch !== null) return failed('rejected', tooMuch, choice.engine);
    const fault = faultOf(request);
    if (fault !== null) return failed(fault.reason, fault.message, choice.engine);
    const kind = this.#kindOf(choice.engine, request.limits.memoryBytes);
    const attempt = new JavascriptAttempt({
      request,
      host,
      engine: choice.engine,
      kind,
      shelf: this.#shelf,
      released: () => {
        this.#running -= 1;
        this.#next();
      },
    });
    this.#waiting.push(attempt);
    this.#next();
    return attempt;
  }

  #next(): void {
    while (this.#running < this.#settings.slots) {
      const attempt = this.#waiting.shift();
      if (attempt === undefined) return;
      this.#running += 1;
      attempt.begin();
    }
  }

  #kindOf(engine: JavascriptEngine, memoryBytes: number): StartedKind {
    const key = engine === 'quickjs' ? engine : `${engine} ${heapMebibytes(memoryBytes)}`;
    const reuse = { v8: 'same-script', 'v8-bubblewrap': 'never', quickjs: 'always' } as const;
    const kind = this.#kinds.get(key) ?? { key, reuse: reuse[engine], engine, memoryBytes };
    this.#kinds.set(key, kind);
    return kind;
  }

  #startChild(key: string): JavascriptChild {
    const kind = this.#kinds.get(key);
    if (kind === undefined) throw new Error(`no kind of process is called ${key}`);
    return new JavascriptChild(key, childCommand(kind.engine, this.#settings, kind.memoryBytes));
  }

  async #probeSandbox(): Promise<BubblewrapProbe> {
    this.#probing ??= this.#dependencies.probeSandbox();
    this.#sandbox = await this.#probing;
    return this.#sandbox;
  }
}

/** An attempt that waits for the probe, which the first one of a stranger may have to. */
class ProbingAttempt implements RunningAttempt {
  readonly outcome: Promise<AttemptOutcome>;
  #attempt: RunningAttempt | null = null;
  readonly #kill = Promise.withResolvers<AttemptOutcome>();

  constructor(probe: Promise<unknown>, create: () => RunningAttempt) {
    let isKilled = false;
    void this.#kill.promise.then(() => {
      isKilled = true;
    });
    const created = probe.then(() => {
      if (isKilled) return this.#kill.promise;
      this.#attempt = create();
      return this.#attempt.outcome;
    });
    this.outcome = Promise.race([this.#kill.promise, created]);
  }

  kill(reason: Parameters<RunningAttempt['kill']>[0], message: string): void {
    if (this.#attempt !== null) this.#attempt.kill(reason, message);
    else this.#kill.resolve(failure(reason, message, 'none'));
  }
}

/** Refused rather than cut down: a job that asks for more would learn at its end that it did not get it. */
function diskRefusal({ diskBytes }: AttemptRequest['limits']): string | null {
  if (diskBytes <= JAVASCRIPT_LIMITS.resultBytes) return null;
  return `The result of a script is kept in memory, and may have ${JAVASCRIPT_LIMITS.resultBytes} bytes at most: resources.disk asks for ${diskBytes}.`;
}

/** What is wrong with a request before anything runs. */
function faultOf({
  program,
  outputs,
}: JavascriptRequest): { reason: 'output-missing' | 'script-error' | 'input-missing'; message: string } | null {
  const other = outputs.find(({ name }) => name !== RESULT_OUTPUT);
  if (other !== undefined) {
    return {
      reason: 'output-missing',
      message: `The output "${other.name}" cannot come: a script has one output, "${RESULT_OUTPUT}", which is what it returns.`,
    };
  }
  try {
    const { size } = statSync(program.scriptPath);
    if (size <= JAVASCRIPT_LIMITS.scriptBytes) return null;
    return {
      reason: 'script-error',
      message: `The script has ${size} bytes; ${JAVASCRIPT_LIMITS.scriptBytes} are allowed.`,
    };
  } catch {
    return { reason: 'input-missing', message: 'The file of the script cannot be read.' };
  }
}

function failure(reason: Parameters<RunningAttempt['kill']>[0], message: string, engine: string): AttemptOutcome {
  const usage = { wallMilliseconds: 0, cpuMilliseconds: null, peakMemoryBytes: null };
  return { status: 'failed', reason, message, exitCode: null, usage, engine };
}

function failed(reason: Parameters<RunningAttempt['kill']>[0], message: string, engine = 'none'): RunningAttempt {
  return { outcome: Promise.resolve(failure(reason, message, engine)), kill: () => {} };
}
