/**
 * Runs the containers of a stand-in cluster as child processes of the test, so that logs and exit codes are real.
 * Nothing of it is a sandbox: it believes its programs. A pod's folder is the working directory of its process, with
 * mounted files below it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ObjectStore, StoredObject } from './object-store.ts';

/** One line of a log, or a piece of one, as a container runtime keeps it. */
export interface LogEntry {
  nanoseconds: bigint;
  stream: 'Stdout' | 'Stderr';
  data: Buffer;
}

interface PodRun {
  log: LogEntry[];
  isOver: boolean;
  waiting: Set<() => void>;
  child: ChildProcess | null;
}

/** What the commands of the test images are on this machine. */
const PROGRAMS: Readonly<Record<string, string>> = { node: process.execPath, sh: '/bin/sh' };

// biome-ignore lint/suspicious/noExplicitAny: statuses of pods are free.
export type PodStatus = Record<string, any>;
/** Plays the states of a pod whose image has a scripted life. */
export type PodScript = (
  set: (status: PodStatus) => void,
  pod: StoredObject,
  log: (text: string) => void,
) => Promise<void> | void;

export class Kubelet {
  readonly #store: ObjectStore;
  readonly #root: string;
  readonly #runs = new Map<string, PodRun>();
  #lastNanoseconds = 0n;
  /** Images whose pods do not run anything. */
  readonly scripts = new Map<string, PodScript>();
  /** Takes images of another name away from their processes only here: all others are the test image. */
  startDelayMilliseconds = 0;
  onEnd: (pod: StoredObject) => void = () => undefined;

  constructor(store: ObjectStore, root: string) {
    this.#store = store;
    this.#root = root;
  }

  get runningProcesses(): number {
    return [...this.#runs.values()].filter(({ child }) => child !== null).length;
  }

  run(pod: string): PodRun | undefined {
    return this.#runs.get(pod);
  }

  async start(pod: StoredObject): Promise<void> {
    const { name } = pod.metadata;
    const container = pod.spec.containers[0];
    const run: PodRun = { log: [], isOver: false, waiting: new Set(), child: null };
    this.#runs.set(name, run);
    const script = this.scripts.get(container.image);
    if (script !== undefined) {
      await script(
        (status) => this.#set(name, status),
        pod,
        (text) => this.#keep(run, 'Stdout', Buffer.from(text)),
      );
      return;
    }
    this.#set(name, pending({ waiting: { reason: 'ContainerCreating' } }));
    const folder = join(this.#root, name);
    const env = await this.#prepare(pod, folder);
    if (this.#store.get('pods', name) === undefined) return;
    const [command = '', ...args] = [...(container.command ?? []), ...(container.args ?? [])].map(expanded);
    const program = PROGRAMS[command];
    if (program === undefined) {
      const message = `failed to create containerd task: exec: "${command}": executable file not found in $PATH: unknown`;
      this.end(pod, run, { exitCode: 128, reason: 'StartError', message, startedAt: '1970-01-01T00:00:00Z' });
      return;
    }
    this.#spawn(pod, run, { program, args, env, folder });
  }

  /** SIGKILL, and the pod is gone. */
  async kill(pod: string): Promise<void> {
    const run = this.#runs.get(pod);
    run?.child?.kill('SIGKILL');
    if (run !== undefined) finish(run);
    this.#runs.delete(pod);
    this.#store.delete('pods', pod);
    await rm(join(this.#root, pod), { recursive: true, force: true });
  }

  #spawn(
    pod: StoredObject,
    run: PodRun,
    { program, args, env, folder }: { program: string; args: string[]; env: Record<string, string>; folder: string },
  ): void {
    const { name } = pod.metadata;
    const startedAt = new Date().toISOString();
    const child = spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    run.child = child;
    this.#set(name, { phase: 'Running', containerStatuses: [status({ running: { startedAt } })] });
    let isOutOfMemory = false;
    const limit = Number(pod.spec.containers[0].resources.limits.memory);
    const watch = setInterval(async () => {
      if ((await residentBytes(child.pid)) <= limit) return;
      isOutOfMemory = true;
      child.kill('SIGKILL');
    }, 10);
    this.#readLines(run, 'Stdout', child);
    this.#readLines(run, 'Stderr', child);
    child.on('close', (code) => {
      clearInterval(watch);
      run.child = null;
      const reason = isOutOfMemory ? 'OOMKilled' : code === 0 ? 'Completed' : 'Error';
      this.end(pod, run, { exitCode: code ?? 137, reason, startedAt });
    });
  }

  end(pod: StoredObject, run: PodRun, terminated: Record<string, unknown>): void {
    finish(run);
    const phase = terminated.exitCode === 0 ? 'Succeeded' : 'Failed';
    const finishedAt = new Date().toISOString();
    this.#set(pod.metadata.name, {
      phase,
      containerStatuses: [status({ terminated: { finishedAt, ...terminated } })],
    });
    this.onEnd(pod);
  }

  #readLines(run: PodRun, stream: LogEntry['stream'], child: ChildProcess): void {
    let rest = Buffer.alloc(0);
    const source = stream === 'Stdout' ? child.stdout : child.stderr;
    source?.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        this.#keep(run, stream, rest.subarray(0, end + 1));
        rest = rest.subarray(end + 1);
      }
    });
    source?.on('end', () => {
      if (rest.byteLength > 0) this.#keep(run, stream, rest);
    });
  }

  #keep(run: PodRun, stream: LogEntry['stream'], data: Buffer): void {
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#lastNanoseconds = now > this.#lastNanoseconds ? now : this.#lastNanoseconds + 1n;
    run.log.push({ nanoseconds: this.#lastNanoseconds, stream, data: Buffer.from(data) });
    for (const wake of run.waiting) wake();
  }

  #set(name: string, podStatus: PodStatus): void {
    this.#store.change('pods', name, (object) => {
      object.status = podStatus;
    });
  }

  async #prepare(pod: StoredObject, folder: string): Promise<Record<string, string>> {
    await mkdir(folder, { recursive: true });
    const [container] = pod.spec.containers;
    const env: Record<string, string> = {};
    for (const { secretRef } of container.envFrom ?? []) Object.assign(env, this.#secret(secretRef.name, 'utf8'));
    for (const { name, value } of container.env ?? []) env[name] = expanded(value);
    const volume = pod.spec.volumes.find(({ projected }: { projected?: unknown }) => projected !== undefined);
    for (const { secret } of volume?.projected.sources ?? []) {
      const values = this.#secret(secret.name, 'latin1');
      for (const { key } of secret.items) {
        const mount = container.volumeMounts.find(({ subPath }: { subPath?: string }) => subPath === key);
        const path = join(folder, mount.mountPath);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, Buffer.from(values[key] ?? '', 'latin1'));
      }
    }
    return env;
  }

  #secret(name: string, encoding: BufferEncoding): Record<string, string> {
    const data = this.#store.get('secrets', name)?.data as Record<string, string> | undefined;
    if (data === undefined) throw new Error(`secret ${name} is not there before its pod`);
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString(encoding)]),
    );
  }
}

function finish(run: PodRun): void {
  run.isOver = true;
  for (const wake of run.waiting) wake();
}

export function status(state: Record<string, unknown>): Record<string, unknown> {
  return { name: 'task', ready: 'running' in state, restartCount: 0, state };
}

export function pending(state: Record<string, unknown>): PodStatus {
  return { phase: 'Pending', containerStatuses: [status(state)] };
}

/** What Kubernetes does with $$ and $(NAME) in commands and arguments; no test sets NAME. */
function expanded(argument: string): string {
  return argument.replace(/\$\$|\$\([A-Za-z_]\w*\)/g, (found) => (found === '$$' ? '$' : `expanded ${found}`));
}

async function residentBytes(pid: number | undefined): Promise<number> {
  const pages = await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => '0 0');
  return Number(pages.split(' ')[1]) * 4096;
}
