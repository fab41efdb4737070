/** A program that is started, frozen, killed and started again. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Longest time from the start of a process until it is ready, on a machine that does much else. */
const READY_MILLISECONDS = 60_000;

export interface ChildProgramOptions {
  name: string;
  /** Beside this file. */
  script: string;
  /** Standard output and standard error of all its lives. */
  logPath: string;
  /** Compiled modules, shared by all processes. */
  compileCache: string;
  /** It ended by itself. */
  onCrash: (name: string, code: number | null) => void;
}

/**
 * stopped --start()--> running --kill()--> stopped
 *                      running --(by itself)--> crashed
 */
export class ChildProgram {
  readonly #options: ChildProgramOptions;
  #process: ChildProcess | null = null;

  constructor(options: ChildProgramOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#process !== null;
  }

  /** Resolves with its first message. Rejects when it ends before or takes too long. */
  async start<Ready>(order: object): Promise<Ready> {
    const { name, script, logPath, compileCache, onCrash } = this.#options;
    const log = openSync(logPath, 'a');
    const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url)), JSON.stringify(order)], {
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
    });
    closeSync(log);
    this.#process = child;
    child.on('error', () => {});
    child.on('exit', (code) => {
      if (this.#process !== child) return;
      this.#process = null;
      onCrash(name, code);
    });
    const patience = AbortSignal.timeout(READY_MILLISECONDS);
    const gone = once(child, 'exit', { signal: patience }).then(() => null);
    const message = once(child, 'message', { signal: patience });
    gone.catch(() => {});
    message.catch(() => {});
    const first = await Promise.race([message, gone]);
    if (first === null) throw new Error(`${name} ended before it was ready`);
    return first[0] as Ready;
  }

  send(message: object): void {
    if (this.#process?.connected) this.#process.send(message, () => {});
  }

  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  /** kill -9. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    this.#process = null;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}
