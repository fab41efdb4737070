/**
 * Whether the loops that a node sends through the network to itself come back.
 *
 * In an (n-1) attack everything but one packet is kept from a node, to see where that one goes. Loops look like all
 * other packets, so they are kept away too, and the node notices. Source: Loopix (USENIX Security 2017), section 4.2.
 *
 *     loop    under way -> returned | lost (not back within `returnMilliseconds`)
 *     state   ok -> degraded -> alarm        ok -> alarm
 *             alarm -> degraded | ok         degraded -> ok
 *
 * Up: the losses among the last 4, 8, 16, ... loops are so many that, were the rate of loss no higher than the limit,
 * something less likely than `errorProbability` would have happened. Down: in the same way the rate is surely below the
 * limit; what was before is then forgotten. Between the two nothing changes, so the state does not flutter, and no
 * single loss decides anything. Results count in the order in which their loops were sent, when their time is over.
 */
import { binomialLowerBound, binomialLowerTail, binomialUpperBound, binomialUpperTail } from './binomial.ts';
import { assertNumber } from './configured-number.ts';
import { MIXING_LIMITS } from './limits.ts';

export const LOOP_STATES = ['ok', 'degraded', 'alarm'] as const;
export type LoopState = (typeof LOOP_STATES)[number];

export interface LoopAlarmOptions {
  /** A loop that is not back by then is lost. It should be so long that hardly any loop of a sound network is late. */
  returnMilliseconds: number;
  /** Rates of loss above which the state is degraded, or alarm. */
  degradedLoss: number;
  alarmLoss: number;
  /** How unlikely the losses must be before the state changes, for all windows together. */
  errorProbability: number;
}

/** Loopix leaves the share of loops that must return open. A sound network loses a few in a hundred at most. */
export const DEFAULT_LOOP_ALARM = { degradedLoss: 0.1, alarmLoss: 0.3, errorProbability: 1e-4 } as const;

export interface LoopCounts {
  sent: number;
  returned: number;
  lost: number;
  /** Returns after their time, which count as lost. */
  late: number;
}

export class LoopAlarm {
  readonly #options: LoopAlarmOptions;
  #state: LoopState = 'ok';
  /** The number of the next loop, and of the oldest one under way. */
  #next = 0;
  #oldest = 0;
  readonly #sentAt = new Float64Array(MIXING_LIMITS.outstandingLoops);
  readonly #isBack = new Uint8Array(MIXING_LIMITS.outstandingLoops);
  /** The last results, the newest last: whether the loop was lost. */
  #losses: boolean[] = [];
  readonly #counts: LoopCounts = { sent: 0, returned: 0, lost: 0, late: 0 };

  /** Throws `invalid-configuration` for a time or probability out of bounds. */
  constructor(options: LoopAlarmOptions) {
    assertNumber('the time for a loop to return', options.returnMilliseconds, 1, MIXING_LIMITS.wheelMilliseconds);
    assertNumber('the loss of a degraded network', options.degradedLoss, 0.001, 0.999);
    assertNumber('the loss that raises the alarm', options.alarmLoss, options.degradedLoss, 0.999);
    assertNumber('the error probability of the alarm', options.errorProbability, 1e-12, 0.1);
    this.#options = { ...options };
  }

  get state(): LoopState {
    return this.#state;
  }

  counts(): LoopCounts {
    return { ...this.#counts };
  }

  /** Bounds of the rate of loss by the results that are remembered; from 0 to 1 while there are none. */
  lossBounds(): { least: number; most: number; results: number } {
    const results = this.#losses.length;
    if (results === 0) return { least: 0, most: 1, results };
    const lost = this.#losses.filter((isLost) => isLost).length;
    const { errorProbability } = this.#options;
    return {
      least: binomialLowerBound(results, lost, errorProbability),
      most: binomialUpperBound(results, lost, errorProbability),
      results,
    };
  }

  /** A number for a loop that is sent now; null when too many are under way, and then it must not be sent. */
  sent(now: number): number | null {
    this.advance(now);
    if (this.#next - this.#oldest >= MIXING_LIMITS.outstandingLoops) return null;
    const loop = this.#next;
    this.#next += 1;
    this.#sentAt[loop % MIXING_LIMITS.outstandingLoops] = now;
    this.#isBack[loop % MIXING_LIMITS.outstandingLoops] = 0;
    this.#counts.sent += 1;
    return loop;
  }

  /** The loop came back. A number that was not given out, or came back already, changes nothing. */
  returned(loop: number, now: number): void {
    this.advance(now);
    if (!(Number.isInteger(loop) && loop >= 0 && loop < this.#next)) return;
    if (loop < this.#oldest) {
      this.#counts.late += 1;
      return;
    }
    this.#isBack[loop % MIXING_LIMITS.outstandingLoops] = 1;
  }

  /** Counts the loops whose time is over, and answers the state that follows. */
  advance(now: number): LoopState {
    while (this.#oldest < this.#next) {
      const at = this.#oldest % MIXING_LIMITS.outstandingLoops;
      if (!(now - (this.#sentAt[at] as number) >= this.#options.returnMilliseconds)) break;
      this.#oldest += 1;
      this.#take(this.#isBack[at] === 0);
    }
    return this.#state;
  }

  #take(isLost: boolean): void {
    this.#counts[isLost ? 'lost' : 'returned'] += 1;
    this.#losses.push(isLost);
    if (this.#losses.length > MIXING_LIMITS.loopResults) this.#losses.shift();
    const { state, resultsKept } = stateAfter(this.#state, this.#losses, this.#options);
    this.#state = state;
    if (resultsKept < this.#losses.length) this.#losses = this.#losses.slice(-resultsKept);
  }
}

type Limits = Pick<LoopAlarmOptions, 'degradedLoss' | 'alarmLoss' | 'errorProbability'>;

/** The decision: the state that follows from the last results (the newest last), and how many of them still count. */
export function stateAfter(
  state: LoopState,
  losses: readonly boolean[],
  { degradedLoss, alarmLoss, errorProbability }: Limits,
): { state: LoopState; resultsKept: number } {
  const windows = windowsOf(losses);
  const error = errorProbability / Math.max(1, windows.length);
  const isAbove = (limit: number) =>
    windows.some(({ trials, lost }) => binomialUpperTail(trials, lost, limit) <= error);
  if (state !== 'alarm' && isAbove(alarmLoss)) return { state: 'alarm', resultsKept: losses.length };
  if (state === 'ok' && isAbove(degradedLoss)) return { state: 'degraded', resultsKept: losses.length };
  if (state === 'ok') return { state, resultsKept: losses.length };
  const below = (limit: number) => windows.find(({ trials, lost }) => binomialLowerTail(trials, lost, limit) <= error);
  const sound = below(degradedLoss);
  if (sound !== undefined) return { state: 'ok', resultsKept: sound.trials };
  const better = state === 'alarm' ? below(alarmLoss) : undefined;
  if (better !== undefined) return { state: 'degraded', resultsKept: better.trials };
  return { state, resultsKept: losses.length };
}

/** The last 4, 8, 16, ... results, as far as there are so many. */
function windowsOf(losses: readonly boolean[]): { trials: number; lost: number }[] {
  const windows: { trials: number; lost: number }[] = [];
  let lost = 0;
  let end: number = MIXING_LIMITS.loopResultsLeast;
  for (let trials = 1; trials <= losses.length; trials += 1) {
    if (losses[losses.length - trials] === true) lost += 1;
    if (trials < end) continue;
    windows.push({ trials, lost });
    end *= 2;
  }
  return windows;
}

/** How many loops in a row have to be lost until the state is reached, after so many that returned. */
export function lossesUntil(wanted: 'degraded' | 'alarm', limits: Limits, returnedBefore: number): number {
  const before = Math.min(returnedBefore, MIXING_LIMITS.loopResults);
  let losses = new Array<boolean>(before).fill(false);
  let state: LoopState = 'ok';
  for (let lost = 1; lost <= MIXING_LIMITS.loopResults; lost += 1) {
    losses = [...losses, true].slice(-MIXING_LIMITS.loopResults);
    state = stateAfter(state, losses, limits).state;
    if (state === wanted || state === 'alarm') return lost;
  }
  return Number.POSITIVE_INFINITY;
}
