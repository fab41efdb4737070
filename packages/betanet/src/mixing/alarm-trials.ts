/**
 * How soon a node's loops tell of an (n-1) attack, and how often they tell of one that is not there: many attacks on one
 * node, with its own streams and alarm, in simulated time. Each trial begins with peace until the alarm remembers as
 * many loops as it can.
 *
 *     trial   peace -> attack -> noticed | given up
 *
 * Of the network there is only what concerns loops: the delays of their hops, and the share that gets lost in peace.
 */
import { FogError } from '@fog/contract';
import { assertNumber, assertWholeNumber } from './configured-number.ts';
import { assertDelayDistribution, type DelayDistribution, drawDelayMilliseconds } from './exponential.ts';
import { MIXING_LIMITS } from './limits.ts';
import { DEFAULT_LOOP_ALARM, type LoopState } from './loop-alarm.ts';
import { NodeCover } from './node-cover.ts';
import { RandomNumbers } from './random-numbers.ts';
import { seededBytes } from './seeded-random.ts';
import { type Distribution, describeValues } from './simulation-statistics.ts';

export interface AlarmTrialOptions {
  seed: number;
  attacks: number;
  loopsPerSecond: number;
  /** When a loop counts as lost. */
  returnMilliseconds: number;
  /** Of each hop, and how many hops hold a loop back. */
  delay: DelayDistribution;
  delayingHops: number;
  /** Of loops that do not come back although nobody attacks. */
  lostShare: number;
  /** Of all packets that the attacker lets through, since it cannot tell which are loops; 0 keeps everything back. */
  passedShare: number;
}

export interface AlarmTrials {
  attacks: number;
  /** After the beginning of the attack, of those attacks that were noticed. */
  degradedMilliseconds: Distribution;
  alarmMilliseconds: Distribution;
  /** Attacks without an alarm while the alarm heard of `GIVE_UP_MEMORIES` times as many loops as it remembers. */
  withoutAlarm: number;
  /** Simulated hours of the node in peace, and how often its state left `ok` in them, and came to `alarm`. */
  peaceHours: number;
  falselyDegraded: number;
  falseAlarms: number;
}

const GIVE_UP_MEMORIES = 2;

/** The same seed gives the same answer. Throws `invalid-configuration` for an option out of bounds. */
export function tryAlarm(options: AlarmTrialOptions): AlarmTrials {
  assertOptions(options);
  const random = new RandomNumbers(seededBytes(options.seed));
  const trials = Array.from({ length: options.attacks }, () => new Trial(options, random).run());
  const noticed = (state: 'degradedAfter' | 'alarmAfter') =>
    describeValues(trials.map((trial) => trial[state]).filter((after) => after !== null));
  return {
    attacks: options.attacks,
    degradedMilliseconds: noticed('degradedAfter'),
    alarmMilliseconds: noticed('alarmAfter'),
    withoutAlarm: trials.filter(({ alarmAfter }) => alarmAfter === null).length,
    peaceHours: trials.reduce((sum, { peaceMilliseconds }) => sum + peaceMilliseconds, 0) / 3_600_000,
    falselyDegraded: trials.reduce((sum, { falselyDegraded }) => sum + falselyDegraded, 0),
    falseAlarms: trials.reduce((sum, { falseAlarms }) => sum + falseAlarms, 0),
  };
}

function assertOptions(options: AlarmTrialOptions): void {
  assertWholeNumber('the number of attacks', options.attacks, 0, MIXING_LIMITS.simulatedAttacks);
  assertWholeNumber('the hops that hold a loop back', options.delayingHops, 0, MIXING_LIMITS.simulatedLayers + 1);
  assertNumber('the share of loops that get lost', options.lostShare, 0, 1);
  assertNumber('the share of packets that an attacker lets through', options.passedShare, 0, 1);
  assertDelayDistribution(options.delay);
  if (options.attacks > 0 && !(options.loopsPerSecond > 0)) {
    throw new FogError('invalid-configuration', 'without loops of nodes nobody notices an attack', {
      hint: 'give nodes a rate of loops above 0, or try no attacks',
    });
  }
}

interface TrialResult {
  degradedAfter: number | null;
  alarmAfter: number | null;
  peaceMilliseconds: number;
  falselyDegraded: number;
  falseAlarms: number;
}

class Trial {
  readonly #options: AlarmTrialOptions;
  readonly #random: RandomNumbers;
  readonly #cover: NodeCover;
  readonly #attackAt: number;
  readonly #result: TrialResult;
  /** Loops that will come back unless they are kept from the node then; the next one last. */
  readonly #returning: { loop: number; at: number }[] = [];
  #state: LoopState = 'ok';

  constructor(options: AlarmTrialOptions, random: RandomNumbers) {
    const { loopsPerSecond, returnMilliseconds } = options;
    this.#options = options;
    this.#random = random;
    this.#cover = new NodeCover({ ...DEFAULT_LOOP_ALARM, loopsPerSecond, returnMilliseconds }, 0, random);
    this.#attackAt = (MIXING_LIMITS.loopResults * 1000) / loopsPerSecond + returnMilliseconds;
    this.#result = {
      degradedAfter: null,
      alarmAfter: null,
      peaceMilliseconds: this.#attackAt,
      falselyDegraded: 0,
      falseAlarms: 0,
    };
  }

  run(): TrialResult {
    const { loopsPerSecond, returnMilliseconds } = this.#options;
    const memory = (MIXING_LIMITS.loopResults * 1000) / loopsPerSecond;
    const giveUpAt = this.#attackAt + GIVE_UP_MEMORIES * memory + returnMilliseconds;
    for (let now = 0; now < giveUpAt && this.#result.alarmAfter === null; ) {
      const slotAt = this.#cover.nextAtMilliseconds;
      const next = this.#returning.at(-1);
      if (next !== undefined && next.at <= slotAt) {
        now = next.at;
        this.#returning.pop();
        if (now < this.#attackAt || this.#isPassed()) this.#cover.alarm.returned(next.loop, now);
      } else {
        now = slotAt;
        this.#send(now);
      }
      this.#watch(now);
    }
    return this.#result;
  }

  #send(now: number): void {
    const { delay, delayingHops, lostShare } = this.#options;
    for (const loop of this.#cover.next(now, this.#random)) {
      let at = now;
      for (let hop = 0; hop < delayingHops; hop += 1) at += drawDelayMilliseconds(delay, this.#random);
      if (lostShare > 0 && this.#random.uniform() < lostShare) continue;
      const behind = this.#returning.findLastIndex((other) => other.at > at);
      this.#returning.splice(behind + 1, 0, { loop, at });
    }
  }

  #isPassed(): boolean {
    return this.#options.passedShare > 0 && this.#random.uniform() < this.#options.passedShare;
  }

  #watch(now: number): void {
    const before = this.#state;
    const { state } = this.#cover.alarm;
    this.#state = state;
    if (now < this.#attackAt) {
      if (before === 'ok' && state !== 'ok') this.#result.falselyDegraded += 1;
      if (before !== 'alarm' && state === 'alarm') this.#result.falseAlarms += 1;
      return;
    }
    if (state !== 'ok') this.#result.degradedAfter ??= now - this.#attackAt;
    if (state === 'alarm') this.#result.alarmAfter ??= now - this.#attackAt;
  }
}
