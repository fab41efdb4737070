/**
 * Programs of the benchmarks that run as child processes, and how the two sides talk: the parent asks, the child
 * answers, over the channel that Node gives them. A child ends when the channel closes, so none outlives its parent.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

interface Question {
  id: number;
  command: string;
  parameters: unknown;
}
type Answer = { id: number; result: unknown } | { id: number; error: string };

const STOP_MILLISECONDS = 15_000;
const NODE_COMPILE_CACHE = join(import.meta.dirname, '../node_modules/.cache/node');

export class ChildProgram implements AsyncDisposable {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #asked = 0;

  /** `file` stands in this folder. */
  constructor(file: string, options: { nodeArguments?: readonly string[] } = {}) {
    this.#name = file;
    this.#child = spawn(process.execPath, [...(options.nodeArguments ?? []), join(import.meta.dirname, file)], {
      // Ctrl-C reaches the parent alone, which takes everything down in order.
      detached: true,
      // As bin/fog.js has it: types are stripped at the first start alone, which takes time and 26 MB.
      env: { NODE_COMPILE_CACHE, ...process.env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message) => this.#answered(message as Answer));
    this.#child.on('error', (error) => this.#failAll(error));
    this.#child.on('exit', (code, signal) => {
      this.#failAll(new Error(`${file} ended with ${signal ?? `exit code ${code}`}`));
    });
  }

  /** Rejects with what the child's command threw, or when the child is gone. */
  ask<Result>(command: string, parameters: unknown = {}): Promise<Result> {
    const waiting = Promise.withResolvers<unknown>();
    this.#asked += 1;
    const question: Question = { id: this.#asked, command, parameters };
    this.#waiting.set(question.id, waiting);
    if (this.#child.connected) this.#child.send(question);
    else this.#failAll(new Error(`${this.#name} is not running`));
    return waiting.promise as Promise<Result>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined) return;
    const exited = once(this.#child, 'exit');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MILLISECONDS);
    if (this.#child.connected) this.#child.disconnect();
    await exited;
    clearTimeout(timer);
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('error' in answer) waiting?.reject(new Error(`${this.#name}: ${answer.error}`));
    else waiting?.resolve(answer.result);
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

/** The child's side: serves the commands until the channel closes, then stops and ends the process. */
export function serveParent(commands: Record<string, (parameters: never) => unknown>, stop: () => unknown): void {
  process.on('message', (message) => void answer(message as Question));
  process.once('disconnect', async () => {
    try {
      await stop();
    } finally {
      process.exit();
    }
  });

  async function answer({ id, command, parameters }: Question): Promise<void> {
    let reply: Answer;
    try {
      reply = { id, result: await commands[command]?.(parameters as never) };
    } catch (error) {
      reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    if (process.connected) process.send?.(reply);
  }
}
