/** From verified work to the next placement, over both databases: what counts for whom, and for how long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJobSpec } from '@fog/contract';
import { reputationOf, unknownReputation } from '@fog/economy/reputation';
import { newTaskVerification } from '@fog/verification';
import { JobCache } from '../../src/dispatch/job-cache.ts';
import { orderOf, reputationIn } from '../../src/dispatch/placement/node-offers.ts';
import { placementClass, requirementsOf } from '../../src/dispatch/requirements.ts';
import { evidenceOfStep } from '../../src/dispatch/verification/evidence.ts';
import { ownersAfter, readNodes } from '../../src/store/node-queries.ts';
import { readOwners } from '../../src/store/reputation-rows.ts';
import { onBothDatabases } from './both-databases.ts';
import type { FakeAgent } from './fake-agent.ts';
import { type Fog, jobSpec, type SpecChange } from './fog-harness.ts';
import { honest, passing, stranger, submitVerified, wrong } from './strangers.ts';

const DAY = 86_400_000;
const PAID = { economy: 'on' as const };

/** What placement takes the node for now. */
function rankOf(fog: Fog, agent: FakeAgent, valueMicroFog = 0n): number {
  const session = fog.dispatcher.sessions.get(agent.id);
  assert.ok(session !== undefined);
  return reputationIn('wasm', session.facts(1), { valueMicroFog, now: fog.clock.now });
}

async function ownerPpm(fog: Fog, owner: string): Promise<number> {
  const record = (await readOwners(fog.database.read, [owner])).get(owner)?.reputation ?? unknownReputation();
  return reputationOf(record, fog.clock.now);
}

async function verified(fog: Fog, jobs: number, change: NonNullable<SpecChange['spec']> = {}): Promise<void> {
  for (let job = 0; job < jobs; job += 1) await submitVerified(fog, { mode: 'replicate' }, change);
  await fog.settle();
}

async function nodesOf(fog: Fog, count: number): Promise<string[]> {
  const job = await fog.submit({ spec: { count } });
  await fog.settle();
  const attempts = fog.database.read.selectFrom('attempts').innerJoin('nodes', 'nodes.id', 'attempts.node_id');
  const rows = await attempts.select('nodes.name').where('job_id', '=', job).execute();
  return rows.map(({ name }) => name);
}

test('a job that is for the nodes of one owner tells nothing of them', () => {
  const evidence = (spec: NonNullable<SpecChange['spec']>) => {
    const replica = { nodeId: 'n', prefix: '', round: 0, credibility: 0.8, commitment: null, digest: null };
    const before = {
      ...newTaskVerification(),
      replicas: [
        { ...replica, fence: 1, owner: 'olga' },
        { ...replica, fence: 2, owner: 'oleg' },
      ],
    };
    const verdicts = [1, 2].map((fence) => ({ fence, nodeId: 'n', verdict: 'valid' as const }));
    const step = { spec: parseJobSpec(jobSpec({ spec })), submitter: 'alice', before, after: before, verdicts };
    return evidenceOfStep({ ...step, values: [7n, 7n], isCheck: false }).map((found) => found?.owner);
  };
  assert.deepEqual(evidence({}), ['olga', 'oleg']);
  assert.deepEqual(evidence({ placement: { constraints: ['region == eu'] } }), ['olga', 'oleg']);
  assert.deepEqual(evidence({ placement: { constraints: ['owner in (olga, oleg)'] } }), [undefined, undefined]);
});

test('values of one order of size are taken for the least of it', () => {
  assert.deepEqual([0n, 1n, 7n, 8n, 127n, 128n, 1n << 70n].map(orderOf), [0n, 0n, 0n, 8n, 8n, 128n, 1n << 63n]);
});

await onBothDatabases('reputation', {
  async 'who has proven itself gets the next task; a liar falls to where newcomers begin'({ open }) {
    const fog = await open();
    let lies = false;
    const liar = await stranger(fog, () => (lies ? wrong(1) : honest({ job: '', partition: 0, fence: 0 })), {
      name: 'liar',
      owner: 'liza',
    });
    const one = await stranger(fog, honest, { name: 'one', owner: 'olga' });
    await verified(fog, 6);
    assert.ok(rankOf(fog, liar) > 0.88 && rankOf(fog, liar) === rankOf(fog, one));
    lies = true;
    const two = await stranger(fog, honest, { name: 'two', owner: 'oleg' });
    await verified(fog, 2);
    const newcomer = await stranger(fog, honest, { name: 'newcomer', owner: 'nora' });
    const other = await stranger(fog, honest, { name: 'other', owner: 'liza' });
    assert.ok(rankOf(fog, liar) < 0.85, String(rankOf(fog, liar)));
    assert.ok(rankOf(fog, two) > rankOf(fog, newcomer));
    assert.equal(rankOf(fog, newcomer), 0.8);
    assert.ok(rankOf(fog, liar) >= rankOf(fog, newcomer), 'or it would come back as one');
    assert.equal(rankOf(fog, other), 0.8, 'nothing is known of another node of the same owner');
    for (const agent of fog.agents) agent.onLease = null;
    assert.deepEqual(await nodesOf(fog, 1), ['one']);
  },

  async 'a trusted node that proves a result wrong leaves its owner nothing, on none of its nodes'({ open }) {
    const fog = await open();
    let lies = false;
    const answer = () => (lies ? wrong(1) : honest({ job: '', partition: 0, fence: 0 }));
    const liar = await stranger(fog, answer, { owner: 'liza' });
    const second = await stranger(fog, honest, { owner: 'liza' });
    const one = await stranger(fog, honest, { owner: 'olga' });
    await verified(fog, 12);
    assert.ok(rankOf(fog, second) > 0.8 && (await ownerPpm(fog, 'liza')) > 0);
    await fog.nodes.cordon(second.id, true, 'root');
    lies = true;
    await submitVerified(fog, { mode: 'replicate', maxReplicas: 2 });
    await passing(fog, 20_000);
    await stranger(fog, honest, { owner: 'admin', trusted: true });
    await passing(fog, 60_000);
    assert.equal(await ownerPpm(fog, 'liza'), 0);
    assert.deepEqual([rankOf(fog, liar), rankOf(fog, second)], [0.8, 0.8]);
    assert.ok(rankOf(fog, one) > 0.9);
    const [told] = await readNodes(fog.database.read, new JobCache(), { id: liar.id, limit: 1, now: fog.clock.now });
    assert.equal(told?.trust.wasm?.reputation, 0.8);
    assert.deepEqual(told?.trust.wasm?.evidence, { rightAtLeastPpm: 0, right: 0, wrong: 1, provenWrong: 1 });
    assert.equal(told?.ownerReputation.provenWrong, 1);
    const owners = await ownersAfter(fog.database.read, { limit: 9, now: fog.clock.now });
    assert.deepEqual(
      owners.map(({ owner, relayReputationPpm }) => [owner, relayReputationPpm > 500_000]),
      [
        ['liza', false],
        ['olga', true],
      ],
    );
  },

  async 'jobs between accounts of one owner count nothing, and of two of them nothing where nobody else agrees'({
    open,
  }) {
    const fog = await open();
    const own = await stranger(fog, honest, { owner: 'alice' });
    const friend = await stranger(fog, honest, { owner: 'olga' });
    await verified(fog, 5);
    assert.deepEqual([rankOf(fog, own), rankOf(fog, friend)], [0.8, 0.8]);
    assert.deepEqual([await ownerPpm(fog, 'alice'), await ownerPpm(fog, 'olga')], [0, 0]);
    assert.equal(own.session?.records.trust.wasm?.valid, 5, 'verification counts them: it decides on replicas');
  },

  async 'a restart keeps it, and it fades while the clock goes on'({ open, crash }) {
    const before = await open();
    const agent = await stranger(before, honest, { owner: 'olga' });
    await stranger(before, honest, { owner: 'oleg' });
    await verified(before, 20);
    const rank = rankOf(before, agent);
    assert.ok(rank > 0.94);
    const fog = await crash(before);
    for (const known of fog.agents) await known.connect();
    assert.equal(rankOf(fog, agent), rank);
    fog.clock.now += 30 * DAY;
    await fog.settle();
    const faded = rankOf(fog, agent);
    assert.ok(faded < rank && faded > 0.9, `${rank} ${faded}`);
    for (const known of fog.agents) known.onLease = null;
    await nodesOf(fog, 1);
    const { placement } = await fog.database.read
      .selectFrom('attempts')
      .select('placement')
      .orderBy('leased_at', 'desc')
      .limit(1)
      .executeTakeFirstOrThrow();
    const told = (JSON.parse(placement ?? '{}') as { reputation: number }).reputation;
    assert.ok(Math.abs(told - faded) < 0.002, `placed by ${told}`);
    fog.clock.now += 2000 * DAY;
    assert.equal(rankOf(fog, agent), 0.8);
  },

  async 'who is cut off often loses less by that than by one wrong result'({ open }) {
    const fog = await open();
    const agent = await stranger(fog, honest, { owner: 'olga' });
    await stranger(fog, honest, { owner: 'oleg' });
    await verified(fog, 30);
    const steady = rankOf(fog, agent);
    const { session } = agent;
    assert.ok(session !== null);
    const facts = { ...session.facts(1), losses: 1_000_000, roundTripMilliseconds: 60_000 };
    const flighty = reputationIn('wasm', facts, { valueMicroFog: 0n, now: fog.clock.now });
    assert.ok(flighty < steady && flighty > 0.94, `${steady} ${flighty}`);
    await stranger(fog, () => wrong(1), { owner: 'liza' });
    await verified(fog, 1);
    assert.ok(rankOf(fog, agent) >= steady);
  },

  async 'a record of before is taken over, and a node that is removed leaves that of its owner'({ open }) {
    const fog = await open();
    const agent = await stranger(fog, honest, { owner: 'olga' });
    await stranger(fog, honest, { owner: 'oleg' });
    await verified(fog, 8);
    const { reputation } = await fog.database.read
      .selectFrom('node_trust')
      .select('reputation')
      .where('node_id', '=', agent.id)
      .executeTakeFirstOrThrow();
    await fog.database.write((writer) => writer.updateTable('node_trust').set({ reputation: null }).execute());
    await agent.disconnect();
    await agent.connect();
    const taken = agent.session?.records.reputation.wasm;
    assert.deepEqual(taken, JSON.parse(reputation ?? ''), 'eight in a row, of which nothing is at risk');
    await verified(fog, 1);
    assert.ok(rankOf(fog, agent) > 0.91);
    await agent.disconnect();
    await fog.nodes.remove(agent.id);
    assert.ok((await ownerPpm(fog, 'olga')) > 0);
  },

  async 'with money, cheap results say little where more is at risk; each is worth what was charged for it'({ open }) {
    const fog = await open(PAID);
    const agents = [await stranger(fog, honest, { owner: 'olga' }), await stranger(fog, honest, { owner: 'oleg' })];
    for (const agent of agents) agent.ran(300_000);
    await verified(fog, 20);
    const [agent] = agents as [FakeAgent];
    const { right = [] } = agent.session?.records.reputation.wasm ?? {};
    const paid = right.findIndex((amount) => amount > 0);
    // A tenth of a slice of 1,000 micro-FOG.
    assert.deepEqual([paid, right.length], [7, 8], JSON.stringify(right));
    assert.ok(rankOf(fog, agent, 64n) > 0.94);
    assert.ok(rankOf(fog, agent, 1n << 20n) < 0.8001);
    const { placer } = fog.dispatcher.sessions;
    const placement = placementClass(requirementsOf(parseJobSpec(jobSpec()), 'alice'));
    assert.equal(placer.valueOf({ placement, kinds: ['unknown'] }), 0n);
    for (let run = 0; run < 3; run += 1) placer.runTimes.observe(agent.id, ['long'], 30 * 300_000);
    const value = placer.valueOf({ placement, kinds: ['long'] });
    assert.equal(value, orderOf(3000n));
    assert.ok(rankOf(fog, agent, value) < rankOf(fog, agent, 64n));
  },
});
