/**
 * Keeps the consensus of the epochs around now: of the last one (packets of it are still under way), the present one and,
 * once the authorities have it, the next.
 *
 *     starting -> following -> stopped
 *                     '--> skewed: this clock and those of the authorities disagree; nothing is followed any more
 *
 * Everything that an authority answers is checked (verify-consensus.ts) before anybody sees it.
 */
import { FogError } from '@fog/contract';
import type { Consensus } from '../directory/documents.ts';
import type { Genesis } from '../directory/genesis.ts';
import { DIRECTORY_LIMITS } from '../directory/limits.ts';
import { epochAt, epochStart } from '../directory/schedule.ts';
import { clockSkew, verifyConsensus } from '../directory/verify-consensus.ts';
import type { DirectoryClient } from './directory-client.ts';
import { DIRECTORY_SERVICE_LIMITS } from './limits.ts';

export interface ConsensusFollowerOptions {
  genesis: Genesis;
  directory: Pick<DirectoryClient, 'consensus' | 'statuses'>;
  /** Milliseconds since 1970. Default: the system's. */
  now?(): number;
  /** Something new is known, or another epoch has begun. The oldest first; never empty. */
  changed(consensuses: readonly Consensus[]): void;
  /** Why there is none of the present epoch, once until there is one. */
  missing?(reason: string): void;
  /** This clock is wrong: what is done by it would be, too. */
  skewed(error: FogError): void;
}

export class ConsensusFollower implements Disposable {
  readonly #options: ConsensusFollowerOptions;
  readonly #now: () => number;
  readonly #known = new Map<number, Consensus>();
  readonly #first = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;
  #hasToldMissing = false;
  #toldEpoch = Number.NEGATIVE_INFINITY;
  /** By the clock that is checked, and by the one of timers, which nobody sets. */
  #clockChecked = { at: Number.NEGATIVE_INFINITY, ticks: Number.NEGATIVE_INFINITY };

  constructor(options: ConsensusFollowerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#first.promise.catch(() => {});
    void this.#follow();
  }

  /** The oldest first. */
  get consensuses(): readonly Consensus[] {
    return [...this.#known.values()].toSorted((a, b) => a.body.epoch - b.body.epoch);
  }

  /** Of the epoch that now is. */
  get present(): Consensus | null {
    return this.#known.get(epochAt(this.#options.genesis, this.#now())) ?? null;
  }

  /** Resolves when a consensus is known that is of this epoch or the next. Rejects when the signal does. */
  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    await Promise.race([this.#first.promise, aborted]);
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #follow(): Promise<void> {
    if (this.#isStopped) return;
    await this.#checkClock();
    await this.#fetchMissing();
    if (!this.#isStopped) this.#timer = setTimeout(() => void this.#follow(), this.#pause());
  }

  /** Asked once an epoch, and when this clock was set, of all authorities at once; the answer of one alone proves nothing. */
  async #checkClock(): Promise<void> {
    const [now, ticks] = [this.#now(), performance.now()];
    const passed = ticks - this.#clockChecked.ticks;
    const wasSet = Math.abs(now - this.#clockChecked.at - passed) > DIRECTORY_LIMITS.clockSkewMilliseconds;
    if (passed < this.#options.genesis.epochMilliseconds && !wasSet) return;
    const answers = await this.#options.directory.statuses();
    if (answers.length < this.#options.genesis.threshold) return;
    this.#clockChecked = { at: now, ticks };
    // How far each authority's clock is from ours, whenever it was asked.
    const told = answers.map(({ value, atMilliseconds }) => now + value.milliseconds - atMilliseconds);
    const skew = clockSkew(told, now);
    if (skew === null || skew.isTolerable || this.#isStopped) return;
    this[Symbol.dispose]();
    const seconds = Math.abs(Math.round(skew.aheadMilliseconds / 1000));
    const error = new FogError(
      'invalid-configuration',
      `this clock is ${seconds} s ${skew.aheadMilliseconds > 0 ? 'ahead of' : 'behind'} those of the directory's authorities`,
      { details: skew, hint: 'set the clock, e.g. by NTP, and start again' },
    );
    this.#first.reject(error);
    this.#options.skewed(error);
  }

  async #fetchMissing(): Promise<void> {
    const { genesis } = this.#options;
    const present = Math.max(0, epochAt(genesis, this.#now()));
    const wanted = [present, present + 1].filter((epoch) => !this.#known.has(epoch));
    const current = epochAt(genesis, this.#now());
    let hasChanged = this.#forgetOld(present) || current !== this.#toldEpoch;
    this.#toldEpoch = current;
    for (const epoch of wanted) hasChanged = (await this.#fetch(epoch, epoch === present)) || hasChanged;
    if (!hasChanged || this.#isStopped || this.#known.size === 0) return;
    this.#options.changed(this.consensuses);
    this.#first.resolve();
  }

  #forgetOld(present: number): boolean {
    const old = [...this.#known.keys()].filter((epoch) => epoch < present - 1);
    for (const epoch of old) this.#known.delete(epoch);
    return old.length > 0;
  }

  async #fetch(epoch: number, isPresent: boolean): Promise<boolean> {
    const { genesis, directory, missing } = this.#options;
    const reasons = new Set<string>();
    const answers = await directory.consensus(epoch);
    for (const { value, authority } of answers) {
      const verdict = verifyConsensus(value, { genesis, now: this.#now() });
      if (verdict.valid && verdict.consensus.body.epoch === epoch) {
        this.#known.set(epoch, verdict.consensus);
        this.#hasToldMissing = false;
        return true;
      }
      reasons.add(
        verdict.valid ? `${authority.id} answered with another epoch` : `${authority.id}: ${verdict.message}`,
      );
    }
    if (isPresent && !this.#hasToldMissing && this.#now() >= epochStart(genesis, 0)) {
      this.#hasToldMissing = true;
      missing?.(answers.length === 0 ? 'no authority has one, or none can be reached' : [...reasons].join('; '));
    }
    return false;
  }

  /** Often while something is missing that should be there by now. */
  #pause(): number {
    const { genesis } = this.#options;
    const { leastPollMilliseconds, mostPollMilliseconds } = DIRECTORY_SERVICE_LIMITS;
    const now = this.#now();
    const current = epochAt(genesis, now);
    const length = current < 0 ? genesis.bootstrapMilliseconds : genesis.epochMilliseconds;
    const untilNext = epochStart(genesis, Math.max(0, current + 1)) - now;
    const pause = this.#known.has(Math.max(0, current + 1)) ? untilNext : Math.min(length / 40, untilNext);
    return Math.min(Math.max(pause, leastPollMilliseconds), mostPollMilliseconds);
  }
}
