/**
 * Who has what power, kept while stake and delegations change. Every change is made under the clock of the ledger, at the
 * tick of the money that moved, so that what is read of a tick that is over never changes any more.
 */
import { FogError } from '@fog/contract';
import { accountId, CURRENCIES, TRANSFER_CODES, transferId } from '@fog/economy/chart';
import {
  delegatesThatCount,
  lockedUntil,
  moveStake,
  type PowerCheckpoint,
  type Proposal,
  type StakeChange,
  touchedBy,
} from '@fog/economy/governance';
import { DAO_LIMITS } from '../limits.ts';
import { MoneyMoves } from '../settlement/money-moves.ts';
import type { SqlLedger } from '../settlement/sql-ledger.ts';
import type { StakeListener } from '../settlement/stake-listener.ts';
import { readBallot, readLiveProposals } from '../store/dao-rows.ts';
import type { Database, Reader, Writer } from '../store/database.ts';
import {
  countStakeRows,
  countVotingKeys,
  forgetPowerBefore,
  readPowers,
  readStake,
  readStakes,
  readVotingKey,
  savePowers,
  saveStakes,
  saveVotingKey,
} from '../store/power-rows.ts';

export interface VotingPowerDependencies {
  database: Database;
  ledger: SqlLedger;
  now: () => number;
}

export class VotingPower implements StakeListener {
  readonly #dependencies: VotingPowerDependencies;

  constructor(dependencies: VotingPowerDependencies) {
    this.#dependencies = dependencies;
  }

  /** What owners have bonded from `sequence` on, the tick of the transfers that changed it. */
  async moved(
    writer: Writer,
    moves: readonly { owner: string; before: bigint; after: bigint }[],
    sequence: number,
  ): Promise<void> {
    await this.#change(
      writer,
      moves.map(({ owner, after }) => ({ owner, sequence, bondedMicroFog: after })),
    );
  }

  /**
   * Until when the stake of an owner stays bonded, in milliseconds; null when nothing holds it: that of a vote in which it
   * was counted stays until its timelock has run.
   */
  async lockedUntil(reader: Reader, owner: string): Promise<number | null> {
    const voted: Proposal[] = [];
    for (const proposal of await readLiveProposals(reader)) {
      if (await hasVoted(reader, proposal, owner)) voted.push(proposal);
    }
    return lockedUntil(voted, this.#dependencies.now());
  }

  /** Says who votes with an owner's stake from now on: another, the owner, or nobody. */
  async delegate(owner: string, to: string | null): Promise<void> {
    const { database, ledger, now } = this.#dependencies;
    await database.write(async (writer) => {
      const { sequence } = await ledger.tick(writer, now());
      const before = await readStake(writer, owner);
      if ((before?.delegate ?? null) === to) return;
      if ((await countStakeRows(writer, owner)) >= DAO_LIMITS.stakeChanges) {
        throw new FogError('too-many-requests', `${owner} has delegated too often while votes are under way`, {
          hint: 'wait for their end',
        });
      }
      await this.#change(writer, [{ owner, sequence: await this.#entered(writer, owner, sequence), delegate: to }]);
    });
  }

  /** Votes that open from now on take ballots that this key has signed. */
  async registerKey(principal: string, publicKey: string): Promise<void> {
    const { database, ledger, now } = this.#dependencies;
    await database.write(async (writer) => {
      // Nobody registers while a snapshot reads the keys, and nobody goes beyond the number of them.
      const { nowMilliseconds } = await ledger.tick(writer, now());
      const before = await readVotingKey(writer, principal);
      if (before === publicKey) return;
      if (before === null && (await countVotingKeys(writer)) >= DAO_LIMITS.votingKeys) {
        throw new FogError('too-many-requests', `${DAO_LIMITS.votingKeys} keys are registered, and there is no room`, {
          hint: 'delegate your vote to somebody who has a key',
        });
      }
      await saveVotingKey(writer, principal, publicKey, nowMilliseconds);
    });
  }

  /** Removes what no vote asks about any more. */
  async forget(): Promise<void> {
    const { database, ledger, now } = this.#dependencies;
    await database.write(async (writer) => {
      const { sequence } = await ledger.tick(writer, now());
      const needed = (await readLiveProposals(writer)).map(({ createdSequence }) => createdSequence - 1);
      await forgetPowerBefore(writer, Math.min(sequence - 1, ...needed));
    });
  }

  /** Enters a change without money into the journal, so that its tick is over when the next thing happens. Answers the tick. */
  async #entered(writer: Writer, owner: string, sequence: number): Promise<number> {
    const { ledger, now } = this.#dependencies;
    const moves = new MoneyMoves('fog');
    moves.openWallet(owner);
    const transfer = {
      id: transferId('delegateVote', owner, sequence),
      debitAccount: accountId('fog', 'wallet', owner),
      creditAccount: accountId('fog', 'treasury'),
      amount: 0n,
      ledger: CURRENCIES.fog,
      code: TRANSFER_CODES.delegateVote,
    };
    moves.add({ transfers: [transfer] });
    await moves.carryOut(writer, ledger, now());
    const next = await ledger.tick(writer, now());
    return next.sequence - 1;
  }

  /** Changes of different owners: a slash changes what all who delegated to one validator have. */
  async #change(writer: Writer, changes: readonly StakeChange[]): Promise<void> {
    const owners = changes.map(({ owner }) => owner);
    const latest = await readStakes(writer, owners);
    const latestOf = ({ owner }: StakeChange) => latest.get(owner) ?? null;
    const powers = await readPowers(writer, new Set(changes.flatMap((change) => touchedBy(latestOf(change), change))));
    const changed = new Map<string | null, PowerCheckpoint>();
    const stakes = changes.map((change) => {
      const moved = moveStake(latestOf(change), change, (of) => changed.get(of) ?? powers.get(of) ?? null);
      for (const power of moved.powers) changed.set(power.of, power);
      return moved.stake;
    });
    await saveStakes(writer, stakes);
    await savePowers(writer, [...changed.values()]);
  }
}

/** Whether a ballot counted the owner's stake. */
async function hasVoted(reader: Reader, proposal: Proposal, owner: string): Promise<boolean> {
  const { id, terms, createdSequence, snapshotSequence } = proposal;
  if (snapshotSequence === null) return false;
  const before = await readStake(reader, owner, createdSequence - 1);
  const atSnapshot = await readStake(reader, owner, snapshotSequence);
  const delegates = delegatesThatCount(terms, {
    before: before?.delegate ?? null,
    atSnapshot: atSnapshot?.delegate ?? null,
  });
  for (const delegate of delegates) if ((await readBallot(reader, id, delegate)) !== null) return true;
  return false;
}
