/**
 * The warm processes of one runtime.
 *
 *     starting -> on the shelf -> taken -> put back | ended
 *
 * A realm is never used twice. A process is, where that gives nothing away: a QuickJS process, because the sandbox is
 * a new wasm instance each time; a V8 process of a trusted submitter, for the same script only. (A fresh Node process
 * costs 40 ms of CPU, a fresh realm 2 ms.) A V8 process that ran a stranger's script is never used again.
 */
import type { PooledChild } from '../child-pool.ts';
import { JAVASCRIPT_LIMITS } from '../limits.ts';

/** What the shelf knows of a process. */
export interface ShelvedChild extends PooledChild {
  /** `ChildKind.key`. */
  readonly kind: string;
  /** The script that it ran; null is a fresh process. */
  scriptPath: string | null;
  attempts: number;
  residentBytes: number;
}

export interface ChildShelfOptions<Child extends ShelvedChild> {
  slots: number;
  /** Starts a process of this kind. */
  start(kind: ChildKind): Child;
}

export interface ChildKind {
  /** Equal for processes that can stand in for each other: engine and heap. */
  key: string;
  reuse: 'never' | 'same-script' | 'always';
}

export class ChildShelf<Child extends ShelvedChild> {
  readonly #options: ChildShelfOptions<Child>;
  /** Oldest first. */
  readonly #idle = new Set<Child>();
  readonly #alive = new Set<Child>();
  #closed = false;

  constructor(options: ChildShelfOptions<Child>) {
    this.#options = options;
  }

  /** A process for this script; it may still be starting. Another one is started for the next. */
  take(kind: ChildKind, scriptPath: string): Child {
    const child = this.#find(kind, scriptPath) ?? this.#start(kind);
    this.#idle.delete(child);
    this.#restock(kind);
    return child;
  }

  /** Ends a process, or puts it back where its kind and its state allow it. */
  giveBack(child: Child, kind: ChildKind, wasOrderly: boolean): void {
    const isFit =
      wasOrderly &&
      kind.reuse !== 'never' &&
      child.attempts < JAVASCRIPT_LIMITS.attemptsPerChild &&
      child.residentBytes < JAVASCRIPT_LIMITS.idleResidentBytes;
    if (isFit && !this.#closed && this.#alive.has(child)) this.#idle.add(child);
    else child.kill();
    this.#restock(kind);
  }

  /** Ends all processes; resolves when they are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    const ends = [...this.#alive].map((child) => child.ended);
    for (const child of this.#alive) child.kill();
    await Promise.all(ends);
  }

  #find(kind: ChildKind, scriptPath: string): Child | undefined {
    const fitting = [...this.#idle].filter((child) => child.kind === kind.key);
    return (
      fitting.find((child) => child.scriptPath === scriptPath) ??
      fitting.findLast((child) => child.scriptPath === null || kind.reuse === 'always')
    );
  }

  #start(kind: ChildKind): Child {
    const child = this.#options.start(kind);
    this.#alive.add(child);
    void child.ended.then(() => {
      this.#alive.delete(child);
      this.#idle.delete(child);
    });
    return child;
  }

  /** Keeps one process for the next attempt of this kind that finds none of its own; drops the oldest above the cap. */
  #restock(kind: ChildKind): void {
    if (this.#closed) return;
    const isSpare = (child: Child): boolean =>
      child.kind === kind.key && (child.scriptPath === null || kind.reuse === 'always');
    const spares = [...this.#idle].filter(isSpare).length;
    const busy = this.#alive.size - this.#idle.size;
    const wanted = Math.min(Math.max(this.#options.slots - busy, 1), JAVASCRIPT_LIMITS.spareChildren);
    for (let count = spares; count < wanted; count += 1) this.#idle.add(this.#start(kind));
    for (const child of this.#idle) {
      if (this.#idle.size <= 2 * this.#options.slots + wanted) return;
      if (isSpare(child)) continue;
      this.#idle.delete(child);
      child.kill();
    }
  }
}
