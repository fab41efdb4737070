/**
 * What attempts use over time, as their nodes tell it. Thinned, so that an attempt that runs for a month has not much
 * more rows than one that runs for an hour: after each `samplesApart` of them the distance to the next doubles.
 */
import type { AttemptName, UsageSample } from '@fog/contract';
import { DISPATCH_LIMITS } from '../limits.ts';
import type { Database } from '../store/database.ts';
import { insertSamples, type NewSample } from '../store/sample-rows.ts';
import type { AgentSession } from './sessions.ts';

export class Samples {
  readonly #database: Database;
  readonly #now: () => number;
  #waiting: NewSample[] = [];

  constructor(database: Database, now: () => number) {
    this.#database = database;
    this.#now = now;
  }

  /** Takes in what a node tells of attempts that it holds; too much of it is dropped. */
  add(session: AgentSession, samples: readonly { attempt: AttemptName; usage: UsageSample }[]): void {
    const at = this.#now();
    for (const { attempt, usage } of samples) {
      const sampling = session.samplingOf(attempt);
      if (sampling === undefined || at < sampling.notBefore) continue;
      if (this.#waiting.length >= DISPATCH_LIMITS.waitingSamples) return;
      sampling.count += 1;
      sampling.notBefore = at + sampleDistance(sampling.count);
      this.#waiting.push({ attempt, at, usage });
    }
  }

  /** Stores what has come in. Called every second; what cannot be stored is not missed. */
  async store(): Promise<void> {
    const samples = this.#waiting;
    if (samples.length === 0) return;
    this.#waiting = [];
    await this.#database.write((writer) => insertSamples(writer, samples));
  }
}

/** Milliseconds to the next sample after `count` of them. */
export function sampleDistance(count: number): number {
  const { sampleMilliseconds, samplesApart } = DISPATCH_LIMITS;
  return sampleMilliseconds * 2 ** Math.floor(count / samplesApart);
}
