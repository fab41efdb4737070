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
 *         \____________\<--> paused
 */
export class HealthWatch {
  readonly #dependencies: HealthWatchDependencies;
  #state: HealthState;
  #endWait = () => {};
  /** Of waiting and checking; what comes of an earlier one does not count. */
  #round = 0;
  #isOver = false;

  constructor(state: HealthState, dependencies: HealthWatchDependencies) {
    this.#state = state;
    this.#dependencies = dependencies;
    this.#wait();
  }

  stop(): void {
    this.#isOver = true;
    this.pause();
  }

  pause(): void {
    this.#round += 1;
    this.#endWait();
  }

  resume(): void {
    if (!this.#isOver) this.#wait();
  }

  #wait(): void {
    const { policy, timer } = this.#dependencies;
    const delay = checkDelay(this.#state, policy, timer.now());
    this.#round += 1;
    this.#endWait = startLongTimer(delay, () => void this.#check(this.#round), timer);
  }

  async #check(round: number): Promise<void> {
    const { policy, check, checked, timer } = this.#dependencies;
    const result = await check();
    if (round !== this.#round) return;
    this.#state = afterCheck(this.#state, policy, result, timer.now());
    this.#isOver = this.#state.status === 'unhealthy';
    if (!this.#isOver) this.#wait();
    checked(this.#state);
  }
}
