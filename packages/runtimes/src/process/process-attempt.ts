/**
 * One attempt of a native program.
 *
 *     preparing -> launching -> running <-> paused
 *         \____________\___________\__________\____ -> ending -> ended
 *
 * What ends it first stands: kill(), a limit, or the program itself. Outputs are looked at when no process is left.
 */
import { type FileHandle, open } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FailureReason, FogError, type UsageSample } from '@fog/contract';
import type { FolderOwner } from '../folder-owner.ts';
import { PROCESS_LIMITS } from '../limits.ts';
import type { NetworkOpener } from '../network/network-opener.ts';
import type { SandboxNetwork } from '../network/sandbox-network.ts';
import { RunClock } from '../run-clock.ts';
import type {
  AttemptHost,
  AttemptOutcome,
  AttemptOutput,
  AttemptRequest,
  AttemptUsage,
  ProcessProgram,
  RunningAttempt,
} from '../runtime.ts';
import { AttemptFolder, argumentsFile, type PreparedFolder } from './attempt-folder.ts';
import { AttemptWatch, outOfMemory } from './attempt-watch.ts';
import { bubblewrapArguments, type ProcessLimits } from './bubblewrap.ts';
import { type AttemptCgroup, type CgroupHierarchy, createCgroup } from './cgroups.ts';
import { collectOutputs, OutputFault } from './collect-outputs.ts';
import { explainEnd, type Failure } from './ending.ts';
import { encodeArguments, launchCommand, STATUS_DESCRIPTOR } from './launch.ts';
import { OutputPipes } from './output-pipes.ts';
import { children, signalAll, threadsOfUser } from './process-tree.ts';
import { type SandboxExit, SandboxProcess } from './sandbox-process.ts';
import { ViewConflict } from './sandbox-view.ts';

export interface ProcessAttemptDependencies {
  request: AttemptRequest;
  program: ProcessProgram;
  host: AttemptHost;
  scratchDirectory: string;
  nodeId: string;
  owner: FolderOwner;
  cgroups: CgroupHierarchy | null;
  /** Of the attempt, where the agent is root. */
  identity: number | null;
  /** What the launcher of this machine can do; asked once it is needed. */
  forbidUserNamespaces: () => Promise<boolean>;
  openNetwork: NetworkOpener;
  engine: string;
}

export class ProcessAttempt implements RunningAttempt {
  readonly outcome: Promise<AttemptOutcome>;
  /** After the outcome: when nothing of the attempt is left on this machine but the outputs. */
  readonly cleaned: Promise<void>;
  readonly #dependencies: ProcessAttemptDependencies;
  readonly #folder: AttemptFolder;
  readonly #clock: RunClock;
  readonly #cleaned = Promise.withResolvers<void>();
  readonly #resolve: (outcome: AttemptOutcome) => void;
  #phase: 'preparing' | 'running' | 'ending' | 'ended' = 'preparing';
  #failure: Failure | null = null;
  readonly #stopped = Promise.withResolvers<void>();
  #sandbox: SandboxProcess | null = null;
  #cgroup: AttemptCgroup | null = null;
  #network: SandboxNetwork | null = null;
  #watch: AttemptWatch | null = null;
  #stdin: FileHandle | null = null;
  #mounted: ReadonlySet<string> = new Set();
  #usage: AttemptUsage | null = null;

  constructor(dependencies: ProcessAttemptDependencies) {
    this.#dependencies = dependencies;
    const { request, scratchDirectory, owner, identity } = dependencies;
    this.#folder = new AttemptFolder(scratchDirectory, request.attemptId, { id: identity, owner });
    const { runMilliseconds } = request.limits;
    const message = `The program ran longer than its limit of ${runMilliseconds} ms.`;
    this.#clock = new RunClock(runMilliseconds, () => this.#stop({ reason: 'timeout', message, exitCode: null }));
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.outcome = promise;
    this.#resolve = resolve;
    this.cleaned = this.#cleaned.promise;
  }

  /** Called once. */
  run(): void {
    void this.#live();
  }

  kill(reason: FailureReason, message: string): void {
    this.#stop({ reason, message, exitCode: null });
  }

  /** To what the first process of the sandbox has started, which passes it on: that one itself is deaf to it. */
  async terminate(): Promise<void> {
    const initPid = this.#sandbox?.initPid ?? null;
    if (this.#phase === 'running' && initPid !== null) signalAll(children(initPid), 'SIGTERM');
  }

  async sample(): Promise<UsageSample | null> {
    if (this.#phase !== 'running') return null;
    const group = this.#cgroup;
    const tree = group === null ? this.#watch?.lookAtUsage() : undefined;
    const network = this.#network?.usage();
    return {
      cpuMilliseconds: group?.cpuMilliseconds() ?? tree?.cpuMilliseconds ?? null,
      memoryBytes: group?.memoryBytes() ?? tree?.memoryBytes ?? null,
      networkReceivedBytes: network?.receivedBytes ?? 0,
      networkSentBytes: network?.sentBytes ?? 0,
      diskBytes: this.#watch?.diskBytes ?? null,
      processes: group?.processes() ?? tree?.processes ?? null,
    };
  }

  async pause(): Promise<boolean> {
    if (this.#phase !== 'running' || this.#sandbox === null) return false;
    const frozen = this.#cgroup?.canFreeze === true ? await this.#cgroup.setFrozen(true) : this.#stopProcesses();
    if (frozen && this.#phase === 'running') this.#clock.pause();
    return frozen;
  }

  async resume(): Promise<boolean> {
    if (this.#phase !== 'running' || this.#watch === null) return false;
    const thawed =
      this.#cgroup?.canFreeze === true
        ? await this.#cgroup.setFrozen(false)
        : signalAll(this.#watch.pids().reverse(), 'SIGCONT') > 0;
    if (thawed && this.#phase === 'running') this.#clock.resume();
    return thawed;
  }

  async connect(port: number): Promise<Duplex> {
    if (this.#network === null) throw new FogError('unavailable', 'The sandbox has no way in.');
    return this.#network.connect(port);
  }

  async exec(command: readonly string[], timeoutMilliseconds: number) {
    if (this.#network === null) throw new FogError('unavailable', 'The sandbox has no way in.');
    return this.#network.exec(command, timeoutMilliseconds);
  }

  /** Until no process appears that was not stopped: a program may fork while it is being looked at. */
  #stopProcesses(): boolean {
    const stopped = new Set<number>();
    for (let round = 0; round < 100; round += 1) {
      // The first process of a namespace cannot be stopped from inside, and does nothing but wait.
      const fresh = (this.#watch?.pids() ?? []).filter((pid) => !stopped.has(pid));
      if (fresh.length === 0) return stopped.size > 0;
      signalAll(fresh, 'SIGSTOP');
      for (const pid of fresh) stopped.add(pid);
    }
    return false;
  }

  async #live(): Promise<void> {
    const timer = setTimeout(() => {
      if (this.#phase === 'preparing') this.#stop(sandboxFailure('it was not set up within the limit of the node'));
    }, PROCESS_LIMITS.prepareMilliseconds);
    let outputs: AttemptOutput[] = [];
    try {
      const prepared = await this.#prepare();
      if (this.#failure === null) {
        const exit = await this.#runSandbox(prepared);
        this.#endRun();
        this.#explain(exit);
      }
      if (this.#failure === null) outputs = await this.#collect();
    } catch (error) {
      this.#stop(asFailure(error));
    }
    clearTimeout(timer);
    await this.#end(outputs);
  }

  async #prepare(): Promise<PreparedFolder> {
    const { request, program, cgroups } = this.#dependencies;
    const prepared = await this.#folder.prepare(request, program);
    const { readOnlyBinds, symlinks } = { ...prepared, ...prepared.view, readOnlyBinds: prepared.readOnlyBinds };
    this.#mounted = new Set([...readOnlyBinds, ...symlinks].map(({ sandboxPath }) => sandboxPath));
    const { allow, inbound } = program.network;
    const hasNetwork = allow.length > 0 || inbound;
    if (hasNetwork && this.#failure === null) {
      this.#network = await this.#dependencies.openNetwork(program.network, this.#folder.networkPath);
      await this.#folder.openNetworkFolder();
      const { hostDirectory, sandboxDirectory } = this.#network;
      prepared.readOnlyBinds.push(this.#folder.networkBind(hostDirectory, sandboxDirectory));
    }
    if (cgroups !== null && this.#failure === null) {
      this.#cgroup = createCgroup(cgroups, request.attemptId, request.limits, hasNetwork);
    }
    if (request.stdin !== null && 'hostPath' in request.stdin) this.#stdin = await open(request.stdin.hostPath, 'r');
    return prepared;
  }

  async #runSandbox(prepared: PreparedFolder): Promise<SandboxExit> {
    const { request, identity, host } = this.#dependencies;
    const bytes = encodeArguments(bubblewrapArguments(await this.#sandboxOptions(prepared)));
    const argumentsHandle = await argumentsFile(this.#folder.path, bytes);
    let pipes: OutputPipes | null = null;
    try {
      pipes = await OutputPipes.open(this.#folder.path);
      const { command, args } = launchCommand({
        joinFiles: this.#cgroup?.joinFiles ?? [],
        identity: identity === null ? null : { id: identity, stages: prepared.stages },
        limits: this.#processLimits(),
        command: this.#command(),
      });
      if (this.#failure !== null) return { exitCode: null, began: false, diagnostic: '' };
      const data = request.stdin !== null && 'data' in request.stdin ? request.stdin.data : null;
      this.#sandbox = new SandboxProcess({
        command,
        args,
        stdin: this.#stdin?.fd ?? (data === null ? 'ignore' : 'pipe'),
        argumentsDescriptor: argumentsHandle.fd,
        pipes,
        cgroup: this.#cgroup,
        nodeId: this.#dependencies.nodeId,
        onBegin: (initPid) => this.#began(initPid),
        onOutput: (stream, chunk) => {
          if (this.#phase === 'running') host.log(stream, chunk);
        },
      });
      if (data !== null) this.#sandbox.stdin?.end(data);
      return await this.#sandbox.ended;
    } finally {
      pipes?.handOver();
      await argumentsHandle.close();
    }
  }

  async #sandboxOptions(prepared: PreparedFolder): Promise<Parameters<typeof bubblewrapArguments>[0]> {
    const { request, program, forbidUserNamespaces, identity } = this.#dependencies;
    const { index, count } = request.partition;
    return {
      readOnlyPaths: [],
      rootBind: prepared.rootBind,
      readOnlyBinds: prepared.readOnlyBinds,
      writableBinds: prepared.writableBinds,
      symlinks: prepared.view.symlinks,
      env: {
        ...this.#network?.env,
        ...request.env,
        FOG_PARTITION_INDEX: String(index),
        FOG_PARTITION_COUNT: String(count),
      },
      workingDirectory: program.workingDirectory,
      sharedMemoryBytes: Math.min(request.limits.memoryBytes, PROCESS_LIMITS.sharedMemoryBytes),
      forbidUserNamespaces: await forbidUserNamespaces(),
      statusDescriptor: STATUS_DESCRIPTOR,
      asRoot: process.getuid?.() === 0 && identity === null,
    };
  }

  #command(): string[] {
    const { program, request } = this.#dependencies;
    const forwarder = this.#network === null ? [] : [...this.#network.forwarderCommand, '--'];
    return [...forwarder, ...program.command, ...request.args];
  }

  #processLimits(): ProcessLimits {
    const { request, identity } = this.#dependencies;
    const { diskBytes, memoryBytes, processes } = request.limits;
    const limits = { openFiles: PROCESS_LIMITS.openFiles, fileBytes: diskBytes };
    if (this.#cgroup !== null) return limits;
    // The kernel counts threads of the user on the whole machine; an id of its own has none yet.
    const others = identity === null ? threadsOfUser(process.getuid?.() ?? 0) : 0;
    return {
      ...limits,
      processes: processes + others + PROCESS_LIMITS.ownProcesses,
      // A backstop for a program that is faster than the watch; the watch tells why it ends.
      dataBytes: 2 * memoryBytes + PROCESS_LIMITS.sharedMemoryBytes,
    };
  }

  #began(initPid: number): void {
    if (this.#phase !== 'preparing') return;
    this.#phase = 'running';
    const { request, host } = this.#dependencies;
    const { checkpoint, inputs, limits } = request;
    this.#clock.start();
    this.#watch = new AttemptWatch({
      limits,
      folders: [this.#folder.rootPath, ...(checkpoint === null ? [] : [checkpoint.hostPath])],
      // Each input may need folders above it; each mount has a place of its own.
      ownFiles:
        PROCESS_LIMITS.ownFiles + this.#mounted.size + inputs.reduce((sum, input) => sum + depth(input.sandboxPath), 0),
      cgroup: this.#cgroup,
      initPid,
      exceeded: (failure) => this.#stop(failure),
    });
    host.started();
  }

  /** The first failure stands. */
  #stop(failure: Failure): void {
    if (this.#failure !== null || this.#phase === 'ended') return;
    this.#failure = failure;
    this.#stopped.resolve();
    this.#endRun();
    this.#sandbox?.kill();
    // What is being prepared ends by itself; the outcome does not wait for it.
    if (this.#sandbox === null) void this.#finishEarly();
  }

  async #finishEarly(): Promise<void> {
    await sleep(PROCESS_LIMITS.killMilliseconds);
    this.#deliver([]);
  }

  /** Notes what was used while it can still be asked. */
  #endRun(): void {
    this.#clock.stop();
    this.#watch?.stop();
    if (this.#phase === 'running') this.#phase = 'ending';
  }

  #explain(exit: SandboxExit): void {
    const { request, program } = this.#dependencies;
    if (this.#failure !== null) return;
    const { limits } = request;
    this.#failure = explainEnd({
      ...exit,
      outOfMemoryKills: this.#cgroup?.outOfMemoryKills() ?? 0,
      startErrno: this.#network?.startFailure() ?? null,
      command: program.command[0] ?? '',
      limits,
    });
    // A program that ends itself because it got no more memory, before anybody has looked again.
    const isOver = this.#cgroup === null && (this.#watch?.peakMemoryBytes ?? 0) > limits.memoryBytes;
    if (this.#failure !== null && isOver) this.#failure = outOfMemory(limits);
  }

  async #collect(): Promise<AttemptOutput[]> {
    const { request } = this.#dependencies;
    const { rootPath, filesPath } = this.#folder;
    return collectOutputs({ request, rootPath, filesPath, mounted: this.#mounted });
  }

  async #end(outputs: AttemptOutput[]): Promise<void> {
    this.#noteUsage();
    const cleaning = this.#clean(outputs);
    // A kill is answered within its time, however long the rest takes.
    if (this.#failure === null) await cleaning;
    else await Promise.race([cleaning, sleep(PROCESS_LIMITS.killMilliseconds)]);
    this.#deliver(outputs);
    await cleaning;
    this.#cleaned.resolve();
  }

  #noteUsage(): void {
    const group = this.#cgroup;
    this.#usage = {
      wallMilliseconds: this.#clock.elapsedMilliseconds,
      cpuMilliseconds: group?.cpuMilliseconds() ?? this.#watch?.cpuMilliseconds ?? null,
      peakMemoryBytes: group?.peakMemoryBytes() ?? this.#watch?.peakMemoryBytes ?? null,
    };
  }

  async #clean(outputs: AttemptOutput[]): Promise<void> {
    await this.#stdin?.close().catch(() => {});
    await this.#network?.close();
    await this.#cgroup?.remove();
    const keepFiles = this.#failure === null && outputs.length > 0;
    await this.#folder.remove(keepFiles);
  }

  #deliver(outputs: AttemptOutput[]): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    const { engine } = this.#dependencies;
    if (this.#usage === null) this.#noteUsage();
    const usage = this.#usage ?? { wallMilliseconds: 0, cpuMilliseconds: null, peakMemoryBytes: null };
    if (this.#failure === null) this.#resolve({ status: 'succeeded', exitCode: 0, outputs, usage, engine });
    else this.#resolve({ status: 'failed', ...this.#failure, usage, engine });
  }
}

function depth(path: string): number {
  return path.split('/').length;
}

function sandboxFailure(why: string): Failure {
  return {
    reason: 'sandbox',
    message: `The sandbox could not be set up: ${why.replace(/\s+/g, ' ').slice(0, 300)}.`,
    exitCode: null,
  };
}

function asFailure(error: unknown): Failure {
  if (error instanceof OutputFault) return error.failure;
  if (error instanceof ViewConflict) {
    return {
      reason: 'rejected',
      message: `The files of the job do not fit into the sandbox: ${error.message}.`,
      exitCode: null,
    };
  }
  return sandboxFailure(error instanceof Error ? error.message : String(error));
}
