/**
 * The docker runtime: containers of images, by the engine of this machine, Docker's or Podman's.
 *
 * A container has no network but its loopback, a read-only root, no capabilities, no rights to gain, limits of memory,
 * time, processes and disk, and runs as nobody. It outlives the agent: the next one adopts it by its labels.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { FolderOwner } from '../folder-owner.ts';
import { DOCKER_LIMITS } from '../limits.ts';
import { networkOutlook } from '../network/forwarder-binary.ts';
import type { NetworkOpener } from '../network/network-opener.ts';
import { removeTree } from '../remove-tree.ts';
import type {
  AttemptHost,
  AttemptRequest,
  RunningAttempt,
  RuntimeProbe,
  RuntimeSettings,
  TaskRuntime,
} from '../runtime.ts';
import { attemptFolders, decodeName, isAttemptFolder } from './attempt-folder.ts';
import { ATTEMPT_LABEL, NODE_LABEL } from './container-spec.ts';
import { DockerAttempt } from './docker-attempt.ts';
import { EngineAccess } from './engine-access.ts';
import { EngineUnreachable } from './engine-client.ts';
import { quoted } from './failure.ts';

export interface DockerOptions {
  /** The engine's Unix socket; otherwise that of DOCKER_HOST, or the usual places of Docker and Podman. */
  socketPath?: string;
  /** Makes the way in and out of a sandbox; without it, requests that need one are refused. */
  network?: NetworkOpener;
}

class DockerRuntime implements TaskRuntime {
  readonly name = 'docker';
  readonly #settings: RuntimeSettings;
  readonly #options: DockerOptions;
  readonly #access: EngineAccess;
  /** From their start until nothing is left of them. */
  readonly #attempts = new Set<DockerAttempt>();
  readonly #owner = new FolderOwner();
  #closed = false;

  constructor(settings: RuntimeSettings, options: DockerOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#access = new EngineAccess(options.socketPath, process.env);
  }

  async probe(): Promise<RuntimeProbe> {
    try {
      const { version, info } = await this.#access.describe();
      const api = await this.#access.engine().client.apiVersion();
      return {
        available: true,
        version: version.version,
        features: {
          engine: version.engine,
          api,
          architecture: version.architecture,
          cgroup: info.CgroupVersion ?? '1',
          storage: info.Driver ?? 'unknown',
          init: info.InitBinary ? 'yes' : 'no',
          network: this.#options.network === undefined ? 'no' : await networkOutlook(),
          liveRestore: info.LiveRestoreEnabled === true ? 'yes' : 'no',
        },
      };
    } catch (error) {
      const hint =
        'Start Docker or Podman with its API socket, and let this user open it (group docker), or set DOCKER_HOST.';
      return { available: false, reason: `No container engine: ${quoted((error as Error).message)}.`, hint };
    }
  }

  refusal({ program, limits }: Pick<AttemptRequest, 'program' | 'trusted' | 'limits'>): string | null {
    if (program.runtime !== 'docker') return `The docker runtime does not run ${program.runtime} programs.`;
    if (limits.memoryBytes < DOCKER_LIMITS.leastMemoryBytes) {
      return `A container needs at least ${DOCKER_LIMITS.leastMemoryBytes} bytes of memory.`;
    }
    const { allow, inbound } = program.network;
    if ((allow.length > 0 || inbound) && this.#options.network === undefined) {
      return 'Containers on this node have no network, and this program asks for some.';
    }
    return null;
  }

  start(request: AttemptRequest, host: AttemptHost): RunningAttempt {
    const attempt = this.#attempt(request, host);
    if (this.#closed) {
      attempt.kill('drained', CLOSED_MESSAGE);
      return attempt;
    }
    const refusal = this.refusal(request);
    if (refusal === null) attempt.run();
    else attempt.kill('rejected', refusal);
    return attempt;
  }

  async adopt(request: AttemptRequest, host: AttemptHost): Promise<RunningAttempt | null> {
    if (this.#closed || request.program.runtime !== 'docker') return null;
    const labels = { [NODE_LABEL]: this.#settings.nodeId, [ATTEMPT_LABEL]: request.attemptId };
    const found = await this.#access.engine().listContainers(labels);
    // One that was made and not started has run nothing: it is started anew, and reap() removes this one.
    const container = found.find(({ State }) => State !== 'created');
    if (container === undefined || this.#isActive(request.attemptId)) return null;
    const attempt = this.#attempt(request, host);
    attempt.takeOver(container.Id);
    return attempt;
  }

  async reap(): Promise<void> {
    // What starts meanwhile is active before it has a container or a folder: so it is asked for after each look.
    const { scratchDirectory } = this.#settings;
    await this.#owner.removeOthers(
      scratchDirectory,
      (name) => isAttemptFolder(name) || this.#isActive(decodeName(name)),
    );
    const folders = await attemptFolders(scratchDirectory);
    try {
      const engine = this.#access.engine();
      const containers = await engine.listContainers({ [NODE_LABEL]: this.#settings.nodeId });
      for (const { Id, Labels } of containers) {
        if (!this.#isActive(Labels[ATTEMPT_LABEL] ?? '')) await engine.removeContainer(Id);
      }
    } catch (error) {
      // A machine without an engine: a container that was left would have its folder.
      if (error instanceof EngineUnreachable && folders.length === 0) return;
      throw error;
    }
    for (const { path, attemptId } of folders) {
      if (!this.#isActive(attemptId)) await removeTree(path);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const attempts = [...this.#attempts];
    for (const attempt of attempts) attempt.kill('drained', CLOSED_MESSAGE);
    await Promise.all(attempts.map(({ outcome }) => outcome));
    // An engine that is away keeps what it has; the next agent of this node reaps it.
    const patience = delay(DOCKER_LIMITS.closeMilliseconds, undefined, { ref: false });
    await Promise.race([Promise.all(attempts.map(({ cleaned }) => cleaned)), patience]);
    this.#access.close();
  }

  #isActive(attemptId: string): boolean {
    return [...this.#attempts].some((attempt) => attempt.attemptId === attemptId);
  }

  #attempt(request: AttemptRequest, host: AttemptHost): DockerAttempt {
    const { scratchDirectory, nodeId } = this.#settings;
    const network = this.#options.network ?? null;
    const attempt = new DockerAttempt({
      request,
      host,
      access: this.#access,
      scratchDirectory,
      owner: this.#owner,
      nodeId,
      network,
    });
    this.#attempts.add(attempt);
    void attempt.cleaned.then(() => this.#attempts.delete(attempt));
    return attempt;
  }
}

const CLOSED_MESSAGE = 'The node stopped running programs.';

/** Looks for an engine with the first call that needs one; makes no connection before. */
export function createDockerRuntime(settings: RuntimeSettings, options: DockerOptions = {}): TaskRuntime {
  return new DockerRuntime(settings, options);
}
