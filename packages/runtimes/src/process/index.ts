/**
 * The process runtime: native programs of this machine, or of a given root, under bubblewrap. They see their inputs
 * read-only, write into a folder of their own, have a network of loopback alone, and are held to their limits by
 * control groups where those can be written, otherwise by prlimit and by being watched.
 *
 * Attempts die with the agent, so there is nothing to adopt; groups and folders that a killed agent left are reaped.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FolderOwner } from '../folder-owner.ts';
import { PROCESS_LIMITS } from '../limits.ts';
import { networkOutlook } from '../network/forwarder-binary.ts';
import { networkOpener } from '../network/network-opener.ts';
import type {
  AttemptHost,
  AttemptRequest,
  RunningAttempt,
  RuntimeProbe,
  RuntimeSettings,
  TaskRuntime,
} from '../runtime.ts';
import { type CgroupHierarchy, findCgroups, leftoverCgroups, releaseCgroups } from './cgroups.ts';
import { attemptIdentity } from './launch.ts';
import { killOrphans } from './orphans.ts';
import { type LauncherProbe, probeLauncher } from './probe.ts';
import { ProcessAttempt } from './process-attempt.ts';

export interface ProcessRuntimeOptions {
  /** 'never' sets no control groups even where they are writable; for tests of what is done without. */
  cgroups?: 'if-possible' | 'never';
  /** Where the forwarder is kept once it is compiled; by default beside the scratch folder. */
  forwarderCacheDirectory?: string;
}

class ProcessRuntime implements TaskRuntime {
  readonly name = 'process';
  readonly #settings: RuntimeSettings;
  readonly #forwarderCache: string;
  readonly #usesCgroups: boolean;
  readonly #attempts = new Map<string, ProcessAttempt>();
  readonly #cleaning = new Set<Promise<void>>();
  readonly #owner = new FolderOwner();
  #cgroups: CgroupHierarchy | null | undefined;
  #launcher: Promise<LauncherProbe> | undefined;
  /** What the probe found, for decisions that cannot wait. */
  #found: LauncherProbe | null = null;
  #closed = false;

  constructor(settings: RuntimeSettings, options: ProcessRuntimeOptions) {
    this.#settings = settings;
    this.#usesCgroups = options.cgroups !== 'never';
    this.#forwarderCache = options.forwarderCacheDirectory ?? join(settings.scratchDirectory, '..', 'forwarder');
  }

  async probe(): Promise<RuntimeProbe> {
    const launcher = await this.#probeLauncher();
    if (!launcher.available) return launcher;
    const cgroups = this.#hierarchy();
    const freezer = cgroups?.folders.has('freezer') === true ? `cgroup-v${cgroups.version}` : 'signals';
    return {
      available: true,
      version: launcher.version,
      features: {
        limits: cgroups === null ? 'prlimit' : `cgroup-v${cgroups.version}`,
        freezer,
        'user-namespaces': launcher.forbidUserNamespaces ? 'forbidden' : 'allowed',
        network: await networkOutlook(),
      },
    };
  }

  refusal({ program, limits }: Pick<AttemptRequest, 'program' | 'trusted' | 'limits'>): string | null {
    if (program.runtime !== 'process') return `The process runtime does not run ${program.runtime} programs.`;
    if (this.#found?.available === false) return `Native programs cannot run here: ${this.#found.reason}.`;
    if (limits.memoryBytes < PROCESS_LIMITS.leastMemoryBytes) {
      return `A native program needs at least ${PROCESS_LIMITS.leastMemoryBytes} bytes of memory.`;
    }
    return null;
  }

  start(request: AttemptRequest, host: AttemptHost): RunningAttempt {
    const refusal = this.refusal(request);
    const { program } = request;
    const attempt = new ProcessAttempt({
      request,
      program: program.runtime === 'process' ? program : NO_PROGRAM,
      host,
      scratchDirectory: this.#settings.scratchDirectory,
      nodeId: this.#settings.nodeId,
      owner: this.#owner,
      cgroups: this.#hierarchy(),
      identity: this.#identity(request.attemptId),
      forbidUserNamespaces: () => this.#probeLauncher().then((found) => found.available && found.forbidUserNamespaces),
      openNetwork: networkOpener(this.#forwarderCache),
      engine: 'bubblewrap',
    });
    if (this.#closed) attempt.kill('drained', CLOSED_MESSAGE);
    else if (refusal !== null) attempt.kill('rejected', refusal);
    else if (this.#attempts.has(request.attemptId)) attempt.kill('sandbox', 'An attempt of this name is running.');
    else this.#begin(request.attemptId, attempt);
    return attempt;
  }

  async reap(): Promise<void> {
    killOrphans(this.#settings.nodeId);
    const inUse = new Set(this.#attempts.keys());
    const hierarchy = this.#hierarchy();
    const groups = hierarchy === null ? [] : leftoverCgroups(hierarchy, inUse);
    await Promise.all(groups.map((group) => group.remove()));
    await this.#owner.removeOthers(this.#settings.scratchDirectory, (name) =>
      [...this.#attempts.keys()].some((attemptId) => encodeURIComponent(attemptId) === name),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const attempt of this.#attempts.values()) attempt.kill('drained', CLOSED_MESSAGE);
    await Promise.all([...this.#attempts.values()].map((attempt) => attempt.outcome));
    await Promise.all(this.#cleaning);
    if (this.#cgroups) releaseCgroups(this.#cgroups);
    this.#cgroups = undefined;
  }

  #begin(attemptId: string, attempt: ProcessAttempt): void {
    this.#attempts.set(attemptId, attempt);
    const cleaned = attempt.cleaned.then(() => {
      this.#attempts.delete(attemptId);
      this.#cleaning.delete(cleaned);
    });
    this.#cleaning.add(cleaned);
    attempt.run();
  }

  /** Found at first use, and again after close(), which removes the node's folders. */
  #hierarchy(): CgroupHierarchy | null {
    if (!this.#usesCgroups || this.#closed) return this.#cgroups ?? null;
    if (this.#cgroups === undefined) this.#cgroups = findCgroups(this.#settings.nodeId);
    return this.#cgroups;
  }

  #identity(attemptId: string): number | null {
    if (process.getuid?.() !== 0) return null;
    return attemptIdentity(`${this.#settings.nodeId}/${attemptId}`, readFileSync('/proc/self/uid_map', 'utf8'));
  }

  #probeLauncher(): Promise<LauncherProbe> {
    this.#launcher ??= probeLauncher().then((found) => {
      this.#found = found;
      return found;
    });
    return this.#launcher;
  }
}

const CLOSED_MESSAGE = 'The node stopped running programs.';
/** Stands in for one of another runtime, which is refused before it is looked at. */
const NO_PROGRAM = {
  runtime: 'process',
  command: [],
  rootPath: null,
  workingDirectory: '/',
  network: { allow: [], inbound: false },
} as const;

/** Nothing is started before the first probe or attempt. */
export function createProcessRuntime(settings: RuntimeSettings, options: ProcessRuntimeOptions = {}): TaskRuntime {
  return new ProcessRuntime(settings, options);
}
