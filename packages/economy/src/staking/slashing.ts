/**
 * What a proven fault costs.
 *
 *     proven -> held --(appeal, in time)--> appealed --(decided: overturned)--> overturned
 *                 |                            +--(decided: it stands, or not decided in time)--> posted
 *                 +--(no appeal in time)--> posted
 *     posted | overturned --(evidence of it would be too old)--> forgotten
 *
 * Held money is reserved in the ledger: it cannot leave, and has not left. The validator is jailed, and nobody joins or
 * leaves it, so that what is returned goes to whom it was taken from. The sum is a share of the stake at the lease, and
 * never more than is there of it: of each cohort and each move that left since the fault its own share, the rest of what
 * is bonded. Posted, it compensates the buyer: by what the task cost, and by what the
 * validator itself has lost, at most. The rest is insurance, or burns.
 *
 * Roundings: the sum down (for the accused), each part down to the bonded rest, the insurance down to what burns.
 */
import { FogError } from '@fog/contract';
import { portionOf } from '../amounts.ts';
import { transferId } from '../chart.ts';
import { TRANSFER_FLAGS } from '../ledger/index.ts';
import { validatorOf } from './checks.ts';
import { delegationOf, join, leave, poolOf } from './delegations.ts';
import type { EventOf, Outcome, StakingFact } from './events.ts';
import { assertProof, faultOf } from './evidence.ts';
import { STAKING_LIMITS } from './limits.ts';
import type { StakingParameters } from './parameters.ts';
import { mintable, sharesWorth, tokensFor } from './pool.ts';
import { endPeriod, refer, settle } from './rewards.ts';
import { rowKey, type Slash, type SlashPart, type Validator } from './rows.ts';
import type { Rows } from './state.ts';
import { account, movement, type StakingTransfer } from './transfers.ts';

type Taken = Omit<SlashPart, 'fault' | 'part' | 'validator'>;

export function prove(rows: Rows, claim: EventOf<'prove'>, now: number, parameters: StakingParameters): Outcome {
  assertProof(claim, now, parameters);
  const { attempt } = claim.evidence;
  const fault = faultOf(attempt);
  const name = attempt.validator;
  const before = validatorOf(rows, name);
  if (rows.get('slashes', name, fault) !== undefined) {
    throw new FogError('conflict', `${fault} has been slashed already`, { details: { validator: name, fault } });
  }
  if (before.heldSlashes >= STAKING_LIMITS.heldSlashes) {
    throw new FogError('too-many-requests', `${before.heldSlashes} slashes of ${name} are held`, {
      hint: 'the next can be proven when some of them are posted',
    });
  }
  const validator = endPeriod(rows, before, now);
  rows.put('validators', validator);
  refer(rows, name, validator.period - 1, 1);
  const sum = portionOf(claim.stakeAtLease, claim.slashPpm);
  const { taken, transfers } = take(rows, { name, fault, sum, faultAt: attempt.deliveredAt, now, claim });
  const amount = taken.reduce((total, part) => total + part.amount, 0n);
  const ownAmount = taken.reduce((total, part) => total + ownPart(rows, name, part), 0n);
  for (const [part, row] of taken.entries()) rows.put('slashParts', { ...row, validator: name, fault, part });
  const appealableUntil = now + parameters.appealMilliseconds;
  rows.put('slashes', {
    ...{ validator: name, fault, state: 'held', faultAt: attempt.deliveredAt, heldAt: now, appealableUntil },
    ...{ decideUntil: appealableUntil, amount, ownAmount, parts: taken.length, buyer: attempt.buyer },
    ...{ paidForTask: claim.paidForTask, insurancePpm: claim.insurancePpm, period: validator.period - 1 },
  });
  const after = validatorOf(rows, name);
  const isOut = after.status === 'tombstoned';
  rows.put('validators', {
    ...after,
    status: isOut ? 'tombstoned' : 'jailed',
    heldSlashes: after.heldSlashes + 1,
  });
  const facts: StakingFact[] = [{ kind: 'slash-held', validator: name, fault, amount, appealableUntil }];
  if (after.status === 'active')
    facts.push({ kind: 'jailed', validator: name, until: appealableUntil, because: 'fault' });
  return { transfers, facts };
}

interface Taking {
  name: string;
  fault: string;
  /** At most so much is taken in all. */
  sum: bigint;
  faultAt: number;
  now: number;
  claim: EventOf<'prove'>;
}

/** Takes from cohorts, from moves, and then from what is bonded; reserves each part. */
function take(rows: Rows, taking: Taking): { taken: Taken[]; transfers: StakingTransfer[] } {
  const { name, fault, sum, faultAt, now, claim } = taking;
  const taken: Taken[] = [];
  const paid: StakingTransfer[] = [];
  let left = sum;
  const note = (part: Taken) => {
    if (part.amount === 0n) return;
    taken.push(part);
    left -= part.amount;
  };
  const isLiable = ({ leftAt }: { leftAt: number }) => leftAt >= faultAt;
  for (const cohort of rows.of('cohorts', name).filter(isLiable).sort(byLeaving)) {
    const amount = least(portionOf(cohort.initialTokens, claim.slashPpm), cohort.tokens, left);
    if (amount > 0n) rows.put('cohorts', { ...cohort, tokens: cohort.tokens - amount, holds: cohort.holds + 1 });
    note({ pool: 'unbonding', amount, leftAt: cohort.leftAt, to: '', delegator: '' });
  }
  for (const moved of rows.of('redelegations', name).filter(isLiable).sort(byLeaving)) {
    const { to, delegator, leftAt } = moved;
    const target = validatorOf(rows, to);
    const share = portionOf(moved.initialTokens, claim.slashPpm);
    const wanted = least(share, tokensFor(poolOf(target), moved.shares), target.tokens, left);
    const delegation = rows.get('delegations', to, delegator);
    if (wanted === 0n || delegation === undefined) continue;
    const settled = settle(rows, target, delegation, now, rowKey(fault, leftAt, delegator));
    const shares = sharesWorth(poolOf(settled.validator), wanted);
    const amount = leave(rows, settled, shares, shares);
    rows.put('redelegations', { ...moved, shares: moved.shares - shares });
    paid.push(...settled.transfers);
    note({ pool: 'redelegated', amount, leftAt, to, delegator });
  }
  const validator = validatorOf(rows, name);
  const amount = least(left, validator.tokens);
  const heldTokens = validator.heldTokens + amount;
  rows.put('validators', { ...validator, tokens: validator.tokens - amount, heldTokens });
  note({ pool: 'bonded', amount, leftAt: 0, to: '', delegator: '' });
  const holds = taken.flatMap((part, index) =>
    movement([fault, index, 'hold'], {
      kind: 'slash',
      from: accountOf(part, name),
      to: account('slashed', name),
      amount: part.amount,
      flags: TRANSFER_FLAGS.pending,
    }),
  );
  return { taken, transfers: [...paid, ...holds] };
}

/** What of a part was the validator's own, rounded down. A slash changes no shares, so those of now tell it. */
function ownPart(rows: Rows, name: string, { pool, amount, leftAt, delegator }: Taken): bigint {
  if (pool === 'redelegated') return delegator === name ? amount : 0n;
  const own = pool === 'bonded' ? rows.get('delegations', name, name) : rows.get('entries', name, rowKey(leftAt, name));
  const whole = pool === 'bonded' ? rows.get('validators', name) : rows.get('cohorts', name, rowKey(leftAt));
  return tokensFor({ tokens: amount, shares: whole?.shares ?? 0n }, own?.shares ?? 0n);
}

function accountOf({ pool, to }: Pick<SlashPart, 'pool' | 'to'>, validator: string): bigint {
  if (pool === 'redelegated') return account('bonded', to);
  return account(pool, validator);
}

type Leaving = { leftAt: number; to?: string; delegator?: string };

/** The last to leave pays first: when the sum does not reach, those who left long ago are spared. Else by names. */
function byLeaving(a: Leaving, b: Leaving): number {
  if (a.leftAt !== b.leftAt) return b.leftAt - a.leftAt;
  return rowKey(a.to ?? '', a.delegator ?? '') < rowKey(b.to ?? '', b.delegator ?? '') ? -1 : 1;
}

function least(first: bigint, ...others: readonly bigint[]): bigint {
  return others.reduce((smallest, value) => (value < smallest ? value : smallest), first);
}

function slashOf(rows: Rows, validator: string, fault: string): Slash {
  const slash = rows.get('slashes', validator, fault);
  if (slash !== undefined) return slash;
  throw new FogError('not-found', `no slash of ${validator} for ${fault} is known`, { details: { validator, fault } });
}

function refuse(slash: Slash, why: string): FogError {
  const { validator, fault, state, appealableUntil, decideUntil } = slash;
  return new FogError('conflict', `the slash for ${fault} is ${state}: ${why}`, {
    details: { validator, fault, state, appealableUntil, decideUntil },
  });
}

export function appeal(
  rows: Rows,
  { validator, fault }: EventOf<'appeal'>,
  now: number,
  parameters: StakingParameters,
): Outcome {
  const slash = slashOf(rows, validator, fault);
  if (slash.state !== 'held') throw refuse(slash, 'only a held one can be appealed against, and once');
  if (now > slash.appealableUntil) throw refuse(slash, `it could be appealed against until ${slash.appealableUntil}`);
  const decideUntil = now + parameters.decisionMilliseconds;
  rows.put('slashes', { ...slash, state: 'appealed', decideUntil });
  return { facts: [{ kind: 'slash-appealed', validator, fault, decideUntil }] };
}

/** By whom the coordinator's operator, or governance, lets decide. */
export function decide(
  rows: Rows,
  { validator, fault, isOverturned }: EventOf<'decide'>,
  now: number,
  parameters: StakingParameters,
): Outcome {
  const slash = slashOf(rows, validator, fault);
  if (slash.state !== 'appealed') throw refuse(slash, 'nobody has appealed, or it is decided');
  return isOverturned ? overturn(rows, slash, now) : postSlash(rows, slash, now, parameters);
}

/** Throws `conflict` while it can be appealed against, or an appeal can be decided. */
export function post(
  rows: Rows,
  { validator, fault }: EventOf<'post'>,
  now: number,
  parameters: StakingParameters,
): Outcome {
  const slash = slashOf(rows, validator, fault);
  if (slash.state !== 'held' && slash.state !== 'appealed') throw refuse(slash, 'it cannot be posted again');
  if (now <= slash.decideUntil) throw refuse(slash, `it posts after ${slash.decideUntil}`);
  return postSlash(rows, slash, now, parameters);
}

/** Ends the hold: the reserved parts are posted or voided, and their rows go. */
function endHold(rows: Rows, slash: Slash, flag: 'postPending' | 'voidPending') {
  const { validator: name, fault } = slash;
  const parts = Array.from({ length: slash.parts }, (_, part) => partOf(rows, slash, part));
  const transfers: StakingTransfer[] = [];
  let bonded = 0n;
  for (const part of parts) {
    const move = { kind: 'slash', from: accountOf(part, name), to: account('slashed', name) } as const;
    const pendingId = transferId('slash', fault, part.part, 'hold');
    const end = { ...move, amount: part.amount, pendingId, flags: TRANSFER_FLAGS[flag] };
    transfers.push(...movement([fault, part.part, 'end'], end));
    rows.remove('slashParts', part);
    if (part.pool === 'bonded') bonded += part.amount;
    const cohort = part.pool === 'unbonding' ? rows.get('cohorts', name, rowKey(part.leftAt)) : undefined;
    if (cohort !== undefined) rows.put('cohorts', { ...cohort, holds: cohort.holds - 1 });
  }
  const validator = validatorOf(rows, name);
  const heldSlashes = validator.heldSlashes - 1;
  rows.put('validators', { ...validator, heldSlashes, heldTokens: validator.heldTokens - bonded });
  return { parts, transfers };
}

function partOf(rows: Rows, { validator, fault }: Slash, part: number): SlashPart {
  const row = rows.get('slashParts', validator, rowKey(fault, part));
  if (row !== undefined) return row;
  throw new FogError('internal', `part ${part} of the slash for ${fault} is missing among the rows`, {
    hint: 'rowsNeeded() names the rows that an operation works on',
  });
}

function postSlash(
  rows: Rows,
  slash: Slash,
  now: number,
  { tombstoneFaults, jailMilliseconds }: StakingParameters,
): Outcome {
  const { validator: name, fault, amount, buyer } = slash;
  const { transfers } = endHold(rows, slash, 'postPending');
  // No more than it lost itself: else a validator that is its own buyer would gain what its delegators lose.
  const compensation = buyer === name ? 0n : least(slash.ownAmount, slash.paidForTask);
  const insurance = portionOf(amount - compensation, slash.insurancePpm);
  const burned = amount - compensation - insurance;
  const from = account('slashed', name);
  transfers.push(
    ...movement([fault], { kind: 'compensation', from, to: account('wallet', buyer), amount: compensation }),
    ...movement([fault, 'insurance'], { kind: 'slash', from, to: account('insurance'), amount: insurance }),
    ...movement(['slash', fault], { kind: 'burn', from, to: account('issuance'), amount: burned }),
  );
  rows.put('slashes', { ...slash, state: 'posted' });
  const facts: StakingFact[] = [{ kind: 'slash-posted', validator: name, fault, compensation, insurance, burned }];
  const after = punished(validatorOf(rows, name), now + jailMilliseconds, tombstoneFaults);
  if (after.status === 'tombstoned') facts.push({ kind: 'tombstoned', validator: name });
  rows.put('validators', after);
  return { transfers, facts };
}

function punished(validator: Validator, until: number, tombstoneFaults: number): Validator {
  const faults = validator.faults + 1;
  const isOut = validator.status === 'tombstoned' || faults >= tombstoneFaults;
  const status = isOut ? 'tombstoned' : 'jailed';
  return { ...validator, faults, status, jailedUntil: Math.max(validator.jailedUntil, until) };
}

/** Each part goes back to where it came from. The validator may be unjailed at once. */
function overturn(rows: Rows, slash: Slash, now: number): Outcome {
  const { validator: name, fault, amount } = slash;
  const { parts, transfers } = endHold(rows, slash, 'voidPending');
  for (const part of parts) {
    if (part.pool === 'bonded') {
      const validator = validatorOf(rows, name);
      rows.put('validators', { ...validator, tokens: validator.tokens + part.amount });
    } else if (part.pool === 'unbonding') {
      const cohort = rows.get('cohorts', name, rowKey(part.leftAt));
      if (cohort !== undefined) rows.put('cohorts', { ...cohort, tokens: cohort.tokens + part.amount });
    } else transfers.push(...giveBack(rows, part, now));
  }
  rows.put('slashes', { ...slash, state: 'overturned' });
  return { transfers, facts: [{ kind: 'slash-overturned', validator: name, fault, amount }] };
}

/**
 * Moved stake joins its new validator again, free. Where nobody can join, because slashes left shares without a token,
 * it belongs to whoever holds those shares.
 */
function giveBack(rows: Rows, { validator, fault, to, delegator, leftAt, amount }: SlashPart, now: number) {
  const target = validatorOf(rows, to);
  if (mintable(poolOf(target), amount) === null) {
    rows.put('validators', { ...target, tokens: target.tokens + amount });
    return [];
  }
  const cause = rowKey(validator, fault, leftAt, delegator);
  const settled = settle(rows, target, delegationOf(rows, target, delegator), now, cause);
  join(rows, settled, amount, 0n);
  return settled.transfers;
}

/** Throws `conflict` while it is held, or evidence of it could still come a second time. */
export function forget(
  rows: Rows,
  { validator, fault }: EventOf<'forget'>,
  now: number,
  { evidenceAgeMilliseconds }: StakingParameters,
): Outcome {
  const slash = slashOf(rows, validator, fault);
  if (slash.state !== 'posted' && slash.state !== 'overturned') throw refuse(slash, 'it is not over');
  if (now - slash.faultAt <= evidenceAgeMilliseconds) throw refuse(slash, 'evidence of it could still come again');
  refer(rows, validator, slash.period, -1);
  rows.remove('slashes', slash);
  return {};
}
