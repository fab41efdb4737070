/**
 * What an epoch of rewards costs with many delegators, and what a withdrawal costs after many epochs. Both with the rows
 * in memory and the transfers that the ledger would get, without the ledger.
 */
import { accountId } from '@fog/economy/chart';
import {
  applyStaking,
  DEFAULT_STAKING_PARAMETERS,
  type StakingEvent,
  StakingState,
  stakeWeights,
} from '@fog/economy/staking';
import type { BenchmarkContext } from '../benchmark.ts';
import { median, rounded } from '../statistics.ts';

const MICRO_FOG = 1_000_000n;
const EPOCHS = 200;
const WITHDRAWALS = 20_000;

/** `rewardEpochMilliseconds`: the median epoch, all delegators with one validator; and with a hundred of them. */
export function measureRewards(context: BenchmarkContext, delegators: number) {
  context.progress(`rewards of ${delegators} delegators`);
  const alone = measure(delegators, 1);
  const many = measure(delegators, 100);
  const few = measure(1000, 1);
  const figures = {
    rewardEpochMilliseconds: alone.epochMilliseconds,
    rewardEpochMillisecondsHundredValidators: many.epochMilliseconds,
    rewardEpochMillisecondsThousandDelegators: few.epochMilliseconds,
    withdrawalMicroseconds: alone.withdrawalMicroseconds,
    withdrawalMicrosecondsThousandDelegators: few.withdrawalMicroseconds,
  };
  context.progress(`an epoch: ${alone.epochMilliseconds} ms, a withdrawal: ${alone.withdrawalMicroseconds} µs`);
  return figures;
}

function measure(delegators: number, validators: number) {
  const state = new StakingState();
  const parameters = { ...DEFAULT_STAKING_PARAMETERS, rewardSpreadMilliseconds: 0 };
  let now = 0;
  const apply = (event: StakingEvent) => applyStaking(state, event, now, parameters);
  for (let index = 0; index < validators; index += 1) {
    apply({ kind: 'open', validator: `validator-${index}`, commissionPpm: 50_000n });
  }
  for (let index = 0; index < delegators; index += 1) {
    const stake = { validator: `validator-${index % validators}`, delegator: `delegator-${index}`, amount: MICRO_FOG };
    apply({ kind: 'delegate', ...stake, currency: 'fog', cause: `stake-${index}` });
  }
  const source = accountId('fog', 'issuance');
  const epochs: number[] = [];
  const withdrawals: number[] = [];
  for (let epoch = 0; epoch < EPOCHS; epoch += 1) {
    now += 1000;
    const startedAt = performance.now();
    const weights = stakeWeights(state.all('validators'));
    apply({ kind: 'allocate', epoch, amount: BigInt(delegators) * 1009n, source, weights });
    epochs.push(performance.now() - startedAt);
    for (let count = 0; count < WITHDRAWALS / EPOCHS; count += 1) {
      const index = (epoch * 7919 + count * 104_729) % delegators;
      const place = { validator: `validator-${index % validators}`, delegator: `delegator-${index}` };
      const withdrawal = { kind: 'withdraw', ...place, cause: `withdraw-${epoch}-${count}` } as const;
      const began = performance.now();
      apply(withdrawal);
      withdrawals.push((performance.now() - began) * 1000);
    }
  }
  return { epochMilliseconds: rounded(median(epochs)), withdrawalMicroseconds: rounded(median(withdrawals)) };
}
