/**
 * Token buckets in whole numbers: a bucket gets `tokensPerSecond` up to `burstTokens`, and whoever sends takes them.
 *
 * Credit is counted in thousandths of a token and time in whole milliseconds, so that one millisecond brings exactly
 * `tokensPerSecond` thousandths and nothing is lost to rounding, however often it is asked.
 */
import { assertWholeNumber } from './configured-number.ts';
import { MIXING_LIMITS } from './limits.ts';

export const CREDIT_PER_TOKEN = 1000;

export interface BucketRule {
  tokensPerSecond: number;
  /** What a bucket holds at most, and at the beginning. */
  burstTokens: number;
}

/** Throws `invalid-configuration` unless both numbers are whole and from 1 to `MIXING_LIMITS.bucketTokens`. */
export function assertBucketRule(name: string, { tokensPerSecond, burstTokens }: BucketRule): void {
  assertWholeNumber(`the tokens per second of ${name}`, tokensPerSecond, 1, MIXING_LIMITS.bucketTokens);
  assertWholeNumber(`the burst of ${name}`, burstTokens, 1, MIXING_LIMITS.bucketTokens);
}

/** The credit of a full bucket, in thousandths of a token. */
export function fullCredit({ burstTokens }: BucketRule): number {
  return burstTokens * CREDIT_PER_TOKEN;
}

/** The credit after a while. Time that went backwards brings nothing, and takes nothing. */
export function refilledCredit(rule: BucketRule, credit: number, elapsedMilliseconds: number): number {
  const full = fullCredit(rule);
  const untilFull = Math.ceil((full - credit) / rule.tokensPerSecond);
  if (elapsedMilliseconds >= untilFull) return full;
  return elapsedMilliseconds <= 0 ? credit : credit + elapsedMilliseconds * rule.tokensPerSecond;
}

/** One bucket, e.g. of one link. */
export class TokenBucket {
  readonly #rule: BucketRule;
  #credit: number;
  /** Up to when credit was given, in whole milliseconds. */
  #givenUntil: number;

  /** It begins full. `now` is of a monotonic clock. Throws `invalid-configuration` for a rule out of bounds. */
  constructor(rule: BucketRule, now: number) {
    assertBucketRule('a token bucket', rule);
    this.#rule = { ...rule };
    this.#credit = fullCredit(rule);
    this.#givenUntil = Math.floor(now);
  }

  /** Takes so many tokens if all of them are there; otherwise none. */
  take(now: number, tokens = 1): boolean {
    this.#refill(now);
    const price = tokens * CREDIT_PER_TOKEN;
    if (!(price >= 0 && price <= this.#credit)) return false;
    this.#credit -= price;
    return true;
  }

  /** Takes so many tokens whether they are there or not: for what shows its price only afterwards. */
  charge(now: number, tokens = 1): void {
    this.#refill(now);
    this.#credit -= tokens * CREDIT_PER_TOKEN;
  }

  /** Whole tokens that are there; none while it is in debt. */
  available(now: number): number {
    this.#refill(now);
    return Math.max(0, Math.floor(this.#credit / CREDIT_PER_TOKEN));
  }

  #refill(now: number): void {
    const whole = Math.floor(now);
    // A clock that went back and forth must not bring the same milliseconds twice.
    if (!(whole > this.#givenUntil)) return;
    this.#credit = refilledCredit(this.#rule, this.#credit, whole - this.#givenUntil);
    this.#givenUntil = whole;
  }
}
