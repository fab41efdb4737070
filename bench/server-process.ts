/** Starting and stopping foreign servers: PostgreSQL and Redis. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';

export interface ServerUser {
  uid: number;
  gid: number;
}

const STOP_MILLISECONDS = 10_000;

/** A server that is asked to end with `stopSignal` and killed when it does not. */
export class ServerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #stopSignal: NodeJS.Signals;
  #output = '';

  constructor(
    file: string,
    args: readonly string[],
    options: { user?: ServerUser | undefined; stopSignal: NodeJS.Signals },
  ) {
    this.#stopSignal = options.stopSignal;
    this.#child = spawn(file, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], ...options.user });
    const keep = (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-4000);
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
    this.#child.on('error', (error) => {
      this.#output += error.message;
    });
  }

  /** Resolves when `isReady` answers true; throws what the server wrote when it ends before or takes too long. */
  async ready(isReady: () => Promise<boolean>, withinMilliseconds = 20_000): Promise<void> {
    const until = performance.now() + withinMilliseconds;
    while (!(await isReady())) {
      if (!this.#isRunning || performance.now() > until) throw new Error(`it did not start: ${this.#output.trim()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isRunning) return;
    const exited = once(this.#child, 'exit');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MILLISECONDS);
    this.#child.kill(this.#stopSignal);
    await exited;
    clearTimeout(timer);
  }

  get #isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }
}

/** A port of the loopback that nobody uses at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
