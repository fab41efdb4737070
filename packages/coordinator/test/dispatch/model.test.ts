/**
 * Random sequences of everything that can happen, after each of which the invariants must hold and every job must
 * still come to its end. A failure prints its seed and the shortest sequence that was found; give the seed as
 * FOG_MODEL_SEED to run it again, and FOG_MODEL_RUNS for more runs.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttemptName, Checkpoint, JobSpecInput } from '@fog/contract';
import fc from 'fast-check';
import { ALICE, service } from '../deployments/deployment-scene.ts';
import { assertMoney } from '../settlement/money-invariants.ts';
import type { FakeAgent } from './fake-agent.ts';
import { CHECKPOINTED, Fog, temporaryStorage } from './fog-harness.ts';
import { assertAgreement, assertConsistent, assertObedience, assertPlaces } from './invariants.ts';

const AGENTS = 3;
const RUNS = Number(process.env.FOG_MODEL_RUNS ?? 40);
const COMMANDS = 30;

const OUTCOMES = [
  'prepare',
  'start',
  'upload',
  'progress',
  'log',
  'succeed',
  'succeed',
  'fail',
  'node-fail',
  'decline',
  'checkpoint',
  'suspend',
  'resume',
  'yield',
] as const;
type Outcome = (typeof OUTCOMES)[number];

type Disconnect = NonNullable<JobSpecInput['spec']['disconnect']>;

type Command =
  | {
      do: 'submit';
      count: number;
      attempts: number;
      priority: number;
      key: string | undefined;
      ops: boolean;
      checkpoints: boolean;
      disconnect: Disconnect;
    }
  | { do: 'connect' | 'disconnect' | 'cut' | 'remove'; agent: number }
  | { do: 'forget'; agent: number; keep: number }
  | { do: 'cordon'; agent: number; cordoned: boolean }
  | { do: 'report'; agent: number; pick: number; outcome: Outcome }
  | { do: 'stale'; agent: number; pick: number; outcome: Outcome }
  | { do: 'cancel'; pick: number }
  | { do: 'suspend' | 'unsuspend'; pick: number; partition: number | undefined }
  | { do: 'deploy'; type: 'service' | 'daemon'; count: number; version: string }
  | { do: 'scale'; replicas: number }
  | { do: 'advance'; milliseconds: number }
  | { do: 'crash' };

const agent = fc.nat({ max: AGENTS - 1 });
const pick = fc.nat({ max: 20 });
const outcome = fc.constantFrom(...OUTCOMES);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      count: fc.integer({ min: 1, max: 4 }),
      attempts: fc.integer({ min: 1, max: 3 }),
      priority: fc.constantFrom(10, 50, 90),
      key: fc.constantFrom(undefined, undefined, 'a', 'b'),
      ops: fc.boolean(),
      checkpoints: fc.boolean(),
      disconnect: fc.record({
        replace: fc.boolean(),
        reconcile: fc.constantFrom('first-valid' as const, 'keep-original' as const, 'keep-replacement' as const),
      }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('connect' as const), agent }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('disconnect' as const, 'cut' as const), agent }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), agent }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), agent, keep: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cordon' as const), agent, cordoned: fc.boolean() }) },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('report' as const), agent, pick, outcome }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('stale' as const), agent, pick, outcome }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), pick }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('suspend' as const, 'unsuspend' as const),
      pick,
      partition: fc.constantFrom(undefined, 0, 1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('deploy' as const),
      type: fc.constantFrom('service' as const, 'daemon' as const),
      count: fc.integer({ min: 1, max: 3 }),
      version: fc.constantFrom('1', '2'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('scale' as const), replicas: fc.nat({ max: 3 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      milliseconds: fc.constantFrom(1000, 30_000, 61_000, 3_600_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
);

class Model {
  fog: Fog;
  readonly agents: FakeAgent[];
  readonly jobs: string[] = [];
  /** Every attempt that was ever leased. */
  readonly names: AttemptName[] = [];

  constructor(fog: Fog) {
    this.fog = fog;
    this.agents = Array.from({ length: AGENTS }, () => fog.agent({ capacity: { slots: 2 } }));
    for (const each of this.agents) each.onLease = (name) => this.names.push(name);
  }

  async run(step: Command): Promise<void> {
    const { fog } = this;
    const target = this.agents['agent' in step ? step.agent : 0] as FakeAgent;
    switch (step.do) {
      case 'submit':
        return await this.#submit(step);
      case 'connect':
        await target.connect();
        return;
      case 'disconnect':
        return await target.disconnect();
      case 'cut':
        return target.cut();
      case 'forget':
        await target.disconnect();
        for (const key of [...target.held.keys()].slice(step.keep)) target.held.delete(key);
        await target.connect();
        return;
      case 'remove':
        return await ignoring(fog.nodes.remove(target.id), ['not-found']);
      case 'cordon':
        return await ignoring(fog.nodes.cordon(target.id, step.cordoned, 'root'), ['not-found']);
      case 'report':
        return report(target, target.attempts, step);
      case 'stale':
        return report(target, this.names, step);
      case 'cancel': {
        const job = this.jobs[step.pick % Math.max(1, this.jobs.length)];
        if (job !== undefined) await fog.jobs.close(job, 'cancelled', 'alice');
        return;
      }
      case 'suspend':
      case 'unsuspend': {
        const job = this.jobs[step.pick % Math.max(1, this.jobs.length)];
        if (job === undefined) return;
        const change = { suspend: step.do === 'suspend', partition: step.partition, by: 'alice' };
        return await ignoring(fog.suspensions.change(job, change), ['conflict', 'not-found']);
      }
      case 'deploy': {
        const size = step.type === 'daemon' ? {} : { count: step.count };
        const spec = service({ type: step.type, ...size }, [step.version]);
        await ignoring(fog.deployments.deploy(ALICE, { name: 'web' }, spec).then(nothing), ['conflict']);
        return;
      }
      case 'scale':
        return await ignoring(fog.deployments.scale(ALICE, { name: 'web' }, step.replicas).then(nothing), [
          'not-found',
          'invalid-request',
        ]);
      case 'advance':
        await fog.settle();
        return await fog.advance(step.milliseconds);
      case 'crash':
        this.fog = await fog.crash();
    }
  }

  async check(): Promise<void> {
    await this.fog.settle();
    await assertConsistent(this.fog.database);
    await assertMoney(this.fog.database);
    await assertPlaces(this.fog);
    assertAgreement(this.fog);
    await assertObedience(this.fog);
  }

  /** With willing agents every job ends, once nothing is suspended and nothing keeps it running. */
  async finish(): Promise<void> {
    for (const job of new Set(this.jobs)) {
      await ignoring(this.fog.suspensions.change(job, { suspend: false, by: 'alice' }), ['conflict']);
    }
    await ignoring(this.fog.deployments.remove(ALICE, { name: 'web' }), ['not-found']);
    for (const each of this.agents) {
      each.onLease = (name) => queueMicrotask(() => each.succeed(name));
      await each.connect();
      for (const name of each.attempts) each.succeed(name);
      await ignoring(this.fog.nodes.cordon(each.id, false, 'root'), []);
    }
    await this.fog.settle();
    for (let round = 0; round < 3; round += 1) await this.fog.advance(600_000);
    const left = await this.fog.database.read
      .selectFrom('jobs')
      .select(['id', 'state'])
      .where('ended_at', 'is', null)
      .execute();
    assert.deepEqual(left, [], 'every job ends');
  }

  async #submit(step: Extract<Command, { do: 'submit' }>): Promise<void> {
    const { attempts, priority, ops, key } = step;
    const count = ops ? {} : { count: step.count };
    const spec = { type: ops ? ('ops' as const) : ('batch' as const), priority, retry: { attempts }, ...count };
    const task = step.checkpoints ? CHECKPOINTED : {};
    const submitted = this.fog
      .submit({ spec, task }, key === undefined ? {} : { key })
      .then((id) => void this.jobs.push(id));
    await ignoring(submitted, ['conflict', 'idempotency-mismatch']);
  }
}

function report(target: FakeAgent, names: readonly AttemptName[], step: { pick: number; outcome: Outcome }): void {
  const name = names[step.pick % Math.max(1, names.length)];
  if (name === undefined) return;
  if (step.outcome === 'succeed') target.succeed(name);
  else if (step.outcome === 'fail') target.fail(name, 'exit-code', 1);
  else if (step.outcome === 'node-fail') target.fail(name, 'sandbox');
  else if (step.outcome === 'decline') target.decline(name);
  else if (step.outcome === 'checkpoint') target.report(name, { event: 'checkpoint', ...checkpoint(step.pick) });
  else if (step.outcome === 'yield') target.yields(name, step.pick % 3 === 0 ? null : checkpoint(step.pick));
  else if (step.outcome === 'log') target.log(name, 0, 'text');
  else if (step.outcome === 'progress') target.report(name, { event: 'progress', fraction: 0.5, message: '' });
  else target.report(name, { event: step.outcome });
}

function checkpoint(pick: number): Checkpoint {
  return { manifest: `sha256:${String(pick).padStart(64, '0')}`, bytes: pick, files: 1 };
}
const nothing = () => undefined;

async function ignoring(work: Promise<void>, codes: string[]): Promise<void> {
  await work.catch((error: { code?: string }) => {
    if (!codes.includes(error.code ?? '')) throw error;
  });
}

test('any sequence of events keeps the invariants, and all jobs end', async () => {
  const seed = process.env.FOG_MODEL_SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.FOG_MODEL_SEED);
  const property = fc.asyncProperty(
    fc.array(command, { minLength: 5, maxLength: COMMANDS, size: 'max' }),
    fc.constantFrom('on' as const, 'off' as const),
    async (steps, economy) => {
      await using folder = await temporaryStorage();
      const model = new Model(await Fog.open(folder.storage, { economy }));
      try {
        for (const step of steps) await model.run(step);
        await model.check();
        await model.finish();
        await model.check();
        await model.fog.advance(1000);
        assert.equal(await assertMoney(model.fog.database), 0, 'every escrow closes');
      } finally {
        await model.fog[Symbol.asyncDispose]();
      }
    },
  );
  await fc.assert(property, { seed, numRuns: RUNS });
});
