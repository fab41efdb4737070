/**
 * Random games of nodes that compute right, lie, withhold, fail and vanish under verified jobs. Whatever they do: the
 * invariants of the database hold, no two replicas of a task are of one owner or network, every task ends once honest
 * and trusted nodes are there, and what a quorum or a trusted node has accepted is right, since these liars do not
 * collude. A failure prints its seed; FOG_MODEL_SEED runs it again, FOG_MODEL_RUNS sets how many games there are.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { FakeAgent } from './fake-agent.ts';
import { Fog, temporaryStorage } from './fog-harness.ts';
import { assertAgreement, assertConsistent, assertPlaces } from './invariants.ts';
import { type Answer, acceptedOutput, obey, RIGHT, recordOf, stranger, submitVerified, wrong } from './strangers.ts';

const RUNS = Number(process.env.FOG_MODEL_RUNS ?? 15);
const NODES = 6;
const BEHAVIOURS = ['honest', 'lying', 'withholding', 'failing', 'declining', 'silent'] as const;
type Behaviour = (typeof BEHAVIOURS)[number];

type Command =
  | { do: 'submit'; mode: 'replicate' | 'adaptive'; quorum: 2 | 3; count: number }
  | { do: 'behave'; node: number; as: Behaviour }
  | { do: 'connect' | 'disconnect'; node: number }
  | { do: 'trust'; node: number; trusted: boolean }
  | { do: 'advance'; milliseconds: number }
  | { do: 'watch' }
  | { do: 'reopen' }
  | { do: 'cancel'; pick: number }
  | { do: 'crash' };

const node = fc.nat({ max: NODES - 1 });
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      mode: fc.constantFrom('replicate' as const, 'adaptive' as const),
      quorum: fc.constantFrom(2 as const, 3 as const),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('behave' as const), node, as: fc.constantFrom(...BEHAVIOURS) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('connect' as const, 'disconnect' as const), node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('trust' as const), node, trusted: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      milliseconds: fc.constantFrom(1000, 31_000, 130_000, 700_000, 5_000_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('watch' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), pick: fc.nat({ max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
);

class Game {
  fog: Fog;
  readonly nodes: FakeAgent[] = [];
  readonly jobs: { id: string; count: number }[] = [];
  /** Nodes that were trusted while they lied: what they say counts. */
  hasTrustedLiar = false;
  #lies = 0;

  constructor(fog: Fog) {
    this.fog = fog;
    for (let number = 0; number < NODES; number += 1) {
      // The first two share their owner, the next two their network.
      const owner = `owner-${Math.max(1, number)}`;
      const prefix = `10.0.${number === 3 ? 2 : number}.0/24`;
      const agent = fog.agent({ owner, prefix, capacity: { slots: 2 } });
      this.nodes.push(agent);
      this.#behave(agent, 'honest');
    }
  }

  async run(step: Command): Promise<void> {
    const { fog } = this;
    const target = this.nodes['node' in step ? step.node : 0] as FakeAgent;
    switch (step.do) {
      case 'submit': {
        const { mode, quorum, count } = step;
        this.jobs.push({ id: await submitVerified(fog, { mode, quorum }, { count }), count });
        return;
      }
      case 'behave':
        return this.#behave(target, step.as);
      case 'connect':
        await target.connect();
        return;
      case 'disconnect':
        return await target.disconnect();
      case 'trust':
        if (step.trusted) this.#behave(target, 'honest');
        return await fog.nodes.trust(target.id, step.trusted, 'root').catch((error: { code?: string }) => {
          assert.equal(error.code, 'not-found');
        });
      case 'advance':
        await fog.settle();
        return await fog.advance(step.milliseconds);
      case 'watch':
        await fog.settle();
        return await this.#watch();
      case 'reopen':
        // As when a node is found out.
        await fog.database.write((writer) =>
          writer
            .updateTable('tasks')
            .set({ verification_due: fog.clock.now })
            .where('state', '=', 'succeeded')
            .where('verification', 'is not', null)
            .where('verification_due', 'is', null)
            .execute(),
        );
        return;
      case 'cancel': {
        const job = this.jobs[step.pick % Math.max(1, this.jobs.length)];
        if (job !== undefined) await fog.jobs.close(job.id, 'cancelled', 'alice');
        return;
      }
      case 'crash':
        this.fog = await fog.crash();
    }
  }

  async check(): Promise<void> {
    await this.fog.settle();
    await assertConsistent(this.fog.database);
    await assertPlaces(this.fog);
    assertAgreement(this.fog);
  }

  async finish(): Promise<void> {
    for (const each of this.nodes) {
      this.#behave(each, 'honest');
      await each.disconnect();
      await each.connect();
      for (const name of each.attempts) each.fail(name, 'sandbox');
    }
    await stranger(this.fog, () => RIGHT, { trusted: true });
    for (let round = 0; round < 12; round += 1) {
      await this.fog.advance(1_000_000);
      await this.#watch();
    }
    const left = await this.fog.database.read
      .selectFrom('tasks')
      .select(['job_id', 'state', 'verification'])
      .where('state', 'in', ['queued', 'scheduled', 'running'])
      .execute();
    assert.deepEqual(left, [], 'every task ends');
    for (const { id, count } of this.jobs) {
      for (let partition = 0; partition < count; partition += 1) {
        const accepted = await acceptedOutput(this.fog, id, partition);
        const by = (await recordOf(this.fog, id, partition))?.state.accepted?.by;
        if (accepted !== null && by !== undefined && by !== 'alone') assert.equal(accepted, RIGHT, `accepted by ${by}`);
      }
    }
  }

  /** For longer than any patience with nodes that do not come. */
  async #watch(): Promise<void> {
    for (let look = 0; look < 5; look += 1) await this.fog.advance(40_000);
  }

  #behave(agent: FakeAgent, as: Behaviour): void {
    const answers: Record<Behaviour, Answer> = {
      honest: () => RIGHT,
      lying: () => wrong(this.#lies++ % 18),
      withholding: () => RIGHT,
      failing: () => null,
      declining: () => RIGHT,
      silent: () => RIGHT,
    };
    obey(agent, answers[as]);
    if (as === 'withholding') agent.onReveal = () => undefined;
    if (as === 'declining') agent.onLease = (name) => queueMicrotask(() => agent.decline(name));
    if (as === 'silent') agent.onLease = () => undefined;
  }
}

test('whatever nodes do, the invariants hold, tasks end, and what is verified is right', async () => {
  const seed = process.env.FOG_MODEL_SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.FOG_MODEL_SEED);
  const property = fc.asyncProperty(fc.array(command, { minLength: 8, maxLength: 25, size: 'max' }), async (steps) => {
    await using folder = await temporaryStorage();
    const game = new Game(await Fog.open(folder.storage));
    try {
      for (const step of steps) await game.run(step);
      await game.check();
      await game.finish();
      await game.check();
    } finally {
      await game.fog[Symbol.asyncDispose]();
    }
  });
  await fc.assert(property, { seed, numRuns: RUNS });
});
