/**
 * A token bucket for each network prefix that sends to a gateway, for a bounded number of prefixes.
 *
 *     prefix   unknown -> known (has a place) -> unknown (a newcomer took it)
 *
 * When all places are taken, a newcomer takes over the place of the prefix that has been idle longest, with the credit
 * that is in its bucket. If that one has been idle long enough the bucket is full, and nobody notices. If it has not,
 * the newcomer gets no more than was left: whoever comes with more prefixes than there are places shares the credit of
 * the places, so forgetting a prefix is never a free pass for it, and all prefixes together never get more than
 * places x rate. A prefix that keeps sending keeps its place, refused or not.
 */
import { assertWholeNumber } from './configured-number.ts';
import { MIXING_LIMITS } from './limits.ts';
import { assertBucketRule, type BucketRule, CREDIT_PER_TOKEN, fullCredit, refilledCredit } from './token-bucket.ts';

export interface PrefixLimitsOptions {
  rule: BucketRule;
  /** Prefixes that are remembered. */
  capacity: number;
}

const NONE = -1;

export class PrefixLimits {
  readonly capacity: number;
  readonly #rule: BucketRule;
  readonly #places = new Map<string, number>();
  readonly #prefixes: string[] = [];
  readonly #credit: Float64Array;
  readonly #givenUntil: Float64Array;
  /** A list from the place that was used last to the one that has been idle longest. */
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #newest = NONE;
  #oldest = NONE;
  #takenOver = 0;

  /** Throws `invalid-configuration` for a capacity or rule beyond `MIXING_LIMITS`. */
  constructor({ rule, capacity }: PrefixLimitsOptions) {
    assertBucketRule('a network prefix', rule);
    assertWholeNumber('the number of prefixes', capacity, 1, MIXING_LIMITS.prefixes);
    this.capacity = capacity;
    this.#rule = { ...rule };
    this.#credit = new Float64Array(capacity);
    this.#givenUntil = new Float64Array(capacity);
    this.#older = new Int32Array(capacity).fill(NONE);
    this.#newer = new Int32Array(capacity).fill(NONE);
  }

  /** Prefixes that are remembered. */
  get size(): number {
    return this.#prefixes.length;
  }

  /** Places that newcomers took over from others before their buckets were full: more than a few are an attack. */
  get takenOverEarly(): number {
    return this.#takenOver;
  }

  /** Takes so many tokens from the bucket of the prefix (`networkPrefix` of @fog/contract/node) if all are there; otherwise none. */
  take(prefix: string, now: number, tokens = 1): boolean {
    const whole = Math.floor(now);
    const place = this.#places.get(prefix) ?? this.#settle(prefix, whole);
    this.#refill(place, whole);
    this.#touch(place);
    const price = tokens * CREDIT_PER_TOKEN;
    const credit = this.#credit[place] as number;
    if (!(price >= 0 && price <= credit)) return false;
    this.#credit[place] = credit - price;
    return true;
  }

  #settle(prefix: string, now: number): number {
    const place = this.#prefixes.length < this.capacity ? this.#openPlace(now) : this.#takeOverOldest(now);
    this.#prefixes[place] = prefix;
    this.#places.set(prefix, place);
    return place;
  }

  #openPlace(now: number): number {
    const place = this.#prefixes.length;
    this.#credit[place] = fullCredit(this.#rule);
    this.#givenUntil[place] = now;
    return place;
  }

  #takeOverOldest(now: number): number {
    const place = this.#oldest;
    this.#places.delete(this.#prefixes[place] as string);
    this.#refill(place, now);
    if ((this.#credit[place] as number) < fullCredit(this.#rule)) this.#takenOver += 1;
    return place;
  }

  #refill(place: number, now: number): void {
    const elapsed = now - (this.#givenUntil[place] as number);
    if (!(elapsed > 0)) return;
    this.#credit[place] = refilledCredit(this.#rule, this.#credit[place] as number, elapsed);
    this.#givenUntil[place] = now;
  }

  /** Makes a place the newest of the list. */
  #touch(place: number): void {
    if (this.#newest === place) return;
    this.#unlink(place);
    this.#older[place] = this.#newest;
    this.#newer[place] = NONE;
    if (this.#newest !== NONE) this.#newer[this.#newest] = place;
    this.#newest = place;
    if (this.#oldest === NONE) this.#oldest = place;
  }

  #unlink(place: number): void {
    const newer = this.#newer[place] as number;
    const older = this.#older[place] as number;
    if (newer !== NONE) this.#older[newer] = older;
    if (older !== NONE) this.#newer[older] = newer;
    if (this.#oldest === place) this.#oldest = newer;
  }
}
