/** Checks one run of a program again and again. What follows from the results decides health.ts. */
import { type LongTimerDependencies, startLongTimer } from '@fog/runtimes';
import { afterCheck, type CheckResult, checkDelay, type HealthPolicy, type HealthState } from './health.ts';

export interface HealthWatchDependencies {
  policy: HealthPolicy;
  /** Carries out one check, within its time limit. Never rejects. */
  check(): Promise<CheckResult>;
  checked(state: HealthState): void;
  timer: LongTimerDependencies;
}

/**
 *     waiting <-> checking -> over: unhealthy, or stopped
 */
export class HealthWatch {
  readonly #dependencies: HealthWatchDependencies;
  #state: HealthState;
  #endWait = () => {};
  #isOver = false;

  constructor(state: HealthState, dependencies: HealthWatchDependencies) {
    this.#state = state;
    this.#dependencies = dependencies;
    this.#wait();
  }

  stop(): void {
    this.#isOver = true;
    this.#endWait();
  }

  #wait(): void {
    const { policy, timer } = this.#dependencies;
    const delay = checkDelay(this.#state, policy, timer.now());
    this.#endWait = startLongTimer(delay, () => void this.#check(), timer);
  }

  async #check(): Promise<void> {
    const { policy, check, checked, timer } = this.#dependencies;
    const result = await check();
    if (this.#isOver) return;
    this.#state = afterCheck(this.#state, policy, result, timer.now());
    this.#isOver = this.#state.status === 'unhealthy';
    if (!this.#isOver) this.#wait();
    checked(this.#state);
  }
}
