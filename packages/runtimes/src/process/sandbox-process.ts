/**
 * bubblewrap as a child of this process: started, listened to, ended with everything in it.
 *
 * Three things end a sandbox, each of them enough: the control group is killed; the first process of its process
 * namespace is killed, which takes all others with it; bubblewrap outside is killed, on which the first process dies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROCESS_LIMITS } from '../limits.ts';
import type { AttemptCgroup } from './cgroups.ts';
import { parseStatus } from './ending.ts';
import { markOfNode } from './orphans.ts';
import type { OutputPipes } from './output-pipes.ts';
import { startTime } from './process-tree.ts';

export interface SandboxProcessOptions {
  command: string;
  args: readonly string[];
  /** Descriptors of open files. */
  stdin: number | 'pipe' | 'ignore';
  argumentsDescriptor: number;
  pipes: OutputPipes;
  cgroup: AttemptCgroup | null;
  nodeId: string;
  onBegin(initPid: number): void;
  onOutput(stream: 'stdout' | 'stderr', data: Uint8Array): void;
}

export interface SandboxExit {
  exitCode: number | null;
  began: boolean;
  diagnostic: string;
}

export class SandboxProcess {
  /** Once all its processes are gone and all they wrote has been read. Never rejects. */
  readonly ended: Promise<SandboxExit>;
  readonly stdin: ChildProcess['stdin'];
  readonly #options: SandboxProcessOptions;
  readonly #process: ChildProcess;
  #status = '';
  #init: { pid: number; startTime: string | null } | null = null;
  #diagnostic = '';
  #isGone = false;
  /** What bubblewrap itself may have written: given to the log as soon as the program is known to run. */
  #held: { stream: 'stdout' | 'stderr'; data: Buffer }[] = [];

  constructor(options: SandboxProcessOptions) {
    this.#options = options;
    const { pipes } = options;
    // A group of its own: it must not get the signals of the agent's terminal.
    const nothing = openSync('/dev/null', 'r+');
    try {
      this.#process = spawn(options.command, options.args, {
        // bubblewrap's first process keeps it where the program can read it.
        env: { PATH: launcherPath(process.env.PATH ?? ''), ...markOfNode(options.nodeId) },
        cwd: '/',
        stdio: [options.stdin, ...pipes.writers, 'pipe', options.argumentsDescriptor, ...coverInherited(nothing)],
        detached: true,
      });
    } finally {
      closeSync(nothing);
      pipes.handOver();
    }
    this.stdin = this.#process.stdin;
    this.stdin?.on('error', () => {});
    const status = this.#process.stdio[3] as Readable | undefined;
    status?.on('error', () => {}).on('data', (data: Buffer) => this.#readStatus(data.toString('latin1')));
    const { promise, resolve } = Promise.withResolvers<void>();
    const streams = (['stdout', 'stderr'] as const).map((name) => {
      pipes[name].on('error', () => {}).on('data', (data: Buffer) => this.#wrote(name, data));
      return new Promise<void>((ended) => pipes[name].once('close', () => ended()));
    });
    this.#process.once('close', () => resolve());
    this.#process.once('exit', () => this.#endInit());
    this.#process.once('error', (error) => {
      this.#diagnostic = error.message;
      if (this.#process.pid === undefined) resolve();
    });
    this.ended = Promise.all([promise, ...streams]).then(() => this.#finish());
  }

  get initPid(): number | null {
    return this.#init?.pid ?? null;
  }

  kill(): void {
    if (this.#isGone) return;
    const { pid } = this.#process;
    // Before it has a session of its own, what bubblewrap starts is in its group.
    if (pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null) signal(-pid);
    this.#endInit();
    this.#options.cgroup?.kill();
  }

  /** bubblewrap ends with the program, and its first process inside a moment later; then nothing writes any more. */
  #endInit(): void {
    if (this.#init !== null && this.#isAlive()) signal(this.#init.pid);
  }

  #isAlive(): boolean {
    return this.#init !== null && this.#init.startTime !== null && startTime(this.#init.pid) === this.#init.startTime;
  }

  async #finish(): Promise<SandboxExit> {
    const deadline = performance.now() + PROCESS_LIMITS.cleanUpMilliseconds;
    while (this.#isAlive() && performance.now() < deadline) {
      this.#endInit();
      await sleep(1);
    }
    this.#isGone = true;
    const { exitCode } = parseStatus(this.#status);
    if (exitCode !== null) this.#release();
    const diagnostic = this.#diagnostic + Buffer.concat(this.#held.map(({ data }) => data)).toString('utf8');
    return { exitCode, began: this.#init !== null, diagnostic: diagnostic.slice(-PROCESS_LIMITS.diagnosticBytes) };
  }

  #readStatus(text: string): void {
    this.#status = (this.#status + text).slice(0, PROCESS_LIMITS.statusBytes);
    if (this.#init !== null) return;
    const { childPid } = parseStatus(this.#status);
    if (childPid === null) return;
    this.#init = { pid: childPid, startTime: startTime(childPid) };
    this.#options.onBegin(childPid);
    const [first] = this.#held;
    if (first !== undefined && !isLauncherText(first.data)) this.#release();
  }

  /** In order. Standard output is always the program's. */
  #wrote(stream: 'stdout' | 'stderr', data: Buffer): void {
    const isClear = this.#init !== null && this.#held.length === 0 && !(stream === 'stderr' && isLauncherText(data));
    if (isClear) {
      this.#options.onOutput(stream, data);
      return;
    }
    this.#held.push({ stream, data });
    // The launcher says one line and ends; whoever says more is the program.
    const tooMuch = this.#held.reduce((sum, held) => sum + held.data.length, 0) > PROCESS_LIMITS.diagnosticBytes;
    if (this.#init !== null && (stream === 'stdout' || tooMuch)) this.#release();
  }

  #release(): void {
    for (const { stream, data } of this.#held.splice(0)) this.#options.onOutput(stream, data);
  }
}

const LAUNCHERS = ['sh', 'bwrap', 'prlimit', 'setpriv', 'unshare', 'mount', 'mkdir'];
const paths = new Map<string, string>();

/** The part of a search path that finds the launchers; the rest would tell of the user's folders. */
export function launcherPath(path: string): string {
  const known = paths.get(path);
  if (known !== undefined) return known;
  const folders = path.split(delimiter).filter((folder) => folder.startsWith('/'));
  const found = LAUNCHERS.map((name) => folders.find((folder) => existsSync(join(folder, name))));
  const kept = [...new Set([...found.filter((folder) => folder !== undefined), '/usr/bin', '/bin'])].join(delimiter);
  paths.set(path, kept);
  return kept;
}

const FIRST_UNUSED_DESCRIPTOR = 5;
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Descriptors that this process was itself started with would pass through to the program: Node closes none. They are
 * covered by one that leads nowhere.
 */
function coverInherited(nothing: number): ('ignore' | number)[] {
  const inherited = new Set(
    readdirSync('/proc/self/fd')
      .map(Number)
      .filter((descriptor) => descriptor >= FIRST_UNUSED_DESCRIPTOR && !closesOnExec(descriptor)),
  );
  const most = Math.max(FIRST_UNUSED_DESCRIPTOR - 1, ...inherited);
  return Array.from({ length: most - FIRST_UNUSED_DESCRIPTOR + 1 }, (_, index) =>
    inherited.has(index + FIRST_UNUSED_DESCRIPTOR) ? nothing : 'ignore',
  );
}

function closesOnExec(descriptor: number): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))?.[1] ?? '';
    return (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) !== 0;
  } catch {
    return true; // It was the one that listed them.
  }
}

function isLauncherText(data: Buffer): boolean {
  return data.subarray(0, 7).toString('latin1') === 'bwrap: ';
}

function signal(target: number): void {
  try {
    process.kill(target, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
