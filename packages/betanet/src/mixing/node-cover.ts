/** The loops that a node sends through the network to itself: cover for others, and its own watch (loop-alarm.ts). */
import { FogError } from '@fog/contract';
import { MIXING_LIMITS } from './limits.ts';
import { LoopAlarm, type LoopAlarmOptions } from './loop-alarm.ts';
import { PoissonStream } from './poisson-stream.ts';
import type { RandomNumbers } from './random-numbers.ts';

export interface NodeCoverOptions extends LoopAlarmOptions {
  loopsPerSecond: number;
}

export class NodeCover {
  readonly alarm: LoopAlarm;
  readonly #stream: PoissonStream;

  /**
   * Throws `invalid-configuration` for a rate or limit out of bounds, or when so many loops would be under way that
   * the alarm loses sight of them.
   */
  constructor({ loopsPerSecond, ...options }: NodeCoverOptions, now: number, random: RandomNumbers) {
    this.alarm = new LoopAlarm(options);
    this.#stream = new PoissonStream(loopsPerSecond, now, random);
    const underWay = (loopsPerSecond * options.returnMilliseconds) / 1000;
    if (underWay > MIXING_LIMITS.outstandingLoops / 2) {
      throw new FogError(
        'invalid-configuration',
        `${loopsPerSecond} loops a second with ${options.returnMilliseconds} ms to return are too many under way`,
        { details: { underWay, most: MIXING_LIMITS.outstandingLoops / 2 }, hint: 'Lower the rate of loops.' },
      );
    }
  }

  /** When `next` has a loop to send. */
  get nextAtMilliseconds(): number {
    return this.#stream.nextAtMilliseconds;
  }

  /** The numbers of the loops that are to be sent by now; `alarm.returned` takes them when they are back. */
  next(now: number, random: RandomNumbers): number[] {
    this.alarm.advance(now);
    this.#stream.skipMissed(now, random);
    const loops: number[] = [];
    while (this.#stream.takeSlot(now, random) !== null) {
      const loop = this.alarm.sent(now);
      if (loop !== null) loops.push(loop);
    }
    return loops;
  }
}
