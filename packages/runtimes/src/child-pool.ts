/**
 * A pool of warm child processes, each running one attempt at a time.
 *
 *     starting -> idle -> leased -> (release) idle
 *         \         \        \----> (release without reuse, kill, death) ended -> replaced at once
 *          \_________\____________/
 *
 * The pool keeps `size` processes alive and knows nothing of what they do. A child is whatever `start` returns: node
 * itself, node under bubblewrap, anything that says when it is ready and when it has ended. Single-use children are
 * released with `reuse: false`.
 */
import { CHILD_LIMITS } from './limits.ts';

/** Why a process is no more. */
export interface ChildEnd {
  exitCode: number | null;
  signal: string | null;
  /** The last bytes of its stderr as text, or the reason why it could not be spawned. */
  diagnostic: string;
}

export interface PooledChild {
  /** Resolves when it can take its first attempt. Never rejects: a child that dies before ends instead. */
  readonly ready: Promise<void>;
  /** Resolves when the process is gone. Never rejects. */
  readonly ended: Promise<ChildEnd>;
  /** SIGKILL. Idempotent. */
  kill(): void;
}

export interface ChildPoolOptions<Child extends PooledChild> {
  /** Processes kept alive. */
  size: number;
  start(): Child;
}

/** A place in the queue for a child. */
export interface ChildLease<Child> {
  /** Resolves with a child that is ready and belongs to the caller, or with the reason why there will be none. */
  readonly child: Promise<Child | LeaseRefusal>;
  /** Gives up the place. `child` then resolves with a refusal, unless it already resolved with a child. */
  cancel(): void;
}

export interface LeaseRefusal {
  refused: 'closed' | 'cancelled' | 'broken';
  message: string;
}

interface Waiting<Child> {
  prefer: (child: Child) => number;
  settle: (result: Child | LeaseRefusal) => void;
}

export function isRefusal(result: object): result is LeaseRefusal {
  return 'refused' in result;
}

export class ChildPool<Child extends PooledChild> {
  readonly #options: ChildPoolOptions<Child>;
  readonly #alive = new Set<Child>();
  /** Killed, but not yet gone. */
  readonly #ending = new Set<Child>();
  /** Least recently used first. */
  readonly #idle = new Set<Child>();
  readonly #waiting: Waiting<Child>[] = [];
  #failuresInARow = 0;
  #closed = false;

  constructor(options: ChildPoolOptions<Child>) {
    this.#options = options;
  }

  /** Starts the processes. Called by the first lease as well. */
  warm(): void {
    while (!this.#closed && this.#alive.size < this.#options.size) this.#start();
  }

  /**
   * Asks for a child. `prefer` rates those that are idle, the highest is taken (and among equals the one that was
   * idle for the longest time); it is not called when none is idle: then the first to become idle is taken.
   */
  lease(prefer: (child: Child) => number = () => 0): ChildLease<Child> {
    const { promise, resolve } = Promise.withResolvers<Child | LeaseRefusal>();
    const waiting: Waiting<Child> = { prefer, settle: resolve };
    if (this.#closed) {
      resolve({ refused: 'closed', message: 'The runtime is closed.' });
      return { child: promise, cancel: () => {} };
    }
    // After a row of failures the pool rests until somebody asks again.
    if (this.#alive.size === 0) this.#failuresInARow = 0;
    this.#waiting.push(waiting);
    this.warm();
    this.#serve();
    const cancel = (): void => {
      const index = this.#waiting.indexOf(waiting);
      if (index < 0) return;
      this.#waiting.splice(index, 1);
      resolve({ refused: 'cancelled', message: 'The lease was given up.' });
    };
    return { child: promise, cancel };
  }

  /** Gives a child back. Without `reuse` it is killed and replaced. */
  release(child: Child, { reuse }: { reuse: boolean }): void {
    if (!reuse || this.#closed) {
      this.#discard(child);
      return;
    }
    if (!this.#alive.has(child)) return;
    this.#idle.add(child);
    this.#serve();
  }

  /** Kills all children, refuses all who wait; resolves when every process is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#waiting.splice(0)) {
      waiting.settle({ refused: 'closed', message: 'The runtime is closed.' });
    }
    const children = [...this.#alive, ...this.#ending];
    for (const child of children) child.kill();
    await Promise.all(children.map((child) => child.ended));
  }

  #start(): void {
    const child = this.#options.start();
    this.#alive.add(child);
    let ready = false;
    const timer = setTimeout(() => child.kill(), CHILD_LIMITS.readyMilliseconds);
    timer.unref();
    void child.ready.then(() => {
      clearTimeout(timer);
      if (!this.#alive.has(child)) return;
      ready = true;
      this.#failuresInARow = 0;
      this.#idle.add(child);
      this.#serve();
    });
    void child.ended.then((end) => {
      clearTimeout(timer);
      const discarded = !this.#alive.delete(child);
      this.#idle.delete(child);
      this.#ending.delete(child);
      if (!ready && !discarded) this.#startFailed(end);
      else this.warm();
    });
  }

  /** The place of a discarded child is free at once; its process may take some milliseconds to be gone. */
  #discard(child: Child): void {
    if (!this.#alive.delete(child)) return;
    this.#idle.delete(child);
    this.#ending.add(child);
    child.kill();
    this.warm();
  }

  #startFailed(end: ChildEnd): void {
    this.#failuresInARow += 1;
    if (this.#closed) return;
    if (this.#failuresInARow < CHILD_LIMITS.failuresInARow) {
      this.warm();
      return;
    }
    const cause = end.diagnostic.trim().split('\n').at(-1) ?? '';
    const how = end.signal === null ? `exit code ${end.exitCode ?? 'unknown'}` : `signal ${end.signal}`;
    const message = `A sandbox process could not start (${how})${cause === '' ? '' : `: ${cause.slice(0, 300)}`}`;
    for (const waiting of this.#waiting.splice(0)) waiting.settle({ refused: 'broken', message });
  }

  #serve(): void {
    while (this.#idle.size > 0) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) return;
      let best: Child | null = null;
      let bestRating = Number.NEGATIVE_INFINITY;
      for (const child of this.#idle) {
        const rating = waiting.prefer(child);
        if (best !== null && rating <= bestRating) continue;
        best = child;
        bestRating = rating;
      }
      if (best === null) return;
      this.#idle.delete(best);
      waiting.settle(best);
    }
  }
}
