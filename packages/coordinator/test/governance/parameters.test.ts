/** What a vote can change is asked for by the running system, each of it. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join as joined } from 'node:path';
import { test } from 'node:test';
import { type ProposalActionDocument, parseJobSpec, type StakeChange } from '@fog/contract';
import { accountId } from '@fog/economy/chart';
import { readTerms } from '@fog/economy/escrow';
import { PARAMETER_NAMES, type ParameterName } from '@fog/economy/governance';
import { placementClass, requirementsOf } from '../../src/dispatch/requirements.ts';
import { readLedgerBalance } from '../../src/settlement/ledger-queries.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { type Fog, jobSpec, type SpecChange } from '../dispatch/fog-harness.ts';
import { treasuryOf } from '../settlement/money-invariants.ts';
import { caller, DAY, daoOf, decree, economyOf, FOG, HOUR, pass, proposeBy, threeMembers, vote } from './members.ts';

const PAID = { economy: 'on' as const };
const LONG = {
  task: { resources: { cpu: '1', memory: '1Gi', disk: '1Mi' } },
  spec: { timeouts: { attempt: '1h' }, budget: { perTask: 1_000_000 } },
};

function setting(values: Partial<Record<ParameterName, bigint>>): ProposalActionDocument {
  const changes = Object.entries(values).map(([name, value]) => ({ name, value: String(value) }));
  return { kind: 'parameter', changes };
}

/** A vote that all three members carry, from the proposal to the end of its timelock. */
async function votedFor(fog: Fog, proposer: string, values: Partial<Record<ParameterName, bigint>>): Promise<void> {
  const proposal = await proposeBy(fog, proposer, setting(values));
  await pass(fog, DAY + 1);
  for (const voter of ['ann', 'bo', 'cy']) await vote(fog, proposal, voter);
  await pass(fog, 7 * DAY + 1);
  await pass(fog, 2 * DAY + 1);
  assert.equal((await daoOf(fog).get(proposal.id)).state, 'executed');
}

const change = (fog: Fog, principal: string, wanted: StakeChange) =>
  economyOf(fog).staking.change(caller(principal), wanted);

async function termsOf(fog: Fog, job: string) {
  const query = fog.database.read.selectFrom('jobs').select('payment_terms').where('id', '=', job);
  return readTerms((await query.executeTakeFirstOrThrow()).payment_terms ?? '');
}

/** What keeps the first node from a job at this moment. */
function hurdleOn(fog: Fog, spec: SpecChange): string | undefined {
  const placement = placementClass(requirementsOf(parseJobSpec(jobSpec(spec)), 'alice'));
  const { now } = fog.clock;
  const node = { id: fog.agents[0]?.id } as Parameters<Fog['dispatcher']['sessions']['placer']['hurdleOn']>[0];
  return fog.dispatcher.sessions.placer.hurdleOn(node, { placement, now, submittedAt: now, kinds: [] })?.constraint;
}

await onBothDatabases('parameters', {
  async 'slash ratios, oversight and fuel: a job has those of its submit, a later one those of the vote'({ open }) {
    const fog = await open(PAID);
    await threeMembers(fog);
    const first = await fog.submit(LONG);
    const values = { wrongResultSlashPpm: 70_000n, insurancePpm: 1n, oversightPpm: 2n, sliceFuel: 8n * 10n ** 12n };
    await votedFor(fog, 'ann', { ...values, cancelPpm: 3n, premiumPpm: 4n });
    const [before, after] = [await termsOf(fog, first), await termsOf(fog, await fog.submit(LONG))];
    assert.deepEqual(before.slash, { slashPpm: 50_000n, insurancePpm: 500_000n });
    assert.deepEqual(after.slash, { slashPpm: 70_000n, insurancePpm: 1n });
    assert.deepEqual([before.oversightPpm, after.oversightPpm], [500_000n, 2n]);
    assert.deepEqual([before.sliceFuel, after.sliceFuel], [4n * 10n ** 12n, 8n * 10n ** 12n]);
    assert.deepEqual([after.cancelPpm, after.premiumPpm], [3n, 4n]);
  },

  async 'quorums and times: the next proposal is voted on by them'({ open }) {
    const fog = await open(PAID);
    await threeMembers(fog);
    const values = { quorumPpm: 500_000n, approvalPpm: 900_000n, votingPeriodMilliseconds: BigInt(2 * DAY) };
    await votedFor(fog, 'ann', { ...values, votingDelayMilliseconds: BigInt(HOUR), proposalDeposit: 7n * FOG });
    const proposal = await proposeBy(fog, 'bo');
    const { quorum, approvalPpm, votingPeriodMilliseconds, depositMicroFog } = proposal.terms;
    assert.deepEqual([quorum, approvalPpm, depositMicroFog], [{ ppm: '500000' }, '900000', String(7n * FOG)]);
    assert.equal(votingPeriodMilliseconds, 2 * DAY);
    await pass(fog, HOUR + 1);
    // Seven of twenty are for: more than a tenth, and less than a half.
    await vote(fog, proposal, 'bo');
    await pass(fog, 2 * DAY + 1);
    assert.equal((await daoOf(fog).get(proposal.id)).state, 'defeated');
  },

  async 'stake: a share of the treasury each day, the window of liveness, the highest commission'({ open }) {
    const fog = await open({ ...PAID, faucet: 'off' });
    await threeMembers(fog);
    await fog.endow('vera', 300n * FOG);
    await change(fog, 'vera', { kind: 'bond', amount: String(100n * FOG), commissionPpm: 200_000, key: 'vera' });
    await fog.fillTreasury(1000n * FOG);
    await pass(fog, DAY);
    assert.equal(await treasuryOf(fog.database, 'fog'), 1000n * FOG, 'nothing is divided by default');
    await fog.endow('ole', 300n * FOG);
    const dear = { kind: 'bond', amount: String(100n * FOG), commissionPpm: 200_001, key: 'ole' } as const;
    await assert.rejects(change(fog, 'ole', dear), { code: 'invalid-request', details: { mostPpm: 200_000 } });
    const values = { epochTreasuryPpm: 10_000n, validatorCommissionMostPpm: 100_000n };
    await votedFor(fog, 'ann', { ...values, livenessSlots: 20n, livenessAnsweredPpm: 900_000n });
    const { livenessSlots, livenessAnsweredPpm } = economyOf(fog).stake.parameters;
    assert.deepEqual([livenessSlots, livenessAnsweredPpm], [20, 900_000n]);
    await pass(fog, DAY);
    // A hundredth, of which 2 % stay; Vera asked for a fifth of the rest, and a tenth is the most by now.
    const divided = (10n * FOG * 98n) / 100n;
    assert.equal(await readLedgerBalance(fog.database.read, accountId('fog', 'rewards', 'vera')), divided);
    const { validator } = await economyOf(fog).staking.get(caller('vera'), undefined);
    assert.equal(validator?.commission, String(divided / 10n));
  },

  async 'liveness: a window that was made shorter jails by what it sees'({ open }) {
    const fog = await open({ ...PAID, faucet: 'off' });
    await fog.endow('vera', 300n * FOG);
    await change(fog, 'vera', { kind: 'bond', amount: String(100n * FOG), key: 'vera' });
    const agent = await fog.connected({ owner: 'vera' });
    await decree(fog, { livenessSlots: 20n });
    await pass(fog, 900_000);
    await agent.disconnect();
    let slots = 0;
    const isJailed = async () =>
      (await economyOf(fog).staking.get(caller('vera'), undefined)).validator?.status === 'jailed';
    while (slots < 40 && !(await isJailed())) {
      await pass(fog, 900_000);
      slots += 1;
    }
    assert.equal(slots, 20, 'not before a whole window, and long before the hundred of the default');
  },

  async 'prices of tiers: what placement lets a node ask of a budget, and what it expects, are those of the vote'({
    open,
  }) {
    const fog = await open(PAID);
    await fog.connected({ offer: { pricePerSlice: 1000 } });
    const silver = { spec: { tier: 'silver' as const, budget: { perTask: 2500 }, objectives: { cost: 1 } } };
    assert.equal(hurdleOn(fog, silver), undefined);
    await decree(fog, { silverPricePpm: 3_000_000n });
    assert.equal(hurdleOn(fog, silver), 'price: at most 2500 micro-FOG');
    const job = await fog.submit({ spec: { ...silver.spec, budget: { perTask: 3000 } } });
    await fog.settle();
    const attempt = await fog.database.read
      .selectFrom('attempts')
      .select('placement')
      .where('job_id', '=', job)
      .executeTakeFirstOrThrow();
    assert.equal(JSON.parse(attempt.placement ?? '{}').expected.costMicroFog, 3000);
  },

  async 'service levels: an hour gives back what the vote says, and a miss that is worth nothing is one'({ open }) {
    const fog = await open(PAID);
    const missed = async () => {
      for (const agent of fog.agents) await agent.disconnect();
      await fog.submit({ spec: { tier: 'gold' } });
      fog.clock.now += 900;
      await fog.connected({ capacity: { slots: 50 } });
      await fog.advance(1000);
      const { items } = await fog.quotaService.serviceLevels(
        { scope: 'admin', principal: 'admin' },
        { since: 0, limit: 100 },
      );
      return items.map(({ settled, isMet, creditPermille }) => [settled, isMet, creditPermille]);
    };
    await decree(fog, { creditMissedPpm: 0n, creditMissedByHalfPpm: 0n, creditMissedTwofoldPpm: 333_999n });
    assert.deepEqual(await missed(), [[false, false, 333]]);
    await pass(fog, HOUR + 60_000);
    await decree(fog, { creditMissedTwofoldPpm: 0n });
    assert.deepEqual(await missed(), [
      [false, false, 0],
      [true, false, 333],
    ]);
  },
});

test('every parameter of the catalogue is asked for somewhere', () => {
  const packages = joined(import.meta.dirname, '..', '..', '..');
  const sources = ['economy', 'coordinator'].flatMap((name) => {
    const folder = joined(packages, name, 'src');
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith(joined('governance', 'parameters.ts')))
      .map((file) => readFileSync(joined(folder, file), 'utf8'));
  });
  const text = sources.join('\n');
  for (const name of PARAMETER_NAMES) assert.match(text, new RegExp(`\\b${name}\\b`), name);
});
