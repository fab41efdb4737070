/** Who gets the next place: tiers, fairness between tenants, aging, and room that is kept for large tasks. */
import assert from 'node:assert/strict';
import { dominantShare } from '@fog/scheduler/queueing';
import { onBothDatabases, type Scene } from './both-databases.ts';
import type { FakeAgent } from './fake-agent.ts';
import type { Fog, FogOptions, SpecChange } from './fog-harness.ts';
import { jobRow } from './invariants.ts';

/** Its slots are used up first, so that nobody goes on alone in what is left of something else. */
const WIDE = { slots: 40, milliCpu: 40_000, memoryBytes: 40_000, diskBytes: 1 << 30 };

function sized(cpu: string, memory: string, spec: SpecChange['spec'] = {}): SpecChange {
  return { spec, task: { resources: { cpu, memory, disk: '1' } } };
}

/** Submitters of the leases that this agent got, in order, as it finishes each at once. */
function watched(agent: FakeAgent, by: ReadonlyMap<string, string>): string[] {
  const order: string[] = [];
  agent.onLease = (name) => {
    order.push(by.get(name.job) ?? '?');
    queueMicrotask(() => agent.succeed(name));
  };
  return order;
}

async function queued(open: Scene['open'], jobs: [by: string, change: SpecChange][], options: FogOptions = {}) {
  const fog = await open(options);
  const by = new Map<string, string>();
  for (const [principal, change] of jobs) {
    by.set(await fog.submit(change, { by: principal }), principal);
    fog.clock.now += 1;
  }
  return { fog, by };
}

/** Shares of the tenants over the nodes that are connected. */
function sharesOf(fog: Fog, tenants: readonly string[]): number[] {
  return tenants.map((tenant) => dominantShare({ ...fog.dispatcher.sessions.uses.of(tenant) }, { ...WIDE }));
}

await onBothDatabases('order of the queue', {
  async 'priority goes before tier, tier before fairness, and of equal tenants the first to come'({ open }) {
    const { fog, by } = await queued(open, [
      ['alice', { spec: { count: 2 } }],
      ['bob', { spec: { count: 1 } }],
      ['gina', { spec: { tier: 'gold' } }],
      ['sam', { spec: { tier: 'silver' } }],
      ['paul', { spec: { priority: 60 } }],
    ]);
    const agent = fog.agent({ capacity: { slots: 1 } });
    const order = watched(agent, by);
    await agent.connect();
    await fog.settle();
    assert.deepEqual(order, ['paul', 'gina', 'sam', 'alice', 'alice', 'bob']);
  },

  async 'tenants with unequal queues and needs get equal dominant shares, within one task'({ open }) {
    const fog = await open();
    const needs = [
      { cpus: [100, 100], memories: [10, 10] },
      { cpus: [100, 1600], memories: [10, 10] },
      { cpus: [100, 2000], memories: [1600, 100] },
      { cpus: [700, 10], memories: [200, 900] },
    ];
    for (const [index, { cpus, memories }] of needs.entries()) {
      const tenants = [`left${index}`, `right${index}`];
      const ids: string[] = [];
      for (const [side, tenant] of tenants.entries()) {
        const change = sized(`${cpus[side]}m`, `${memories[side]}`, { count: side === 0 ? 400 : 100 });
        ids.push(await fog.submit(change, { by: tenant }));
      }
      const agent = await fog.connected({ name: `wide${index}`, capacity: WIDE });
      const shares = sharesOf(fog, tenants);
      const steps = tenants.map((_, side) =>
        Math.max((cpus[side] ?? 0) / 10_000, (memories[side] ?? 0) / 10_000, 0.01),
      );
      assert.ok(Math.abs((shares[0] ?? 0) - (shares[1] ?? 0)) <= Math.max(...steps) + 1e-9, `${shares} of ${tenants}`);
      assert.ok((shares[0] ?? 0) > 0.3, 'nothing is left idle that somebody wants');
      for (const id of ids) await fog.jobs.close(id, 'cancelled', null);
      await fog.settle();
      assert.deepEqual(sharesOf(fog, tenants), [0, 0], "what has ended is nobody's");
      await agent.disconnect();
    }
  },

  async 'a tenant that comes later catches up, one freed place after the other'({ open }) {
    const { fog } = await queued(open, [['alice', { spec: { count: 40 } }]]);
    const agent = await fog.connected({ capacity: { slots: 8 } });
    assert.equal(fog.dispatcher.sessions.uses.of('alice').slots, 8);
    await fog.submit({ spec: { count: 3 } }, { by: 'bob' });
    await fog.settle();
    for (let times = 0; times < 3; times += 1) {
      agent.succeed(agent.attempts[0] as (typeof agent.attempts)[number]);
      await fog.settle();
    }
    assert.equal(fog.dispatcher.sessions.uses.of('bob').slots, 3);
    assert.equal(fog.dispatcher.sessions.uses.of('alice').slots, 5);
  },

  async 'whoever got nothing for the bound goes first once, whatever the tier of others'({ open }) {
    const { fog, by } = await queued(
      open,
      [
        ['bob', { spec: { count: 9 } }],
        ['gina', { spec: { tier: 'gold', count: 500 } }],
      ],
      { agingBound: '1m' },
    );
    const agent = fog.agent({ capacity: { slots: 1 } });
    const order: string[] = [];
    agent.onLease = (name) => order.push(by.get(name.job) ?? '?');
    await agent.connect();
    for (let seconds = 0; seconds < 150; seconds += 10) {
      await fog.advance(10_000);
      for (const name of agent.attempts) agent.succeed(name);
      await fog.settle();
    }
    const places = order.flatMap((who, index) => (who === 'bob' ? [index] : []));
    assert.equal(places.length, 2, `${order}`);
    assert.ok((places[0] ?? 99) <= 7 && (places[1] ?? 99) <= 14, `bob waited too long: ${places}`);
  },

  async 'a large task among endless small ones starts when the first of its node have ended'({ open }) {
    const fog = await open();
    let smalls = 0;
    // Of a submitter each: nobody knows how long they take.
    const small = async () => {
      smalls += 1;
      fog.clock.now += 1;
      await fog.submit({ ...sized('1', '1'), spec: { timeouts: { attempt: '10m' } } }, { by: `sam${smalls}` });
    };
    for (let count = 0; count < 16; count += 1) await small();
    const agents = [
      await fog.connected({ capacity: { slots: 16, milliCpu: 8000 } }),
      await fog.connected({ capacity: { slots: 16, milliCpu: 8000 } }),
    ];
    fog.clock.now += 1;
    const large = await fog.submit(sized('8', '1'), { by: 'lena' });
    await fog.settle();
    let rounds = 0;
    for (; (await jobRow(fog.database, large)).scheduled === 0 && rounds < 24; rounds += 1) {
      // On each node the oldest ends, and another comes.
      for (const agent of agents) {
        const [oldest] = agent.attempts;
        if (oldest !== undefined) agent.succeed(oldest);
        await small();
      }
      await fog.advance(1000);
    }
    assert.ok(rounds <= 9, `the large task started after ${rounds} rounds`);
    const [kept, other] = agents as [FakeAgent, FakeAgent];
    const [first, second] = kept.attempts.length === 1 ? [kept, other] : [other, kept];
    assert.equal(first.attempts.length, 1);
    assert.equal(second.attempts.length, 8, 'the other node was not left idle for it');
  },

  async 'what ends before the large task starts may use its room, what does not may not'({ open }) {
    const fog = await open();
    const agent = await fog.connected({ capacity: { slots: 16, milliCpu: 8000 } });
    await fog.submit({ ...sized('6', '1'), spec: { timeouts: { attempt: '10m' } } }, { by: 'sam' });
    const start = fog.clock.now;
    fog.clock.now += 1;
    const large = await fog.submit(sized('8', '1'), { by: 'lena' });
    fog.clock.now += 1;
    const long = await fog.submit({ ...sized('1', '1'), spec: { timeouts: { attempt: '11m' } } }, { by: 'sam' });
    fog.clock.now += 1;
    const short = await fog.submit({ ...sized('1', '1'), spec: { timeouts: { attempt: '9m' } } }, { by: 'tina' });
    await fog.settle();
    const scheduled = async (id: string) => (await jobRow(fog.database, id)).scheduled;
    assert.deepEqual([await scheduled(large), await scheduled(long), await scheduled(short)], [0, 0, 1]);
    const kept = fog.dispatcher.keptFor((await classOf(fog, large)) ?? '');
    assert.equal(kept?.nodeId, agent.id);
    assert.equal(kept?.startsAt, start + 600_000);
    for (const name of agent.attempts) agent.succeed(name);
    await fog.settle();
    assert.deepEqual([await scheduled(large), await scheduled(long)], [1, 0]);
    agent.succeed(agent.attempts[0] as (typeof agent.attempts)[number]);
    await fog.settle();
    assert.equal(await scheduled(long), 1);
    assert.equal(fog.dispatcher.keptFor((await classOf(fog, large)) ?? ''), undefined);
  },
});

async function classOf(fog: Fog, job: string): Promise<string | null> {
  return (await jobRow(fog.database, job)).class_id;
}
