/**
 * The nodes of `fog up`: child processes that are started again when they die.
 *
 *     starting -> connected -> died -> [pause] -> starting
 *         \___________\______ left (exit code 0: it was drained) -> stays away
 *
 * Children live in process groups of their own, so that Ctrl-C in the terminal reaches the parent alone; they end
 * when it says so, and when it is gone, because the channel between the two closes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { CLI_LIMITS } from '../limits.ts';

export interface NodeProcessDependencies {
  /** The `fog` program and its arguments for the node of this number, from 1. */
  command(number: number): { file: string; args: string[] };
  environment: Readonly<Record<string, string | undefined>>;
  /** A line the node wrote, or something about it. */
  tell(name: string, line: string): void;
}

export interface ConnectedNode {
  id: string;
  name: string;
  pid: number;
}

interface Slot {
  number: number;
  child: ChildProcess | null;
  connected: ConnectedNode | null;
  pauseMilliseconds: number;
  restart: NodeJS.Timeout | null;
}

export class NodeProcesses {
  readonly #dependencies: NodeProcessDependencies;
  readonly #slots: Slot[] = [];
  #isStopping = false;
  #changed: (() => void) | null = null;

  constructor(dependencies: NodeProcessDependencies) {
    this.#dependencies = dependencies;
  }

  start(count: number): void {
    for (let number = 1; number <= count; number += 1) {
      const slot: Slot = {
        number,
        child: null,
        connected: null,
        pauseMilliseconds: CLI_LIMITS.restartMilliseconds,
        restart: null,
      };
      this.#slots.push(slot);
      this.#spawn(slot);
    }
  }

  /** Waits until every node is connected, or the time has passed; answers those that are. */
  async connected(milliseconds: number, signal: AbortSignal): Promise<ConnectedNode[]> {
    const until = performance.now() + milliseconds;
    for (;;) {
      const connected = this.#slots.flatMap((slot) => (slot.connected === null ? [] : [slot.connected]));
      const left = until - performance.now();
      if (connected.length === this.#slots.length || left <= 0 || signal.aborted) return connected;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
        signal.addEventListener('abort', () => this.#changed?.(), { once: true });
      });
    }
  }

  /** Stops all nodes; those that take longer than `milliseconds` are killed. */
  async stop(milliseconds: number): Promise<void> {
    this.#isStopping = true;
    await Promise.all(
      this.#slots.map(async ({ child, restart }) => {
        if (restart !== null) clearTimeout(restart);
        if (child === null || child.exitCode !== null || child.signalCode !== null) return;
        const exited = once(child, 'exit');
        if (child.connected) child.send({ type: 'stop' }, () => undefined);
        else child.kill('SIGTERM');
        const timer = setTimeout(() => child.kill('SIGKILL'), milliseconds);
        await exited;
        clearTimeout(timer);
      }),
    );
  }

  #spawn(slot: Slot): void {
    const { file, args } = this.#dependencies.command(slot.number);
    const startedAt = performance.now();
    const child = spawn(file, args, {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...this.#dependencies.environment, FOG_SUPERVISED: '1' },
    });
    slot.child = child;
    const name = `node-${slot.number}`;
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => this.#dependencies.tell(name, line));
    }
    child.on('message', (message) => {
      const { type, id, name: nodeName } = message as { type?: unknown; id: string; name: string };
      if (type !== 'connected') return;
      slot.connected = { id, name: nodeName, pid: child.pid ?? 0 };
      this.#changed?.();
    });
    child.on('error', (error) => this.#dependencies.tell(name, `cannot be started: ${error.message}`));
    child.on('exit', (code, signal) => this.#ended(slot, name, code, signal, performance.now() - startedAt));
  }

  #ended(slot: Slot, name: string, code: number | null, signal: string | null, livedMilliseconds: number): void {
    slot.child = null;
    slot.connected = null;
    if (this.#isStopping) return;
    if (code === 0) {
      this.#dependencies.tell(name, 'was drained and stays away until the next "fog up"');
      return;
    }
    if (livedMilliseconds > CLI_LIMITS.restartForgetMilliseconds)
      slot.pauseMilliseconds = CLI_LIMITS.restartMilliseconds;
    const pause = slot.pauseMilliseconds;
    slot.pauseMilliseconds = Math.min(pause * 2, CLI_LIMITS.restartLongestMilliseconds);
    const how = signal === null ? `exit code ${code}` : signal;
    this.#dependencies.tell(name, `ended (${how}); starts again in ${pause / 1000} s`);
    slot.restart = setTimeout(() => this.#spawn(slot), pause);
  }
}
