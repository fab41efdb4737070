/**
 * F1 distribution: scenarios of one validator, its delegators, rewards and slashes, through the whole of staking. A step
 * is a name and its arguments:
 *
 *     ["alloc", AMOUNT]   ["slash", FRACTION, OF]   ["delegate", WHO, AMOUNT]   ["undelegate", WHO, AMOUNT]
 *     ["withdraw", WHO]   ["withdraw_commission"]
 *
 * What is expected of a delegator is what it has earned since it last withdrew; the validator itself is `del1`. Numbers
 * may be followed by a remark in parentheses. A unit is a whole FOG here, so results are exact to six decimals; the last
 * of them may be one less, since every payment is rounded down.
 */
import assert from 'node:assert/strict';
import { accountId } from '@fog/economy/chart';
import {
  applyStaking,
  DEFAULT_STAKING_PARAMETERS,
  pendingReward,
  type StakingEvent,
  StakingState,
} from '@fog/economy/staking';
import { z } from 'zod';
import type { VectorFile } from '../areas.ts';
import { type Check, parseShape, readJson } from '../vector-shape.ts';

const VALIDATOR = 'del1';
const UNIT_DECIMALS = 6;
const PARAMETERS = {
  ...DEFAULT_STAKING_PARAMETERS,
  rewardSpreadMilliseconds: 0,
  communityTaxPpm: 0n,
  tombstoneFaults: Number.MAX_SAFE_INTEGER,
};

const amount = z.number().nonnegative();
const fraction = amount.max(1);
const stepSchema = z.union([
  z.tuple([z.literal('alloc'), amount]),
  z.tuple([z.literal('slash'), fraction, amount]),
  z.tuple([z.enum(['delegate', 'undelegate']), z.string().min(1), amount]),
  z.tuple([z.literal('withdraw'), z.string().min(1)]),
  z.tuple([z.literal('withdraw_commission')]),
]);
const scenarioSchema = z
  .strictObject({
    name: z.string(),
    self: amount.optional(),
    self_power: amount.optional(),
    commission: fraction.default(0.5),
    steps: z.array(stepSchema),
    expect: z.record(z.string(), z.union([z.string(), z.number()])),
  })
  .refine((scenario) => (scenario.self === undefined) !== (scenario.self_power === undefined), 'the stake of del1');
type Scenario = z.output<typeof scenarioSchema>;
type Step = z.output<typeof stepSchema>;

const fileSchema = z.strictObject({
  note: z.string().optional(),
  scenarios: z.array(scenarioSchema),
  /** Told in words; the property tests of staking check them. */
  invariants: z.array(z.string()).optional(),
});

export function f1Checks(file: VectorFile): Check[] {
  const { scenarios } = parseShape(fileSchema, readJson(file));
  return scenarios.map((scenario) => ({ name: scenario.name, run: () => checkScenario(scenario) }));
}

function checkScenario(scenario: Scenario): void {
  const run = new ScenarioRun(scenario);
  for (const step of scenario.steps) run.take(step);
  for (const [name, expected] of Object.entries(scenario.expect)) {
    const wanted = expectedUnits(expected);
    const got = run.figure(name);
    assert.ok(got === wanted || got === wanted - 1n, `${name} is ${got}, expected ${wanted} millionths`);
  }
}

/** `20 (= 30/2 + 30/6)` -> 20,000,000; further decimals are cut off. */
function expectedUnits(expected: string | number): bigint {
  const match = /^(\d+)(?:\.(\d+))?\s*(?:\(.*\))?$/.exec(String(expected).trim());
  assert.ok(match !== null, `"${expected}" is no number with a remark`);
  return BigInt((match[1] ?? '') + (match[2] ?? '').slice(0, UNIT_DECIMALS).padEnd(UNIT_DECIMALS, '0'));
}

function unitsOf(value: number): bigint {
  const units = Math.round(value * 10 ** UNIT_DECIMALS);
  assert.ok(Number.isSafeInteger(units), `${value} is too large`);
  return BigInt(units);
}

class ScenarioRun {
  readonly #state = new StakingState();
  readonly #paid = new Map<string, bigint>();
  #now = 0;
  #steps = 0;

  constructor({ self, self_power: power = self, commission }: Scenario) {
    this.#apply({ kind: 'open', validator: VALIDATOR, commissionPpm: unitsOf(commission) });
    if (power !== undefined && power > 0) this.#stake('delegate', VALIDATOR, unitsOf(power));
  }

  take(step: Step): void {
    this.#steps += 1;
    switch (step[0]) {
      case 'alloc':
        this.#apply({
          ...{ kind: 'allocate', epoch: this.#steps, amount: unitsOf(step[1]), source: accountId('fog', 'issuance') },
          weights: [{ validator: VALIDATOR, weight: 1n }],
        });
        break;
      case 'slash':
        this.#slash(unitsOf(step[1] * step[2]));
        break;
      case 'delegate':
      case 'undelegate':
        this.#stake(step[0], step[1], unitsOf(step[2]));
        break;
      case 'withdraw':
        this.#apply({ kind: 'withdraw', validator: VALIDATOR, delegator: step[1], cause: `${this.#steps}` });
        this.#paid.delete(step[1]);
        break;
      case 'withdraw_commission':
        this.#apply({ kind: 'withdraw-commission', validator: VALIDATOR, cause: `${this.#steps}` }, false);
        break;
    }
  }

  /** Proven, posted when its window is over, and unjailed: what the scenarios do in one step. */
  #slash(sum: bigint): void {
    const attempt = {
      ...{ job: 'job', partition: this.#steps, fence: 1, validator: VALIDATOR, buyer: 'buyer', deliveredAt: this.#now },
      ...{ isDeterministic: true, claimedDigest: 'claimed' },
    };
    const terms = { stakeAtLease: sum, slashPpm: 1_000_000n, insurancePpm: 0n, paidForTask: 0n };
    this.#apply({ kind: 'prove', evidence: { kind: 'coordinator-run', attempt, digest: 'right' }, ...terms });
    this.#now += PARAMETERS.appealMilliseconds + 1;
    this.#apply({ kind: 'post', validator: VALIDATOR, fault: `job/${this.#steps}/1` });
    this.#now += PARAMETERS.jailMilliseconds;
    this.#apply({ kind: 'unjail', validator: VALIDATOR });
  }

  #stake(kind: 'delegate' | 'undelegate', delegator: string, units: bigint): void {
    const common = { validator: VALIDATOR, delegator, amount: units, cause: `${this.#steps}` };
    if (kind === 'delegate') this.#apply({ kind, ...common, currency: 'fog' });
    else this.#apply({ kind: 'unbond', ...common, votesUntil: null });
    if (!this.#paid.has(delegator)) this.#paid.set(delegator, 0n);
  }

  #apply(event: StakingEvent, isEarned = true): void {
    const { facts } = applyStaking(this.#state, event, this.#now, PARAMETERS);
    for (const fact of facts) {
      if (fact.kind !== 'paid' || !isEarned) continue;
      this.#paid.set(fact.delegator, (this.#paid.get(fact.delegator) ?? 0n) + fact.amount);
    }
  }

  /** In millionths. Throws for a name that no step has used. */
  figure(name: string): bigint {
    if (name === 'commission') return this.#state.get('validators', VALIDATOR)?.commission ?? 0n;
    if (name === 'outstanding') return this.#state.get('validators', VALIDATOR)?.held ?? 0n;
    const delegation = this.#state.get('delegations', VALIDATOR, name);
    const pending = delegation === undefined ? 0n : pendingReward(this.#state, delegation, this.#now);
    const paid = this.#paid.get(name);
    assert.ok(paid !== undefined || delegation !== undefined, `nobody is called "${name}"`);
    return pending + (paid ?? 0n);
  }
}
