/** Staking with a small double-entry ledger beside it: every step moves money there, and the two have to agree. */
import assert from 'node:assert/strict';
import { accountId } from '../../src/chart.ts';
import {
  type FaultClaim,
  FRACTIONS,
  keyOf,
  pendingReward,
  type StakingEvent,
  StakingState,
  type StakingStep,
  type StakingTransfer,
  stakingStep,
  TABLE_NAMES,
  type Validator,
} from '../../src/staking/index.ts';
import { applyStaking } from '../../src/staking/machine.ts';
import { loadRows } from '../../src/staking/needs.ts';
import { DEFAULT_STAKING_PARAMETERS, type StakingParameters } from '../../src/staking/parameters.ts';

export const FOG = 1_000_000n;
export const DAY = 86_400_000;
export const HOUR = 3_600_000;

const LINKED = 1;
const PENDING = 2;
const POST = 4;
const VOID = 8;

/** Balances as credits without debits; what is pending is out of reach. Accounts of staking never owe. */
class Balances {
  readonly #posted = new Map<bigint, bigint>();
  readonly #reserved = new Map<bigint, bigint>();
  readonly #pending = new Map<bigint, StakingTransfer>();
  readonly #ids = new Set<bigint>();
  readonly #limited = new Set<bigint>();

  limit(account: bigint): void {
    this.#limited.add(account);
  }

  apply(transfers: readonly StakingTransfer[]): void {
    for (const [index, transfer] of transfers.entries()) {
      assert.ok(transfer.amount > 0n, 'no empty transfer');
      assert.ok(!this.#ids.has(transfer.id), 'no id twice');
      this.#ids.add(transfer.id);
      const flags = transfer.flags ?? 0;
      assert.equal((flags & LINKED) !== 0, index < transfers.length - 1, 'one chain');
      if ((flags & PENDING) !== 0) {
        this.#pending.set(transfer.id, transfer);
        this.#reserve(transfer.debitAccount, transfer.amount);
      } else if ((flags & (POST | VOID)) !== 0) this.#resolve(transfer, (flags & POST) !== 0);
      else this.#move(transfer);
    }
  }

  #resolve(transfer: StakingTransfer, isPost: boolean): void {
    const pending = this.#pending.get(transfer.pendingId ?? 0n);
    assert.ok(pending !== undefined, 'a pending transfer resolves once');
    this.#pending.delete(pending.id);
    assert.equal(transfer.amount, pending.amount);
    assert.equal(transfer.debitAccount, pending.debitAccount);
    this.#reserve(pending.debitAccount, -pending.amount);
    if (isPost) this.#move(transfer);
  }

  #reserve(account: bigint, amount: bigint): void {
    this.#reserved.set(account, this.reserved(account) + amount);
    if (this.#limited.has(account)) assert.ok(this.of(account) >= 0n, 'a reservation is covered');
  }

  #move({ debitAccount, creditAccount, amount }: StakingTransfer): void {
    assert.notEqual(debitAccount, creditAccount);
    this.#posted.set(debitAccount, (this.#posted.get(debitAccount) ?? 0n) - amount);
    this.#posted.set(creditAccount, (this.#posted.get(creditAccount) ?? 0n) + amount);
    if (this.#limited.has(debitAccount)) assert.ok(this.of(debitAccount) >= 0n, 'an account of staking never owes');
  }

  reserved(account: bigint): bigint {
    return this.#reserved.get(account) ?? 0n;
  }

  /** What can be moved. */
  of(account: bigint): bigint {
    return (this.#posted.get(account) ?? 0n) - this.reserved(account);
  }

  sum(): bigint {
    return [...this.#posted.values()].reduce((total, balance) => total + balance, 0n);
  }
}

export class World {
  state = new StakingState();
  readonly balances = new Balances();
  readonly parameters: StakingParameters;
  now = 1_000 * DAY;
  /** Whether each step is also made over the needed rows alone, which has to come to the same. */
  checksNeeds = false;
  #causes = 0;

  constructor(parameters: Partial<StakingParameters> = {}) {
    this.parameters = {
      ...DEFAULT_STAKING_PARAMETERS,
      communityTaxPpm: 0n,
      rewardSpreadMilliseconds: 0,
      ...parameters,
    };
  }

  apply(event: StakingEvent): StakingStep {
    const expected = this.checksNeeds ? this.#overNeededRows(event) : null;
    const step = applyStaking(this.state, event, this.now, this.parameters);
    if (expected !== null) {
      assert.deepEqual(step.transfers, expected.transfers, 'the needed rows are enough');
      for (const { table, validator, key, row } of expected.changes) {
        assert.deepEqual(this.state.get(table, validator, key) ?? null, row, 'the needed rows are enough');
      }
    }
    for (const { id } of step.accounts) this.balances.limit(id);
    this.balances.apply(step.transfers);
    return step;
  }

  #overNeededRows(event: StakingEvent) {
    const part = new StakingState();
    loadRows(event, this.now, this.state, part);
    try {
      return stakingStep(part, event, this.now, this.parameters);
    } catch (error) {
      assert.throws(() => stakingStep(this.state, event, this.now, this.parameters), {
        message: (error as Error).message,
      });
      return null;
    }
  }

  open(validator: string, commissionPpm = 0n): void {
    this.apply({ kind: 'open', validator, commissionPpm });
  }

  delegate(validator: string, delegator: string, amount: bigint): StakingStep {
    return this.apply({ kind: 'delegate', validator, delegator, amount, currency: 'fog', cause: this.cause() });
  }

  unbond(validator: string, delegator: string, amount: bigint | null = null): StakingStep {
    return this.apply({ kind: 'unbond', validator, delegator, amount, votesUntil: null, cause: this.cause() });
  }

  redelegate(validator: string, to: string, delegator: string, amount: bigint | null = null): StakingStep {
    return this.apply({ kind: 'redelegate', validator, to, delegator, amount, cause: this.cause() });
  }

  withdraw(validator: string, delegator: string): StakingStep {
    return this.apply({ kind: 'withdraw', validator, delegator, cause: this.cause() });
  }

  #epoch = 0;
  /** Pays from the account `issuance`, which may owe. */
  reward(amount: bigint, ...validators: string[]): StakingStep {
    this.#epoch += 1;
    const weights = validators.map((validator) => ({ validator, weight: 1n }));
    const source = accountId('fog', 'issuance');
    return this.apply({ kind: 'allocate', epoch: this.#epoch, amount, source, weights });
  }

  #partition = 0;
  claim(validator: string, changes: Partial<FaultClaim> & { deliveredAt?: number; buyer?: string } = {}): FaultClaim {
    const { deliveredAt = this.now, buyer = 'buyer', ...terms } = changes;
    this.#partition += 1;
    const attempt = {
      ...{ job: 'job', partition: this.#partition, fence: 1, validator, buyer, deliveredAt },
      ...{ isDeterministic: true, claimedDigest: 'aa' },
    };
    return {
      evidence: { kind: 'coordinator-run', attempt, digest: 'bb' },
      stakeAtLease: this.validator(validator).tokens,
      slashPpm: 100_000n,
      insurancePpm: 500_000n,
      paidForTask: 0n,
      ...terms,
    };
  }

  /** Answers the name of the fault. */
  prove(claim: FaultClaim): string {
    this.apply({ kind: 'prove', ...claim });
    const { job, partition, fence } = claim.evidence.attempt;
    return `${job}/${partition}/${fence}`;
  }

  /** Proves, waits until it posts, posts, and unjails. */
  slash(claim: FaultClaim): void {
    const fault = this.prove(claim);
    const validator = claim.evidence.attempt.validator;
    this.now += this.parameters.appealMilliseconds + 1;
    this.apply({ kind: 'post', validator, fault });
    this.now += this.parameters.jailMilliseconds;
    if (this.validator(validator).status === 'jailed') this.apply({ kind: 'unjail', validator });
  }

  validator(name: string): Validator {
    const validator = this.state.get('validators', name);
    assert.ok(validator !== undefined);
    return validator;
  }

  pending(validator: string, delegator: string): bigint {
    const delegation = this.state.get('delegations', validator, delegator);
    return delegation === undefined ? 0n : pendingReward(this.state, delegation, this.now);
  }

  wallet(name: string): bigint {
    return this.balances.of(accountId('fog', 'wallet', name));
  }

  cause(): string {
    this.#causes += 1;
    return `request-${this.#causes}`;
  }

  /** The invariants, each by its name. */
  check(): void {
    assert.equal(this.balances.sum(), 0n, 'debits are credits');
    for (const validator of this.state.all('validators')) this.#checkValidator(validator);
  }

  #checkValidator(validator: Validator): void {
    const name = validator.validator;
    const delegations = this.state.of('delegations', name);
    const cohorts = this.state.of('cohorts', name);
    const entries = this.state.of('entries', name);
    const shares = delegations.reduce((sum, delegation) => sum + delegation.shares, 0n);
    assert.equal(validator.shares, shares, 'sum of shares');
    assert.ok(validator.tokens + validator.heldTokens <= shares || shares === 0n, 'a share is at most a token');
    assert.equal(
      this.balances.of(accountId('fog', 'bonded', name)),
      validator.tokens,
      'no stake created or lost: bonded',
    );
    const leaving = cohorts.reduce((sum, { tokens }) => sum + tokens, 0n);
    assert.equal(this.balances.of(accountId('fog', 'unbonding', name)), leaving, 'no stake created or lost: unbonding');
    for (const cohort of cohorts) {
      const parts = entries.filter(({ leftAt }) => leftAt === cohort.leftAt);
      const sum = parts.reduce((total, part) => total + part.shares, 0n);
      assert.equal(cohort.shares, sum, 'sum of shares of a cohort');
      assert.ok(cohort.tokens <= cohort.shares);
    }
    assert.equal(this.balances.of(accountId('fog', 'rewards', name)), validator.held, 'rewards are covered');
    assert.equal(validator.held * FRACTIONS, this.#owed(validator), 'paid + pending + dust = allocated');
    const slashes = this.state.of('slashes', name);
    const references = this.state.of('periods', name).reduce((sum, period) => sum + period.references, 0);
    assert.equal(
      references,
      1 + delegations.length + slashes.length,
      'references = validators + delegations + slashes',
    );
    const open = slashes.filter(({ state }) => state === 'held' || state === 'appealed');
    assert.equal(validator.heldSlashes, open.length);
    assert.equal(validator.redelegations, this.state.of('redelegations', name).length);
    const parts = this.state.of('slashParts', name);
    assert.equal(this.balances.of(accountId('fog', 'slashed', name)), 0n, 'what is posted is passed on at once');
    assert.equal(
      open.reduce((sum, { amount }) => sum + amount, 0n),
      parts.reduce((sum, { amount }) => sum + amount, 0n),
    );
    const locked = this.#locked(name);
    for (const { delegator, lockedShares, shares: all } of delegations) {
      assert.equal(lockedShares, locked.get(delegator) ?? 0n, 'locked shares are those that moved here');
      assert.ok(lockedShares <= all);
    }
  }

  #locked(to: string): Map<string, bigint> {
    const locked = new Map<string, bigint>();
    for (const moved of this.state.all('redelegations')) {
      if (moved.to === to) locked.set(moved.delegator, (locked.get(moved.delegator) ?? 0n) + moved.shares);
    }
    return locked;
  }

  /** All that the account `rewards` owes, in fractions. */
  #owed({ validator: name, period, streaming, commission, currentRewards, dust }: Validator): bigint {
    const at = new Map(this.state.of('periods', name).map((row) => [row.period, row.rewardPerShare]));
    const last = at.get(period - 1) ?? 0n;
    return this.state
      .of('delegations', name)
      .reduce(
        (sum, { shares, startPeriod }) => sum + shares * (last - (at.get(startPeriod) ?? 0n)),
        (streaming + commission) * FRACTIONS + currentRewards + dust,
      );
  }

  /** All rows, to compare. */
  rows(): Record<string, unknown>[] {
    return TABLE_NAMES.flatMap((table) =>
      [...this.state.all(table)].map((row) => ({ table, key: keyOf(table, row), ...row })),
    );
  }
}
