/** How long an attempt waits for its pod, and for what it lacks. Times are monotonic milliseconds. */
import type { FailureReason } from '@fog/contract';
import { oneLine } from './fields.ts';
import { pullTrouble, type Trouble } from './pod-verdict.ts';
import type { KubernetesTiming } from './timing.ts';

export interface Exhaustion {
  kind: Trouble['kind'] | 'no-pod' | 'slow';
  reason: FailureReason;
  message: string;
}

export class PendingPatience {
  readonly #timing: KubernetesTiming;
  readonly #now: () => number;
  #begunAtMilliseconds = 0;
  #trouble: Trouble | null = null;
  #troubledAtMilliseconds = 0;

  constructor(timing: KubernetesTiming, now: () => number = () => performance.now()) {
    this.#timing = timing;
    this.#now = now;
  }

  begin(): void {
    this.#begunAtMilliseconds = this.#now();
  }

  /** What its pod lacks now; null is nothing but time. */
  troubled(trouble: Trouble | null): void {
    const before = this.#trouble;
    if (trouble !== null && trouble.kind !== before?.kind) this.#troubledAtMilliseconds = this.#now();
    // While it waits for its next try, the kubelet may not repeat why the last one failed.
    const isEcho = trouble?.kind === 'pull' && before?.kind === 'pull' && /Back-off/i.test(trouble.message);
    this.#trouble = isEcho ? before : trouble;
  }

  /** What patience has run out for, or null. */
  exhausted(hasPod: boolean): Exhaustion | null {
    const waited = this.#now() - this.#begunAtMilliseconds;
    const troubled = this.#now() - this.#troubledAtMilliseconds;
    const trouble = this.#trouble;
    if (!hasPod && waited >= this.#timing.podMilliseconds) {
      const message = `The cluster made no pod for the Job within ${this.#timing.podMilliseconds} ms`;
      return { kind: 'no-pod', reason: 'sandbox', message };
    }
    if (trouble !== null && troubled >= this.#limit(trouble.kind)) {
      const { kind, reason, message } = trouble;
      return { kind, reason, message };
    }
    if (waited >= this.#timing.pendingMilliseconds) {
      const message = `The pod did not start within ${this.#timing.pendingMilliseconds} ms`;
      return { kind: 'slow', reason: 'sandbox', message };
    }
    return null;
  }

  /** The same with what the cluster's events say, where there are any. */
  explain(exhaustion: Exhaustion, said: string | null): { reason: FailureReason; message: string } {
    const { kind, reason, message } = exhaustion;
    if (said === null || kind === 'unschedulable' || kind === 'other') return { reason, message };
    if (kind === 'pull') return pullTrouble(said);
    return { reason, message: oneLine(`${message}: ${said}`) };
  }

  #limit(kind: Trouble['kind']): number {
    if (kind === 'unschedulable') return this.#timing.unschedulableMilliseconds;
    return kind === 'pull' ? this.#timing.pullMilliseconds : this.#timing.troubleMilliseconds;
  }
}
