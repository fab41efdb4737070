/** Which node gets a task: by what the job asks for, and by what is known of the nodes. */
import assert from 'node:assert/strict';
import { type PlacementReason, parseJobSpec } from '@fog/contract';
import { placementClass, requirementsOf } from '../../src/dispatch/requirements.ts';
import { onBothDatabases } from './both-databases.ts';
import type { FakeAgent } from './fake-agent.ts';
import { type Fog, jobSpec, MODULE, type SpecChange } from './fog-harness.ts';
import { honest, stranger, submitVerified, wrong } from './strangers.ts';

/** The nodes that the tasks of the job went to, in the order of its partitions, and why. */
async function placesOf(fog: Fog, job: string): Promise<{ node: string; reason: PlacementReason }[]> {
  const rows = await fog.database.read
    .selectFrom('attempts')
    .innerJoin('nodes', 'nodes.id', 'attempts.node_id')
    .select(['nodes.name', 'attempts.placement'])
    .where('job_id', '=', job)
    .orderBy('partition')
    .orderBy('fence')
    .execute();
  return rows.map(({ name, placement }) => ({ node: name, reason: JSON.parse(placement ?? '{}') as PlacementReason }));
}

async function nodesOf(fog: Fog, change: SpecChange): Promise<string[]> {
  const job = await fog.submit(change);
  await fog.settle();
  return (await placesOf(fog, job)).map(({ node }) => node);
}

/** What keeps a node from a job at this moment. */
function hurdleOn(fog: Fog, agent: FakeAgent, change: SpecChange): string | undefined {
  const placement = placementClass(requirementsOf(parseJobSpec(jobSpec(change)), 'alice'));
  const { now } = fog.clock;
  const node = { id: agent.id } as Parameters<Fog['dispatcher']['sessions']['placer']['hurdleOn']>[0];
  return fog.dispatcher.sessions.placer.hurdleOn(node, { placement, now, submittedAt: now, kinds: [] })?.constraint;
}

await onBothDatabases('placement', {
  async 'objectives decide between nodes that suit, and are noted with what was expected'({ open }) {
    const fog = await open();
    await fog.connected({ name: 'cheap', offer: { pricePerSlice: 10, idleWatts: 50, busyWatts: 300 } });
    await fog.connected({ name: 'frugal', offer: { pricePerSlice: 90, idleWatts: 2, busyWatts: 9 } });
    await fog.connected({ name: 'silent', offer: { pricePerSlice: 90 } });
    assert.deepEqual(await nodesOf(fog, { spec: { objectives: { cost: 1 }, count: 2 } }), ['cheap', 'cheap']);
    assert.deepEqual(await nodesOf(fog, { spec: { objectives: { energy: 1 } } }), ['frugal']);
    const job = await fog.submit({ spec: { objectives: { cost: 3, energy: 1 } } });
    await fog.settle();
    const [place] = await placesOf(fog, job);
    assert.equal(place?.node, 'cheap');
    assert.deepEqual(place?.reason.objectives, { cost: 3, energy: 1 });
    assert.deepEqual(
      [place?.reason.by, place?.reason.compared, place?.reason.expected?.costMicroFog],
      ['objectives', 3, 10],
    );
  },

  async 'one strategy is asked for and used; without one, work is spread'({ open }) {
    const fog = await open();
    for (const name of ['a', 'b', 'c']) await fog.connected({ name });
    const job = await fog.submit({ spec: { count: 3 } });
    await fog.settle();
    const places = await placesOf(fog, job);
    assert.deepEqual(places.map(({ node }) => node).sort(), ['a', 'b', 'c']);
    assert.deepEqual(places[0]?.reason, { by: 'strategy', strategy: 'balanced', reputation: 0.8 });
    const affine = await nodesOf(fog, { spec: { placement: { strategy: 'affinity' }, count: 3 } });
    assert.equal(new Set(affine).size, 1, 'the same program stays on one node while it has room');
  },

  async 'reputation comes from verification: who was found out comes after the others, and gets none above its floor'({
    open,
  }) {
    const fog = await open();
    const liar = await stranger(fog, () => wrong(1), { name: 'liar' });
    const others = [await stranger(fog, honest, { name: 'one' }), await stranger(fog, honest, { name: 'two' })];
    for (let job = 0; job < 2; job += 1) await submitVerified(fog);
    await fog.settle();
    const reputations = [liar, ...others].map(({ session }) => session?.records.trust.wasm);
    assert.ok((reputations[0]?.invalid ?? 0) > 0 && (reputations[1]?.valid ?? 0) > 0, JSON.stringify(reputations));
    for (const agent of [liar, ...others]) agent.onLease = null;
    const places = await nodesOf(fog, { spec: { count: 2 } });
    assert.ok(!places.includes('liar'), 'others have room');
    assert.match(hurdleOn(fog, liar, { spec: { placement: { trust: 0.81 } } }) ?? '', /^trust: needs at least 0.81$/);
    assert.equal(hurdleOn(fog, others[0] as FakeAgent, { spec: { placement: { trust: 0.81 } } }), undefined);
    const floor = await nodesOf(fog, { spec: { placement: { trust: 0.81 }, count: 6 } });
    assert.ok(floor.length > 0 && !floor.includes('liar'));
  },

  async 'price, latency, privacy and a strict deadline leave nodes out'({ open }) {
    const fog = await open();
    const dear = await fog.connected({ name: 'dear', offer: { pricePerSlice: 1000 } });
    const budget = { spec: { budget: { perTask: 999 } } };
    assert.match(hurdleOn(fog, dear, budget) ?? '', /^price: at most 999 micro-FOG$/);
    assert.deepEqual(await nodesOf(fog, budget), []);
    assert.deepEqual(await nodesOf(fog, { spec: { budget: { perTask: 1000 } } }), ['dear']);
    const silver = { spec: { ...budget.spec, tier: 'silver' as const, budget: { perTask: 2499 } } };
    assert.match(hurdleOn(fog, dear, silver) ?? '', /^price: /, 'a higher tier costs more');
    assert.deepEqual(await nodesOf(fog, { spec: { tier: 'silver', budget: { perTask: 2500 } } }), ['dear']);
    const session = dear.session ?? assert.fail();
    session.roundTripMilliseconds = 80;
    fog.dispatcher.sessions.changed(session);
    const near = { spec: { placement: { maxLatency: '50ms' } } };
    assert.match(hurdleOn(fog, dear, near) ?? '', /^latency: at most 50 ms$/);
    assert.deepEqual(await nodesOf(fog, near), []);
    assert.deepEqual(await nodesOf(fog, { spec: { placement: { maxLatency: '100ms' } } }), ['dear']);
    assert.deepEqual(await nodesOf(fog, { spec: { privacy: 'private' } }), [], 'it belongs to somebody else');
    const hurry = { spec: { deadline: { within: '1s', strict: true } } };
    assert.match(hurdleOn(fog, dear, hurry) ?? '', /^deadline: would be missed$/);
    assert.deepEqual(await nodesOf(fog, hurry), []);
    assert.deepEqual(await nodesOf(fog, { spec: { deadline: { within: '1s' } } }), ['dear'], 'the last resort');
    await fog.connected({ name: 'own', owner: 'alice' });
    await fog.settle();
    assert.deepEqual(await nodesOf(fog, { spec: { privacy: 'private' } }), ['own']);
  },

  async 'a task goes where its data is, and where tasks ended sooner'({ open }) {
    const fog = await open();
    const [one, two] = [await fog.connected({ name: 'one' }), await fog.connected({ name: 'two' })];
    const { placer } = fog.dispatcher.sessions;
    placer.blobs.note(two.id, [MODULE]);
    placer.blobs.size(MODULE, 1 << 30);
    assert.deepEqual(await nodesOf(fog, { spec: { placement: { strategy: 'proximity' } } }), ['two']);
    assert.deepEqual(await nodesOf(fog, { spec: { objectives: { completionTime: 1 } } }), ['two']);
    placer.blobs.note(one.id, [MODULE]);
    for (let run = 0; run < 20; run += 1) {
      placer.runTimes.observe(one.id, ['kind'], 100);
      placer.runTimes.observe(two.id, ['kind'], 400);
    }
    for (const { session } of [one, two]) fog.dispatcher.sessions.changed(session ?? assert.fail());
    assert.ok(placer.runTimes.speedOf(one.id) > 1.5 * placer.runTimes.speedOf(two.id));
    assert.deepEqual(await nodesOf(fog, { spec: { objectives: { completionTime: 1 } } }), ['one']);
  },

  async 'nodes that fall silent often are the less likely choice; who drains has not fallen silent'({ open }) {
    const fog = await open();
    const [steady, flighty] = [await fog.connected({ name: 'steady' }), await fog.connected({ name: 'flighty' })];
    for (let cut = 0; cut < 5; cut += 1) {
      fog.clock.now += 60_000;
      await flighty.disconnect();
      await flighty.connect();
    }
    const losses = await fog.database.read
      .selectFrom('nodes')
      .select(['name', 'losses', 'connected_milliseconds'])
      .orderBy('name')
      .execute();
    assert.deepEqual(
      losses.map((row) => ({ ...row })),
      [
        { name: 'flighty', losses: 5, connected_milliseconds: 300_000 },
        { name: 'steady', losses: 0, connected_milliseconds: 0 },
      ],
    );
    assert.deepEqual(await nodesOf(fog, { spec: { objectives: { failureRisk: 1 } } }), ['steady']);
    assert.ok(steady.session?.open);
  },
});
