/**
 * Shares of tokens: of a validator, and of a cohort that leaves it. A slash takes tokens and leaves the shares, so
 * whoever has shares loses in proportion, and nobody's row is touched. A share begins as one token and never is worth
 * more. Every division rounds towards the pool: what is left over belongs to the shares that stay.
 */
import { FogError } from '@fog/contract';
import { STAKING_LIMITS } from './limits.ts';

export interface Pool {
  tokens: bigint;
  shares: bigint;
}

/** Whether somebody can join: shares that a slash has left without any token have no price. */
export function isJoinable({ tokens, shares }: Pool): boolean {
  return shares === 0n || tokens > 0n;
}

/**
 * Shares for an amount that joins, rounded down: they are worth the amount, or a micro-FOG less. Null when the pool was
 * slashed to nothing, or so often that its shares cannot be counted any more.
 */
export function mintable(pool: Pool, amount: bigint): bigint | null {
  if (!isJoinable(pool)) return null;
  const minted = pool.shares === 0n ? amount : (amount * pool.shares) / pool.tokens;
  return pool.shares + minted < 1n << STAKING_LIMITS.shareBits ? minted : null;
}

/** The same. Throws `conflict` instead of null. */
export function sharesFor(pool: Pool, amount: bigint): bigint {
  const minted = mintable(pool, amount);
  if (minted !== null) return minted;
  throw new FogError('conflict', 'slashes have left too little of this stake for anybody to join it', {
    hint: 'choose another validator',
  });
}

/** What shares are worth, rounded down. The last ones take all. */
export function tokensFor(pool: Pool, shares: bigint): bigint {
  return pool.shares === 0n ? 0n : (shares * pool.tokens) / pool.shares;
}

/** The fewest shares that are worth the amount: exactly it, since no share is worth more than a token. */
export function sharesWorth(pool: Pool, amount: bigint): bigint {
  return pool.tokens === 0n ? pool.shares : (amount * pool.shares + pool.tokens - 1n) / pool.tokens;
}
