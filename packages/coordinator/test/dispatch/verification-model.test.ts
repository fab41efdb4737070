/**
 * Random games of nodes that compute right, lie, withhold, fail and vanish under verified jobs. Whatever they do: the
 * invariants of the database hold, no two replicas of a task are of one owner or network, every task ends once honest
 * and trusted nodes are there, and what a quorum or a trusted node has accepted is right, since these liars do not
 * collude. Where the fog asks for money, every escrow closes with nothing in it, and of those who have a bond nobody
 * loses any of it but who has lied. A failure prints its seed; FOG_MODEL_SEED runs it again, FOG_MODEL_RUNS sets how many games there are.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bond, slashes } from '../settlement/bonded-owners.ts';
import { assertMoney } from '../settlement/money-invariants.ts';
import { assertStake } from '../settlement/stake-invariants.ts';
import type { FakeAgent } from './fake-agent.ts';
import { Fog, temporaryStorage } from './fog-harness.ts';
import { assertAgreement, assertConsistent, assertPlaces } from './invariants.ts';
import {
  type Answer,
  acceptedOutput,
  obey,
  prove,
  RIGHT,
  recordOf,
  stranger,
  submitVerified,
  wrong,
} from './strangers.ts';

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

/** A run costs enough for its fee to be something. */
const WHOLE = { resources: { cpu: '1', memory: '1Mi', disk: '1Mi' } } as const;

class Game {
  fog: Fog;
  readonly nodes: FakeAgent[] = [];
  readonly jobs: { id: string; count: number }[] = [];
  /** Whose nodes have lied; and whether one of them was trusted at that time: what it says counts. */
  readonly liars = new Set<string>();
  hasTrustedLiar = false;
  readonly #trusted = new Set<FakeAgent>();
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

  /** Everybody is there, has something to lose, and earns enough for oversight to have a share; half have a record. */
  async begin(first: readonly Behaviour[]): Promise<void> {
    if (this.fog.economy === null) return;
    for (const owner of new Set(this.nodes.map(({ owner }) => owner))) await bond(this.fog, owner);
    for (const [number, agent] of this.nodes.entries()) {
      this.#behave(agent, first[number] ?? 'honest');
      agent.ran(3_000_000);
      await agent.connect();
      if (number >= NODES / 2) await prove(this.fog, agent, 20);
    }
  }

  async run(step: Command): Promise<void> {
    const { fog } = this;
    const target = this.nodes['node' in step ? step.node : 0] as FakeAgent;
    switch (step.do) {
      case 'submit': {
        const { mode, quorum, count } = step;
        const checks = mode === 'adaptive' ? { spotChecks: 0.5 } : {};
        this.jobs.push({ id: await submitVerified(fog, { mode, quorum, ...checks }, { count }, WHOLE), count });
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
        if (step.trusted) this.#trusted.add(target);
        else this.#trusted.delete(target);
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
    if (this.fog.economy === null) return;
    await assertMoney(this.fog.database);
    await assertStake(this.fog.database);
    if (this.hasTrustedLiar) return;
    for (const { validator, fault } of await slashes(this.fog)) {
      assert.ok(this.liars.has(validator), `${validator} is slashed for ${fault}, and has never lied`);
    }
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
    if (as === 'lying') this.liars.add(agent.owner);
    if (as === 'lying' && this.#trusted.has(agent)) this.hasTrustedLiar = true;
    obey(agent, answers[as]);
    if (as === 'withholding') agent.onReveal = () => undefined;
    if (as === 'declining') agent.onLease = (name) => queueMicrotask(() => agent.decline(name));
    if (as === 'silent') agent.onLease = () => undefined;
  }
}

test('whatever nodes do, the invariants hold, tasks end, and what is verified is right', async () => {
  const seed = process.env.FOG_MODEL_SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.FOG_MODEL_SEED);
  const games = fc.array(command, { minLength: 8, maxLength: 25, size: 'max' });
  const economies = fc.constantFrom('on' as const, 'off' as const);
  const firsts = fc.array(fc.constantFrom(...(['honest', 'honest', 'lying'] as const)), {
    minLength: NODES,
    maxLength: NODES,
  });
  const property = fc.asyncProperty(games, economies, firsts, async (steps, economy, first) => {
    await using folder = await temporaryStorage();
    const game = new Game(await Fog.open(folder.storage, { economy }));
    try {
      await game.begin(first);
      for (const step of steps) await game.run(step);
      await game.check();
      await game.finish();
      await game.check();
      await game.fog.advance(1000);
      assert.equal(await assertMoney(game.fog.database), 0, 'every escrow closes');
    } finally {
      await game.fog[Symbol.asyncDispose]();
    }
  });
  await fc.assert(property, { seed, numRuns: RUNS });
});
