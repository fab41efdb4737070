/** What time alone makes due of stake: what is paid back, set free, posted, forgotten, counted, divided. */
import { FogError } from '@fog/contract';
import { portionOf } from '@fog/economy/amounts';
import { accountId } from '@fog/economy/chart';
import { STAKING_LIMITS, stakeWeights, type UnbondingEntry, type Validator } from '@fog/economy/staking';
import type { Sweep } from '../../dispatch/sweeps.ts';
import type { Database } from '../../store/database.ts';
import {
  type OwnersNodes,
  readDueEntries,
  readDueMoves,
  readDueSlashes,
  readMark,
  readNodesOfValidators,
  readOldSlashes,
  readValidators,
  saveMark,
} from '../../store/stake-queries.ts';
import { readLedgerAccount, spendable } from '../ledger-queries.ts';
import { proveFaults } from './faults.ts';
import { STAKE_HOME_LIMITS } from './limits.ts';
import type { StakeRequest, StakeStore } from './stake-store.ts';

export interface StakeSweepsDependencies {
  database: Database;
  stake: StakeStore;
  now: () => number;
}

const { dueRows: limit } = STAKE_HOME_LIMITS;

export function stakeSweeps(dependencies: StakeSweepsDependencies): Sweep[] {
  const { dueMilliseconds, faultMilliseconds } = STAKE_HOME_LIMITS;
  const due = (name: string, run: () => Promise<void>): Sweep => ({ name, everyMilliseconds: dueMilliseconds, run });
  return [
    { name: 'faults', everyMilliseconds: faultMilliseconds, run: () => proveAll(dependencies) },
    // First: what a held slash keeps may be free behind it.
    due('slashes', () => endSlashes(dependencies)),
    due('stake that left', () => releaseDue(dependencies)),
    due('stake that moved', () => unlockDue(dependencies)),
    due('liveness of validators', () => countSlots(dependencies)),
    due('rewards of stake', () => divideRewards(dependencies)),
  ];
}

async function proveAll({ stake, ...rest }: StakeSweepsDependencies): Promise<void> {
  while ((await proveFaults(rest, stake)) === limit);
}

/** Stake that voted, or of which a slash is held, stays; it is looked at again at the next look. */
export async function releaseDue({ database, stake, now }: StakeSweepsDependencies): Promise<void> {
  let after: UnbondingEntry | null = null;
  for (;;) {
    const entries: UnbondingEntry[] = await readDueEntries(database.read, { now: now(), after, limit });
    for (const { validator, delegator, leftAt } of entries) {
      await tryOnce(stake, { kind: 'release', validator, delegator, leftAt });
    }
    after = entries.at(-1) ?? null;
    if (after === null || entries.length < limit) return;
  }
}

async function unlockDue({ database, stake, now }: StakeSweepsDependencies): Promise<void> {
  for (const { validator, to, delegator, leftAt } of await readDueMoves(database.read, now(), limit)) {
    await tryOnce(stake, { kind: 'unlock', validator, to, delegator, leftAt });
  }
}

async function endSlashes({ database, stake, now }: StakeSweepsDependencies): Promise<void> {
  for (const { validator, fault } of await readDueSlashes(database.read, now(), limit)) {
    await tryOnce(stake, { kind: 'post', validator, fault });
  }
  const { evidenceAgeMilliseconds } = stake.parameters;
  for (const { validator, fault } of await readOldSlashes(database.read, now() - evidenceAgeMilliseconds, limit)) {
    await stake
      .transact(async (work) => {
        await work.step({ kind: 'forget', validator, fault });
        await work.writer.deleteFrom('stake_faults').where('fault', '=', fault).execute();
      })
      .catch(ignoreRefusal);
  }
}

/** Another coordinator may have done it, or something keeps it: then it comes again, or is due no more. */
async function tryOnce(stake: StakeStore, request: StakeRequest): Promise<void> {
  await stake.run(request).catch(ignoreRefusal);
}

function ignoreRefusal(error: unknown): void {
  if (!(error instanceof FogError) || (error.code !== 'conflict' && error.code !== 'not-found')) throw error;
}

/**
 * At the end of each slot one coordinator looks which nodes are there. The first slot after a time in which nobody looked
 * counts for nobody: the fog was away, and not its nodes.
 */
async function countSlots({ database, stake, now }: StakeSweepsDependencies): Promise<void> {
  const { slotMilliseconds, expectedMilliseconds, slotValidators } = STAKE_HOME_LIMITS;
  const slot = Math.floor(now() / slotMilliseconds);
  if ((await readMark(database.read, 'slot')) === slot) return;
  const isCounted = await database.write(async (writer) => {
    const last = await readMark(writer, 'slot');
    if (last !== null && last >= slot) return false;
    await saveMark(writer, 'slot', slot);
    return last === slot - 1;
  });
  if (!isCounted) return;
  const seenSince = now() - expectedMilliseconds;
  for (let after = ''; ; ) {
    const owners = await readNodesOfValidators(database.read, { after, seenSince, limit: slotValidators });
    await stake.transact(async (work) => {
      const events = owners.map((owner) => ({ kind: 'slot', validator: owner.owner, slot: slotOf(owner) }) as const);
      await work.session.prepare(events, work.now);
      for (const event of events) await work.step(event);
    });
    const last = owners.at(-1);
    if (last === undefined || owners.length < slotValidators) return;
    after = last.owner;
  }
}

/** Half of the nodes that are expected have to be there; who has none to expect is excused. */
export function slotOf({ expected, connected }: Omit<OwnersNodes, 'owner'>): 'answered' | 'missed' | 'excused' {
  if (expected === 0) return 'excused';
  return 2 * connected >= expected ? 'answered' : 'missed';
}

/** A part of the treasury each day, by stake; nothing as long as that part is nothing. */
async function divideRewards({ database, stake, now }: StakeSweepsDependencies): Promise<void> {
  const { epochTreasuryPpm } = stake.parameters;
  if (epochTreasuryPpm === 0n) return;
  const epoch = Math.floor(now() / STAKE_HOME_LIMITS.epochMilliseconds);
  if (((await readMark(database.read, 'epoch')) ?? -1) >= epoch) return;
  await stake.transact(async ({ writer, step }) => {
    if (((await readMark(writer, 'epoch')) ?? -1) >= epoch) return;
    await saveMark(writer, 'epoch', epoch);
    const source = accountId('fog', 'treasury');
    const amount = portionOf(spendable(await readLedgerAccount(writer, source)), epochTreasuryPpm);
    const weights = stakeWeights(await readAllValidators(writer)).filter(({ weight }) => weight > 0n);
    if (amount === 0n || weights.length === 0) return;
    await step({ kind: 'allocate', epoch, amount, source, weights });
  });
}

/** Those who have the most, where there are more than an epoch can pay. */
async function readAllValidators(reader: Database['read']): Promise<Validator[]> {
  const validators = await readValidators(reader, { limit: Number.MAX_SAFE_INTEGER });
  if (validators.length <= STAKING_LIMITS.epochValidators) return validators;
  return validators.sort((a, b) => (a.tokens > b.tokens ? -1 : 1)).slice(0, STAKING_LIMITS.epochValidators);
}
