/**
 * The checkpoint of one attempt on this machine.
 *
 *     DATA/checkpoints/<attempt>/
 *         live/     /checkpoint of the sandbox: filled before the start, written by the program
 *         copy/     what is being stored
 *
 * What comes from the coordinator was made on another node and is checked as a folder input is. What the program has
 * written is copied first, as quickly as possible since it stands still meanwhile, and stored from the copy.
 */
import { chmod, copyFile, mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Checkpoint, type JobSpec, parseDuration, type TaskOutput } from '@fog/contract';
import { type AttemptLimits, type AttemptOutput, CheckpointFault, copyCheckpoint, removeTree } from '@fog/runtimes';
import { demandOf, limitsOf } from './admission.ts';
import { AttemptFailure } from './attempt-failure.ts';
import { AGENT_LIMITS } from './limits.ts';
import { type StagedFiles, stageFolder } from './staging.ts';
import type { Transfers } from './transfers.ts';
import { type KnownBlobs, uploadOutputs } from './uploads.ts';

export interface CheckpointDependencies {
  /** Made by `prepare`, removed by `remove`. */
  folder: string;
  /** Manifest of the checkpoint from which the attempt goes on; null begins anew. */
  from: string | null;
  limits: Pick<AttemptLimits, 'diskBytes' | 'files'>;
  everyMilliseconds: number | null;
  graceMilliseconds: number;
  stage(manifest: string, signal: AbortSignal): Promise<Pick<StagedFiles, 'inputs' | 'release'>>;
  upload(output: AttemptOutput, known: KnownBlobs, signal: AbortSignal): Promise<TaskOutput>;
  /** Monotonic, in milliseconds. */
  now(): number;
}

/** Runs the copy while the program stands still, as far as that is possible. */
export type Hold = <Result>(copy: (isPaused: boolean) => Promise<Result>) => Promise<Result>;

const SANDBOX_PATH = '/checkpoint';

/** Of an attempt of this job, going on from the manifest `from`; null where its specification has no checkpoints. */
export function createCheckpoints(
  spec: JobSpec,
  id: string,
  from: string | null,
  node: { path: string; cache: Parameters<typeof stageFolder>[1]; transfers: Pick<Transfers, 'run'> },
): AttemptCheckpoints | null {
  const { checkpoint } = spec.spec.task;
  if (checkpoint === undefined) return null;
  const { every, grace } = checkpoint;
  return new AttemptCheckpoints({
    folder: join(node.path, id),
    from,
    limits: limitsOf(demandOf(spec)),
    everyMilliseconds: every === undefined ? null : parseDuration(every),
    graceMilliseconds: parseDuration(grace),
    stage: (manifest, signal) => stageFolder({ manifest, path: SANDBOX_PATH }, node.cache, signal),
    upload: async (output, known, signal) =>
      (await uploadOutputs([output], node.transfers, signal, known))[0] as TaskOutput,
    now: () => performance.now(),
  });
}

export class AttemptCheckpoints {
  readonly hostPath: string;
  readonly everyMilliseconds: number | null;
  readonly graceMilliseconds: number;
  readonly #dependencies: CheckpointDependencies;
  readonly #known: KnownBlobs;

  constructor(dependencies: CheckpointDependencies) {
    this.#dependencies = dependencies;
    this.hostPath = join(dependencies.folder, 'live');
    this.everyMilliseconds = dependencies.everyMilliseconds;
    this.graceMilliseconds = dependencies.graceMilliseconds;
    this.#known = rememberedBlobs(dependencies.now);
  }

  /** Whether the attempt goes on from an earlier one. */
  get isRestored(): boolean {
    return this.#dependencies.from !== null;
  }

  /**
   * Makes the folder and fills it. Throws `AttemptFailure` with `staging`: another node may be able to do it, and the
   * author of the job did nothing wrong.
   */
  async prepare(signal: AbortSignal): Promise<void> {
    const { folder, from, stage, limits } = this.#dependencies;
    await removeTree(folder);
    await mkdir(this.hostPath, { recursive: true, mode: 0o700 });
    if (from === null) return;
    const staged = await stage(from, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw notRestored((error as Error).message, error);
    });
    try {
      const bytes = staged.inputs.reduce((sum, input) => sum + input.bytes, 0);
      if (bytes > limits.diskBytes)
        throw notRestored(`it has ${bytes} bytes, the disk of the task ${limits.diskBytes}`);
      for (const { sandboxPath, hostPath } of staged.inputs) {
        signal.throwIfAborted();
        // A relative path without `..`, by the rules of manifests, into a folder that nobody else has seen yet.
        const target = join(this.hostPath, sandboxPath.slice(SANDBOX_PATH.length));
        await mkdir(dirname(target), { recursive: true, mode: 0o700 });
        await copyFile(hostPath, target);
        await chmod(target, 0o644); // in the cache it is read-only
      }
    } finally {
      staged.release();
    }
  }

  /**
   * Stores what is in the folder now; null when that is nothing. Throws `AttemptFailure`: with the reasons of outputs
   * for what the job did, `upload` when it cannot be stored, `sandbox` when it changed while it was copied.
   */
  async take(hold: Hold, signal: AbortSignal): Promise<Checkpoint | null> {
    const { folder, limits, upload } = this.#dependencies;
    const target = join(folder, 'copy');
    try {
      await removeTree(target);
      const copy = await hold(() => copyCheckpoint(this.hostPath, target, limits));
      signal.throwIfAborted();
      if (!copy.isStable) throw new AttemptFailure('sandbox', '/checkpoint changed while it was copied');
      if (copy.files.length === 0) return null;
      const output: AttemptOutput = { name: 'checkpoint', type: 'folder', files: copy.files };
      const { digest, bytes } = await upload(output, this.#known, signal);
      return { manifest: digest, bytes, files: copy.files.length };
    } catch (error) {
      if (!(error instanceof CheckpointFault)) throw error;
      throw new AttemptFailure(error.failure.reason, error.message, { cause: error });
    } finally {
      await removeTree(target);
    }
  }

  async remove(): Promise<void> {
    await removeTree(this.#dependencies.folder);
  }
}

/** Removes what dead agents left of checkpoints, but for these attempts, which were taken over. */
export async function removeStaleCheckpoints(path: string, kept: ReadonlySet<string>): Promise<void> {
  const names = await readdir(path).catch((): string[] => []);
  await Promise.all(names.filter((name) => !kept.has(name)).map((name) => removeTree(join(path, name))));
}

/** Of one attempt; forgets what it has not been told for a while. */
function rememberedBlobs(now: () => number): KnownBlobs {
  const stored = new Map<string, number>();
  return {
    has: (digest) =>
      (stored.get(digest) ?? Number.NEGATIVE_INFINITY) > now() - AGENT_LIMITS.checkpointKnownMilliseconds,
    add(digest) {
      if (stored.size >= AGENT_LIMITS.checkpointKnown) stored.clear();
      if (!this.has(digest)) stored.set(digest, now());
    },
  };
}

function notRestored(why: string, cause?: unknown): AttemptFailure {
  return new AttemptFailure('staging', `the checkpoint of the task could not be restored: ${why}`, { cause });
}
