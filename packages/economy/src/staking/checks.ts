/** What comes from outside is looked at before anything is done with it. Each throws a `FogError` that says what and where. */
import { FogError } from '@fog/contract';
import { assertAmount } from '../amounts.ts';
import type { Currency } from '../chart.ts';
import { STAKING_LIMITS } from './limits.ts';
import type { Validator } from './rows.ts';
import type { Rows } from './state.ts';

const CONTROL_CHARACTER = /\p{Cc}/u;

/** Throws `invalid-request` for a name that is empty, too long, or has control characters: keys of rows are made of them. */
export function assertName(value: string, what: string): void {
  const isName = typeof value === 'string' && value !== '' && !CONTROL_CHARACTER.test(value);
  if (isName && Buffer.byteLength(value) <= STAKING_LIMITS.nameBytes) return;
  throw new FogError(
    'invalid-request',
    `${what} has to be a text of 1 to ${STAKING_LIMITS.nameBytes} bytes without control characters`,
    { details: { what } },
  );
}

/** Throws `invalid-request` for what is no whole number from 0 on that is exact. */
export function assertTime(value: number, what: string): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new FogError('invalid-request', `${what} is ${value}; it has to be a whole number from 0 on`, {
    details: { what },
  });
}

/** An amount above zero that somebody stakes. Throws `invalid-request`, and `forbidden` for money of the faucet. */
export function assertStake(amount: bigint, currency: Currency, least = 1n): void {
  if (currency !== 'fog') {
    throw new FogError('forbidden', `money of the currency "${currency}" can be neither staked nor voted with`, {
      details: { currency },
      hint: 'what a faucet gave away pays for jobs only; earn FOG by work, or buy it',
    });
  }
  assertAmount(amount, { least, what: 'the stake' });
}

/** Throws `not-found` for a validator that nobody has opened. */
export function validatorOf(rows: Rows, name: string): Validator {
  const validator = rows.get('validators', name);
  if (validator !== undefined) return validator;
  throw new FogError('not-found', `${name} is no validator`, {
    details: { validator: name },
    hint: 'its owner opens it with the first bond',
  });
}

/** Throws `conflict` while a slash is held: who comes or goes would change what of it is returned to whom. */
export function assertUnfrozen({ validator, heldSlashes }: Validator): void {
  if (heldSlashes === 0) return;
  throw new FogError('conflict', `a slash of ${validator} is held: its stake neither joins nor leaves meanwhile`, {
    details: { validator, heldSlashes },
    hint: 'try again when the slash is posted or overturned',
    retryable: true,
  });
}

/** Throws `conflict` while what the delegator's stake voted for can still come to be: it has to stay to live with it. */
export function assertVotesAreOver(delegator: string, votesUntil: number | null, now: number): void {
  if (votesUntil === null || now >= votesUntil) return;
  throw new FogError('conflict', `stake of ${delegator} that voted stays until ${votesUntil}`, {
    details: { delegator, votesUntil },
    hint: 'it is free when the timelock of that proposal has run',
    retryable: true,
  });
}
