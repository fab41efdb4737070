/**
 * Measures what a container writes while it runs. A single file is bounded by RLIMIT_FSIZE, /tmp by its own size; that
 * many files do not pass the limit together is seen here, some tens of milliseconds after it happened.
 */
import { DOCKER_LIMITS } from '../limits.ts';
import type { AttemptLimits } from '../runtime.ts';
import { namelessBytes, type ProcessTable } from './nameless-files.ts';
import { measureWritten, TooDeep, type Written } from './written-files.ts';

export class DiskWatch {
  readonly #roots: readonly string[];
  readonly #most: Written;
  readonly #exceeded: (message: string) => void;
  readonly #limits: Pick<AttemptLimits, 'diskBytes' | 'files'>;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Of the last measurement; null before it. What /tmp holds is memory. */
  bytes: number | null;

  /** Set once the container runs, where its processes can be looked at. */
  processTable: ProcessTable | null = null;

  /** `ownEntries` are there without the job's doing. `exceeded` is called once at most. */
  constructor(
    roots: readonly string[],
    limits: Pick<AttemptLimits, 'diskBytes' | 'files'>,
    ownEntries: number,
    exceeded: (message: string) => void,
  ) {
    this.#roots = roots;
    this.bytes = roots.length === 0 ? 0 : null;
    this.#limits = limits;
    this.#most = { bytes: limits.diskBytes, files: limits.files + ownEntries };
    this.#exceeded = exceeded;
  }

  start(): void {
    if (this.#roots.length > 0) this.#later(DOCKER_LIMITS.diskPollMilliseconds);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** What is wrong with what was written, as a sentence, or null. Throws the errors of the file system. */
  async check(): Promise<string | null> {
    try {
      const written = await measureWritten(this.#roots, this.#most);
      // On the way of the same limit: names are a matter of the job's taste.
      if (this.processTable !== null) written.bytes += namelessBytes(this.processTable);
      this.bytes = written.bytes;
      if (written.bytes > this.#most.bytes)
        return `More was written than the limit of ${this.#limits.diskBytes} bytes.`;
      if (written.files > this.#most.files) return `More files were made than the limit of ${this.#limits.files}.`;
      return null;
    } catch (error) {
      if (error instanceof TooDeep) return 'Folders were made within folders without end.';
      const { code } = error as NodeJS.ErrnoException;
      // Only where the agent is not root: what it cannot measure could grow without end.
      if (code === 'EACCES' || code === 'EPERM')
        return 'A folder was closed, so that what is in it cannot be measured.';
      throw error;
    }
  }

  #later(milliseconds: number): void {
    this.#timer = setTimeout(() => void this.#poll(), milliseconds);
    this.#timer.unref();
  }

  async #poll(): Promise<void> {
    const startedAtMilliseconds = performance.now();
    // What cannot be read now is looked at again at the end.
    const fault = await this.check().catch(() => null);
    if (this.#stopped) return;
    if (fault !== null) {
      this.stop();
      this.#exceeded(fault);
      return;
    }
    const took = performance.now() - startedAtMilliseconds;
    this.#later(Math.max(DOCKER_LIMITS.diskPollMilliseconds, took * DOCKER_LIMITS.diskPollShare));
  }
}
