/**
 * Keeps the consensus of the epochs around now: of the last one (packets of it are still under way), the present one and,
 * once the authorities have it, the next.
 *
 *     starting -> following -> stopped
 *                     '--> skewed: a threshold of authorities disagree with this clock; nothing is followed any more
 *     consensus of an epoch   unknown --one is valid--> known --another is valid, too--> refused, until the epoch is over
 *
 * Everything that an authority answers is checked (verify-consensus.ts, authority-clocks.ts) before anybody sees it, and
 * what does not hold changes nothing. All authorities are asked for each consensus, and once more when its epoch begins,
 * so that two valid ones are found out: then neither is used, and who endorsed both is told.
 */
import { randomBytes } from 'node:crypto';
import { FogError } from '@fog/contract';
import { judgeClock, toldTime } from '../directory/authority-clocks.ts';
import type { Consensus } from '../directory/documents.ts';
import type { Genesis } from '../directory/genesis.ts';
import { DIRECTORY_LIMITS } from '../directory/limits.ts';
import { epochAt, epochStart } from '../directory/schedule.ts';
import { documentDigest } from '../directory/signed-document.ts';
import { allDoubleEndorsers, validConsensuses } from '../directory/valid-consensuses.ts';
import type { DirectoryClient } from './directory-client.ts';
import { DIRECTORY_SERVICE_LIMITS } from './limits.ts';

export interface ConsensusFollowerOptions {
  genesis: Genesis;
  directory: Pick<DirectoryClient, 'consensus' | 'clocks'>;
  /** Milliseconds since 1970. Default: the system's. */
  now?(): number;
  /** Something new is known, or another epoch has begun. The oldest first; never empty. */
  changed(consensuses: readonly Consensus[]): void;
  /** Why there is none of the present epoch, once until there is one. */
  missing?(reason: string): void;
  /** This clock is wrong: what is done by it would be, too. */
  skewed(error: FogError): void;
  /** Something is wrong that is no reason to stop. */
  warned?(message: string, details: Record<string, unknown>): void;
}

/** For what the person who runs this is told once, until it is over. */
type ClockTrouble = 'unsigned' | 'disagreement' | null;

export class ConsensusFollower implements Disposable {
  readonly #options: ConsensusFollowerOptions;
  readonly #now: () => number;
  readonly #known = new Map<number, Consensus>();
  readonly #first = Promise.withResolvers<void>();
  #timer: NodeJS.Timeout | null = null;
  /** Why an epoch is refused, of which there are two consensuses. */
  readonly #forks = new Map<number, string>();
  /** How often each authority has endorsed two consensuses of one epoch. */
  readonly doubleEndorsements = new Map<string, number>();
  #isStopped = false;
  #clockTrouble: ClockTrouble = null;
  /** Of which all authorities have been asked since it began. */
  #comparedEpoch = Number.NEGATIVE_INFINITY;
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

  /** Why there is none of the present epoch though authorities have one: they have two. */
  get refusal(): string | null {
    return this.#forks.get(epochAt(this.#options.genesis, this.#now())) ?? null;
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
    const { genesis, directory } = this.#options;
    const [now, ticks] = [this.#now(), performance.now()];
    const passed = ticks - this.#clockChecked.ticks;
    const wasSet = Math.abs(now - this.#clockChecked.at - passed) > DIRECTORY_LIMITS.clockSkewMilliseconds;
    if (passed < genesis.epochMilliseconds && !wasSet) return;
    const nonce = randomBytes(32).toString('hex');
    const answers = await directory.clocks(nonce);
    const told = answers.flatMap(({ authority, value, atMilliseconds }) => {
      const time = toldTime(value, { genesis, authority, nonce });
      // How far the authority's clock is from ours, whenever it was asked.
      return time === null ? [] : [now + time - atMilliseconds];
    });
    const { skewMilliseconds, disagreeing } = judgeClock(told, now, genesis.threshold);
    if (skewMilliseconds !== null) return this.#skewed(skewMilliseconds);
    this.#tellClock(told.length < answers.length ? 'unsigned' : disagreeing > 0 ? 'disagreement' : null);
    if (told.length >= genesis.threshold) this.#clockChecked = { at: now, ticks };
  }

  #tellClock(trouble: ClockTrouble): void {
    const isNew = trouble !== null && trouble !== this.#clockTrouble;
    this.#clockTrouble = trouble;
    if (!isNew) return;
    const what =
      trouble === 'unsigned'
        ? 'an answer in the name of an authority about its clock is not signed by it; it is ignored'
        : 'this clock and those of some authorities disagree, of fewer than a threshold; it is believed';
    this.#options.warned?.(what, {});
  }

  #skewed(aheadMilliseconds: number): void {
    if (this.#isStopped) return;
    this[Symbol.dispose]();
    const seconds = Math.abs(Math.round(aheadMilliseconds / 1000));
    const error = new FogError(
      'invalid-configuration',
      `this clock is ${seconds} s ${aheadMilliseconds > 0 ? 'ahead of' : 'behind'} those of the directory's authorities`,
      { details: { aheadMilliseconds }, hint: 'set the clock, e.g. by NTP, and start again' },
    );
    this.#first.reject(error);
    this.#options.skewed(error);
  }

  async #fetchMissing(): Promise<void> {
    const { genesis } = this.#options;
    const current = epochAt(genesis, this.#now());
    const present = Math.max(0, current);
    const isWanted = (epoch: number) => {
      if (this.#forks.has(epoch)) return false;
      return !this.#known.has(epoch) || (epoch === current && this.#comparedEpoch < epoch);
    };
    const wanted = [present, present + 1].filter(isWanted);
    let hasChanged = this.#forgetOld(present) || current !== this.#toldEpoch;
    this.#toldEpoch = current;
    for (const epoch of wanted) hasChanged = (await this.#fetch(epoch, epoch === present)) || hasChanged;
    this.#comparedEpoch = current;
    if (!hasChanged || this.#isStopped || this.#known.size === 0) return;
    this.#options.changed(this.consensuses);
    this.#first.resolve();
  }

  #forgetOld(present: number): boolean {
    const old = [...this.#known.keys()].filter((epoch) => epoch < present - 1);
    for (const epoch of old) this.#known.delete(epoch);
    for (const epoch of this.#forks.keys()) if (epoch < present - 1) this.#forks.delete(epoch);
    return old.length > 0;
  }

  /** Whether what is known has changed. */
  async #fetch(epoch: number, isPresent: boolean): Promise<boolean> {
    const { genesis, directory, missing } = this.#options;
    const known = this.#known.get(epoch);
    const answers = await directory.consensus(epoch, known === undefined ? undefined : documentDigest(known.body));
    const { valid, reasons } = validConsensuses(
      answers.map(({ authority, value }) => ({ authority: authority.id, document: value })),
      epoch,
      known,
      { genesis, now: this.#now() },
    );
    const [consensus] = valid;
    if (valid.length > 1) return this.#fork(epoch, valid);
    if (consensus !== undefined) {
      this.#known.set(epoch, consensus);
      this.#hasToldMissing = false;
      return known === undefined;
    }
    if (isPresent && !this.#hasToldMissing && this.#now() >= epochStart(genesis, 0)) {
      this.#hasToldMissing = true;
      missing?.(answers.length === 0 ? 'no authority has one, or none can be reached' : reasons.join('; '));
    }
    return false;
  }

  /** Whoever has two consensuses may show each to other people, and so tell them apart: neither is used. */
  #fork(epoch: number, valid: readonly Consensus[]): boolean {
    const authorities = allDoubleEndorsers(valid, this.#options.genesis);
    for (const name of authorities) this.doubleEndorsements.set(name, (this.doubleEndorsements.get(name) ?? 0) + 1);
    const message = `there are ${valid.length} consensuses of epoch ${epoch}, and ${authorities.join(', ')} signed both`;
    this.#forks.set(epoch, message);
    this.#options.warned?.('authorities have endorsed two consensuses of one epoch: neither is used', {
      epoch,
      authorities,
      digests: valid.map(({ body }) => documentDigest(body)),
    });
    return this.#known.delete(epoch);
  }

  /** Often while something is missing that should be there by now. */
  #pause(): number {
    const { genesis } = this.#options;
    const { leastPollMilliseconds, mostPollMilliseconds } = DIRECTORY_SERVICE_LIMITS;
    const now = this.#now();
    const current = epochAt(genesis, now);
    const length = current < 0 ? genesis.bootstrapMilliseconds : genesis.epochMilliseconds;
    const untilNext = epochStart(genesis, Math.max(0, current + 1)) - now;
    const next = Math.max(0, current + 1);
    const isSettled = this.#known.has(next) || this.#forks.has(next);
    const pause = isSettled ? untilNext : Math.min(length / 40, untilNext);
    return Math.min(Math.max(pause, leastPollMilliseconds), mostPollMilliseconds);
  }
}
