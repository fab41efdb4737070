/**
 * How who has nothing comes to a bond: of what it earns where nobody else computes the task, a share joins its own stake,
 * until that is what the task asks for.
 */
import { FogError, type ResultVerdict } from '@fog/contract';
import type { SettledLease, Terms } from '@fog/economy/escrow';
import { bondFor, heldBack, type StakingEvent } from '@fog/economy/staking';
import type { TurnAttempt, TurnTask } from '../../dispatch/turn-records.ts';
import type { Writer } from '../../store/database.ts';
import { loadStakeRows } from '../../store/stake-rows.ts';
import { OPERATOR } from '../genesis.ts';
import type { MoneyMoves } from '../money-moves.ts';
import type { StakeStore, StakeWork } from './stake-store.ts';

/** What a lease has earned. */
export interface Earning {
  owner: string;
  amount: bigint;
  /** What a result of this task costs at most. */
  valueMicroFog: bigint;
  isReplicated: boolean;
  /** Of that value, by the terms of the job: its bond. */
  bondPpm: bigint;
  /** Names the lease. */
  cause: string;
}

/** Of one task, what this turn has paid for it. Money of the faucet cannot be staked. */
export function earningsOf(
  { job, partition }: TurnTask,
  leases: readonly SettledLease[],
  {
    attempts,
    verdicts,
    terms,
  }: {
    attempts: readonly TurnAttempt[];
    verdicts: ReadonlyMap<number, ResultVerdict>;
    terms: Terms;
  },
): Earning[] {
  if (terms.currency !== 'fog') return [];
  return leases.flatMap(({ fence, outcome, payout: amount }) => {
    const owner = attempts.find((attempt) => attempt.fence === fence)?.payee ?? null;
    // The operator's own nodes answer to nobody else.
    if (outcome !== 'paid' || amount === 0n || owner === null || owner === OPERATOR) return [];
    const isReplicated = verdicts.get(fence) !== 'alone';
    return [
      {
        owner,
        amount,
        valueMicroFog: terms.maximumPrice,
        isReplicated,
        bondPpm: terms.bond.bondPpm,
        cause: `held-back/${job}/${partition}/${fence}`,
      },
    ];
  });
}

/**
 * Puts what joins bonds into `moves`, behind the payouts, and saves the rows; answers the work that `tell` is called with,
 * null where nothing joins. No lock is taken then.
 */
export async function holdBack(
  stake: StakeStore,
  earnings: readonly Earning[],
  { writer, moves, now }: { writer: Writer; moves: MoneyMoves; now: number },
): Promise<StakeWork | null> {
  const { heldBackPpm: sharePpm } = stake.parameters;
  const bonded = earnings
    .map((earning) => ({ ...earning, wanted: bondFor(earning) }))
    .filter(({ wanted, amount }) => wanted > 0n && (amount * sharePpm) / 1_000_000n > 0n);
  const owners = [...new Set(bonded.map(({ owner }) => owner))];
  const known = await loadStakeRows(
    writer,
    'validators',
    owners.map((validator) => ({ validator, key: '' })),
  );
  const tokens = new Map(known.map((row) => [row.validator, row.tokens]));
  const wanting = bonded.filter(({ owner, wanted }) => (tokens.get(owner) ?? 0n) < wanted);
  if (wanting.length === 0) return null;
  const work = await stake.open(writer, moves, now);
  const { rows } = work.session;
  const joins = wanting.map(({ owner, amount, cause }) => joining(owner, amount, cause));
  await work.session.prepare(joins, now);
  for (const [index, { owner, amount, wanted }] of wanting.entries()) {
    const validator = rows.get('validators', owner);
    if (validator?.status === 'tombstoned') continue;
    const { tokens: bonded = 0n, heldSlashes = 0 } = validator ?? {};
    const { toBond } = heldBack(amount, { bonded, wanted, sharePpm, heldSlashes });
    if (toBond === 0n) continue;
    await join(work, { ...(joins[index] as Joining), amount: toBond });
  }
  await work.session.save();
  return work;
}

type Joining = Extract<StakingEvent, { kind: 'delegate' }>;

function joining(owner: string, amount: bigint, cause: string): Joining {
  return { kind: 'delegate', validator: owner, delegator: owner, amount, currency: 'fog', cause };
}

async function join({ session, step }: StakeWork, event: Joining): Promise<void> {
  if (session.rows.get('validators', event.validator) === undefined) {
    await step({ kind: 'open', validator: event.validator, commissionPpm: 0n });
  }
  try {
    await step(event);
  } catch (error) {
    // Slashes have left too little of its stake for anything to join it: then it is all paid out.
    if (!(error instanceof FogError) || error.code !== 'conflict') throw error;
  }
}
