/**
 * One attempt in a container.
 *
 *     preparing (image, folder, network, create, attach) -> running -> collecting -> ended
 *         \___________________ kill, timeout, fault ______________________/
 *
 * An adopted one begins in `running`. When the connection to the engine breaks while it runs, the attempt waits for the
 * engine to come back and goes on with whatever became of the container. The outcome does not wait for the removal of
 * the container and its folder; `cleaned` does.
 */
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { type FailureReason, FogError, type UsageSample } from '@fog/contract';
import type { FolderOwner } from '../folder-owner.ts';
import { DOCKER_LIMITS } from '../limits.ts';
import type { NetworkOpener } from '../network/network-opener.ts';
import type { SandboxNetwork } from '../network/sandbox-network.ts';
import { RunClock } from '../run-clock.ts';
import type { AttemptHost, AttemptOutcome, AttemptOutput, AttemptRequest, RunningAttempt } from '../runtime.ts';
import { AttemptFolder, type AttemptRecord, type WritableFolder } from './attempt-folder.ts';
import { removeLeavings } from './attempt-removal.ts';
import { execInContainer } from './container-exec.ts';
import { ContainerOutput } from './container-output.ts';
import { dockerProgram, openNetwork, prepareContainer } from './container-preparation.ts';
import { ATTEMPT_LABEL, type ContainerSpec, NODE_LABEL } from './container-spec.ts';
import { millisecondsFromStartToEnd, millisecondsSinceStart, stateAfterEnd } from './container-state.ts';
import { DiskWatch } from './disk-watch.ts';
import type { Engine } from './engine.ts';
import type { EngineAccess } from './engine-access.ts';
import { EngineUnreachable } from './engine-client.ts';
import { AttemptFailed, type Failure, failureOf, isBreak, judgeEnd, startFailure, timeoutMessage } from './failure.ts';
import { processTableOf } from './nameless-files.ts';
import { OutputCollection } from './output-collection.ts';
import { deliverStdin } from './stdin.ts';
import { UsageRecord } from './usage-record.ts';

export interface DockerAttemptDependencies {
  request: AttemptRequest;
  host: AttemptHost;
  access: EngineAccess;
  scratchDirectory: string;
  owner: FolderOwner;
  nodeId: string;
  network: NetworkOpener | null;
}

/** Of the output of a container; it ends with the container's. In an object, or else awaiting it would be waiting for it. */
interface Delivery {
  delivery: Promise<void>;
}

export class DockerAttempt implements RunningAttempt {
  readonly outcome: Promise<AttemptOutcome>;
  /** Resolves when nothing of the attempt is left on the machine, or cannot be removed now. Never rejects. */
  readonly cleaned: Promise<void>;
  readonly #dependencies: DockerAttemptDependencies;
  readonly #folder: AttemptFolder;
  readonly #resolve: (outcome: AttemptOutcome) => void;
  readonly #resolveCleaned: () => void;
  readonly #abort = new AbortController();
  readonly #clock: RunClock;
  readonly #usage = new UsageRecord();
  #phase: 'preparing' | 'running' | 'collecting' | 'ended' = 'preparing';
  #engineName: string;
  #containerId: string | null = null;
  #work: Promise<void> = Promise.resolve();
  #output: ContainerOutput | null = null;
  #disk: DiskWatch | null = null;
  #network: SandboxNetwork | null = null;
  #writable: readonly WritableFolder[] = [];
  #collection: OutputCollection | null = null;
  #engineWasAway = false;
  #usageTimer: NodeJS.Timeout | undefined;

  constructor(dependencies: DockerAttemptDependencies) {
    const { request, scratchDirectory } = dependencies;
    this.#dependencies = dependencies;
    this.#folder = new AttemptFolder(scratchDirectory, request.attemptId);
    this.#engineName = `docker ${dockerProgram(request).image}`;
    this.#clock = new RunClock(request.limits.runMilliseconds, () => {
      this.#fail({ reason: 'timeout', message: timeoutMessage(request.limits.runMilliseconds), exitCode: null });
    });
    const ended = Promise.withResolvers<AttemptOutcome>();
    this.outcome = ended.promise;
    this.#resolve = ended.resolve;
    const cleaned = Promise.withResolvers<void>();
    this.cleaned = cleaned.promise;
    this.#resolveCleaned = cleaned.resolve;
  }

  get attemptId(): string {
    return this.#dependencies.request.attemptId;
  }

  /** Called once, unless `takeOver` is. */
  run(): void {
    this.#work = this.#go(() => this.#launch());
  }

  /** Goes on with a container of an agent that died. Called once. */
  takeOver(containerId: string): void {
    this.#containerId = containerId;
    this.#work = this.#go(() => this.#adopt(containerId));
  }

  kill(reason: FailureReason, message: string): void {
    this.#fail({ reason, message, exitCode: null });
  }

  get #engine(): Engine {
    return this.#dependencies.access.engine();
  }

  /** Never rejects. */
  async #go(begin: () => Promise<Delivery>): Promise<void> {
    try {
      const exitCode = await this.#follow(await begin());
      await this.#conclude(exitCode);
    } catch (error) {
      this.#fail(failureOf(error));
    }
  }

  async #launch(): Promise<Delivery> {
    const { request, access, nodeId, network } = this.#dependencies;
    const prepared = await prepareContainer({
      request,
      access,
      nodeId,
      network,
      folder: this.#folder,
      named: (engine) => {
        this.#engineName = engine;
      },
      signal: this.#abort.signal,
    });
    this.#network = prepared.network;
    this.#requireAlive();
    this.#watch(prepared.record);
    return this.#start(prepared.spec);
  }

  async #start(spec: ContainerSpec): Promise<Delivery> {
    const { stdin } = this.#dependencies.request;
    try {
      // Not to be aborted: whether a container came of it would not be known.
      this.#containerId = await this.#engine.createContainer(spec);
      this.#requireAlive();
      const stream = await this.#engine.attach(this.#containerId, { stdin: stdin !== null }, this.#abort.signal);
      const delivery = this.#outputOf().live(stream);
      delivery.catch(() => {});
      this.#abort.signal.addEventListener('abort', () => stream.destroy(), { once: true });
      await this.#engine.startContainer(this.#containerId);
      this.#requireAlive();
      this.#began(0);
      if (stdin !== null) {
        deliverStdin(stdin, stream).then(
          () => this.#folder.markStdinDelivered().catch(() => {}),
          () => {}, // The container has closed it, or ended.
        );
      }
      void this.#findProcesses();
      return { delivery };
    } catch (error) {
      if (error instanceof AttemptFailed) throw error;
      if (!(error instanceof EngineUnreachable)) throw startFailure(error);
      // It has started, by its output, and the answer was lost. Of its input nothing was sent by then.
      if (this.#phase === 'running' && stdin === null && this.#containerId !== null) {
        return this.#reconnect(this.#containerId);
      }
      throw error;
    }
  }

  async #adopt(containerId: string): Promise<Delivery> {
    const record = await this.#folder.readRecord();
    if (record === null) throw new AttemptFailed('sandbox', 'The folder of the container is gone.');
    this.#engineName = record.engine;
    this.#watch(record);
    const { State } = await this.#engine.inspectContainer(containerId);
    if (this.#dependencies.request.stdin !== null && State.Running && !this.#folder.hasStdinDelivered()) {
      throw new AttemptFailed('sandbox', 'The agent stopped before the container had its standard input.');
    }
    this.#began(millisecondsSinceStart(State));
    if (!State.Running) this.#clock.stop();
    if (State.Paused) this.#clock.pause();
    void this.#findProcesses();
    if (State.Running) {
      this.#network = await openNetwork(this.#dependencies.request, this.#dependencies.network, this.#folder);
    }
    return this.#resumeOutput(containerId);
  }

  #watch({ writable, ownEntries }: AttemptRecord): void {
    const { limits } = this.#dependencies.request;
    this.#writable = writable;
    const roots = writable.map(({ hostPath }) => hostPath);
    this.#disk = new DiskWatch(roots, limits, ownEntries, (message) => {
      this.#fail({ reason: 'output-too-large', message, exitCode: null });
    });
  }

  /** Only for a container that has somewhere to write. */
  async #findProcesses(): Promise<void> {
    const id = this.#containerId;
    if (this.#disk === null || this.#writable.length === 0 || id === null) return;
    const description = await this.#engine.inspectContainer(id).catch(() => null);
    if (description?.State.Running) this.#disk.processTable = processTableOf(description.State.Pid, id);
  }

  #outputOf(): ContainerOutput {
    this.#output ??= new ContainerOutput(this.#folder.positionPath, (stream, data) => {
      if (this.#phase === 'ended') return;
      this.#began(0);
      this.#dependencies.host.log(stream, data);
    });
    return this.#output;
  }

  /** With the answer to the start, or with the first output if that is faster. */
  #began(alreadyMilliseconds: number): void {
    if (this.#phase !== 'preparing') return;
    this.#phase = 'running';
    this.#dependencies.host.started();
    this.#clock.start(alreadyMilliseconds);
    this.#disk?.start();
    this.#usageTimer = setInterval(() => void this.sample(), DOCKER_LIMITS.usagePollMilliseconds);
  }

  /** Killed while an engine's call was under way. */
  #requireAlive(): void {
    if (this.#phase === 'ended') throw new AttemptFailed('cancelled', 'It was ended before.');
  }

  /** The exit code of the container, once all of its output is delivered. */
  async #follow({ delivery }: Delivery): Promise<number> {
    const id = this.#containerId;
    if (id === null) throw new TypeError('there is a container by now');
    let output = delivery;
    for (;;) {
      try {
        const broken = Promise.withResolvers<never>();
        output.catch(broken.reject);
        const exitCode = await Promise.race([this.#engine.waitContainer(id, this.#abort.signal), broken.promise]);
        this.#clock.stop();
        await Promise.race([output, delay(DOCKER_LIMITS.outputDrainMilliseconds, undefined, { ref: false })]);
        return exitCode;
      } catch (error) {
        this.#requireAlive();
        if (!isBreak(error)) throw error;
        output = (await this.#reconnect(id)).delivery;
      }
    }
  }

  async #reconnect(id: string): Promise<Delivery> {
    this.#engineWasAway = true;
    await this.#dependencies.access.comeBack(this.#abort.signal);
    await this.#engine.inspectContainer(id).catch((error: unknown) => {
      throw error instanceof EngineUnreachable
        ? error
        : new AttemptFailed('sandbox', 'The container was gone when its engine came back.');
    });
    return this.#resumeOutput(id);
  }

  async #resumeOutput(id: string): Promise<Delivery> {
    const output = this.#outputOf();
    const stream = await this.#engine.followLogs(id, output.resumeSeconds(), this.#abort.signal);
    const delivery = output.resumed(stream);
    delivery.catch(() => {});
    return { delivery };
  }

  async #conclude(exitCode: number): Promise<void> {
    this.#requireAlive();
    this.#phase = 'collecting';
    this.#disk?.stop();
    if (this.#disk !== null) this.#disk.processTable = null;
    const state = await stateAfterEnd(this.#engine, this.#containerId ?? '', exitCode, this.#abort.signal);
    const tooMuch = (await this.#disk?.check()) ?? null;
    if (tooMuch !== null) throw new AttemptFailed('output-too-large', tooMuch);
    const { request, scratchDirectory, owner } = this.#dependencies;
    const end = {
      status: state.Status,
      exitCode,
      oomKilled: state.OOMKilled,
      engineWasAway: this.#engineWasAway,
      ranMilliseconds: millisecondsFromStartToEnd(state),
      standardErrorHead: this.#output?.standardErrorHead ?? null,
      standardOutputBytes: this.#output?.standardOutputBytes ?? 0,
      startErrno: this.#network?.startFailure() ?? null,
    };
    const failure = judgeEnd(end, request.limits);
    if (failure !== null) return this.#fail(failure);
    const folder = join(scratchDirectory, encodeURIComponent(request.attemptId));
    this.#collection = new OutputCollection(request, this.#writable, { folder, owner });
    this.#succeed(await this.#collection.collect());
  }

  #succeed(outputs: AttemptOutput[]): void {
    if (this.#phase === 'ended') {
      void this.#collection?.discard();
      return;
    }
    const usage = this.#end();
    this.#resolve({ status: 'succeeded', exitCode: 0, outputs, usage, engine: this.#engineName });
    void this.#clean();
  }

  /** The first failure stands. */
  #fail(failure: Failure): void {
    if (this.#phase === 'ended') return;
    const kills = this.#containerId !== null && this.#phase !== 'collecting';
    const usage = this.#end();
    const outcome = { status: 'failed', ...failure, usage, engine: this.#engineName } as const;
    const confirmation = kills ? this.#killContainer() : Promise.resolve();
    const discarded = this.#collection?.discard() ?? Promise.resolve();
    const patience = delay(DOCKER_LIMITS.killConfirmationMilliseconds);
    void Promise.race([Promise.all([confirmation, discarded]), patience]).then(() => this.#resolve(outcome));
    void this.#clean();
  }

  /** A paused container dies of it too: the engine wakes it, or is told to. */
  async #killContainer(): Promise<void> {
    const id = this.#containerId ?? '';
    try {
      await this.#engine.killContainer(id);
    } catch {
      // The engine is away; the removal is tried for longer.
    }
  }

  #end(): AttemptOutcome['usage'] {
    this.#phase = 'ended';
    this.#clock.stop();
    this.#disk?.stop();
    clearInterval(this.#usageTimer);
    this.#output?.close();
    this.#abort.abort();
    return { wallMilliseconds: this.#clock.elapsedMilliseconds, ...this.#usage.totals() };
  }

  async #clean(): Promise<void> {
    // A call that is under way may make a container yet.
    await this.#work;
    await removeLeavings({
      engine: () => this.#engine,
      containerId: this.#containerId,
      labels: { [NODE_LABEL]: this.#dependencies.nodeId, [ATTEMPT_LABEL]: this.attemptId },
      folder: this.#folder,
      network: this.#network,
    });
    this.#resolveCleaned();
  }

  async sample(): Promise<UsageSample | null> {
    if (this.#phase !== 'running' || this.#containerId === null) return null;
    try {
      const sample = this.#usage.take(await this.#engine.statsOf(this.#containerId));
      const network = this.#network?.usage();
      return {
        ...sample,
        networkReceivedBytes: network?.receivedBytes ?? 0,
        networkSentBytes: network?.sentBytes ?? 0,
        diskBytes: this.#disk?.bytes ?? null,
      };
    } catch {
      return null;
    }
  }

  async terminate(): Promise<void> {
    if (this.#phase !== 'running' || this.#containerId === null) return;
    await this.#engine.killContainer(this.#containerId, 'SIGTERM').catch(() => {});
  }

  async pause(): Promise<boolean> {
    if (!(await this.#isPaused((id) => this.#engine.pauseContainer(id)))) return false;
    if (this.#isRunning()) this.#clock.pause();
    return this.#isRunning();
  }

  async resume(): Promise<boolean> {
    if ((await this.#isPaused((id) => this.#engine.resumeContainer(id))) !== false) return false;
    if (this.#isRunning()) this.#clock.resume();
    return this.#isRunning();
  }

  /**
   * Whether it stands still after the call; null when that is not known. A call that is refused says little: engines
   * refuse to pause what an earlier agent has paused.
   */
  async #isPaused(change: (containerId: string) => Promise<void>): Promise<boolean | null> {
    if (this.#phase !== 'running' || this.#containerId === null) return null;
    try {
      await change(this.#containerId).catch(() => {});
      const { State } = await this.#engine.inspectContainer(this.#containerId);
      // To Podman, what is paused does not run.
      return State.Paused || (State.Running ? false : null);
    } catch {
      return null;
    }
  }

  /** A look at what may have changed during a call. */
  #isRunning(): boolean {
    return this.#phase === 'running';
  }

  async connect(port: number): Promise<Duplex> {
    if (this.#network === null) throw new FogError('unavailable', 'This container has no way in.');
    return this.#network.connect(port);
  }

  async exec(
    command: readonly string[],
    timeoutMilliseconds: number,
  ): Promise<{ exitCode: number | null; output: string }> {
    if (this.#phase !== 'running' || this.#containerId === null) {
      throw new FogError('unavailable', 'The container does not run.');
    }
    return execInContainer(this.#engine, this.#containerId, command, timeoutMilliseconds);
  }
}
