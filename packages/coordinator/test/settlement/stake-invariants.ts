/** What must hold of stake whenever nothing is under way. */
import assert from 'node:assert/strict';
import { accountId } from '@fog/economy/chart';
import { readLedgerAccount } from '../../src/settlement/ledger-queries.ts';
import { bondedOf } from '../../src/settlement/stake/stake-totals.ts';
import type { Database } from '../../src/store/database.ts';
import { readValidators } from '../../src/store/stake-queries.ts';

/**
 * For each validator: its shares are those of its delegations; its accounts hold what its rows say, what is reserved for
 * held slashes aside; what listeners were told of owners is what they have.
 */
export async function assertStake({ read }: Pick<Database, 'read'>): Promise<void> {
  for (const { validator, tokens, heldTokens, shares, held, heldSlashes } of await readValidators(read, {
    limit: 1e6,
  })) {
    const delegations = await read
      .selectFrom('stake_delegations')
      .select('shares')
      .where('validator', '=', validator)
      .execute();
    const sum = delegations.reduce((total, row) => total + BigInt(row.shares), 0n);
    assert.equal(sum, shares, `the shares of ${validator}`);
    assert.equal(await freeOf({ read }, 'bonded', validator), tokens, `what is bonded with ${validator}`);
    assert.equal(await freeOf({ read }, 'rewards', validator), held, `the rewards of ${validator}`);
    assert.equal(
      await freeOf({ read }, 'slashed', validator),
      0n,
      `nothing stays with what was slashed of ${validator}`,
    );
    const cohorts = await read.selectFrom('stake_cohorts').selectAll().where('validator', '=', validator).execute();
    const leaving = cohorts.reduce((total, row) => total + BigInt((row as unknown as { tokens: string }).tokens), 0n);
    assert.equal(await freeOf({ read }, 'unbonding', validator), leaving, `what leaves ${validator}`);
    if (heldSlashes === 0) assert.equal(heldTokens, 0n);
  }
  const totals = await read.selectFrom('stake_totals').selectAll().execute();
  const bonded = await bondedOf(
    read,
    totals.map(({ owner }) => owner),
  );
  for (const { owner, bonded: told } of totals) {
    const difference = BigInt(told) - (bonded.get(owner) ?? 0n);
    assert.ok(difference <= 100n && difference >= -100n, `what was told of ${owner}`);
  }
}

/** What can be taken out of an account of a validator. */
async function freeOf({ read }: Pick<Database, 'read'>, kind: Parameters<typeof accountId>[1], name: string) {
  const account = await readLedgerAccount(read, accountId('fog', kind, name));
  return account === null ? 0n : account.creditsPosted - account.debitsPosted - account.debitsPending;
}
