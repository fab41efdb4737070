/** Results that differ and that no trusted node has decided on: who runs the task again, and whom that costs. */
import assert from 'node:assert/strict';
import type { JobPayment } from '@fog/contract';
import { chargedFor, readSettlement } from '@fog/economy/escrow';
import { ARBITRATION_LIMITS } from '../../src/settlement/arbitration/limits.ts';
import { readOpen, readRunning } from '../../src/store/arbitration-rows.ts';
import { readOwners } from '../../src/store/reputation-rows.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { Fog, SpecChange } from '../dispatch/fog-harness.ts';
import { jobRow } from '../dispatch/invariants.ts';
import { checkedNode, knowAnswer } from '../dispatch/known-answers.ts';
import {
  type Answer,
  acceptedOutput,
  honest,
  passing,
  RIGHT,
  stranger,
  submitVerified,
  wrong,
} from '../dispatch/strangers.ts';
import { bond, FOG, REAL, slashes, stakeOf } from './bonded-owners.ts';
import { assertMoney, walletOf } from './money-invariants.ts';
import { assertStake } from './stake-invariants.ts';

const lying =
  (which: number): Answer =>
  () =>
    wrong(which);

/** Nodes of owners with a bond, each in a network of its own. They take part only as arbiters: the job excludes them. */
async function arbiters(fog: Fog, answers: Readonly<Record<string, Answer>>): Promise<void> {
  for (const [owner, answer] of Object.entries(answers)) {
    await bond(fog, owner);
    await stranger(fog, answer, { owner, labels: { role: 'arbiter' } });
  }
}

/** A job that only these owners compute, as far as its buyer has a say. */
async function disputed(
  fog: Fog,
  answers: Readonly<Record<string, Answer>>,
  task: SpecChange['task'] = {},
  ranMilliseconds = 5,
): Promise<string> {
  await fog.endow('alice', 1000n * FOG);
  for (const [owner, answer] of Object.entries(answers)) {
    await bond(fog, owner);
    await stranger(fog, answer, { owner, ranMilliseconds, labels: { role: 'worker' } });
  }
  const placement = { constraints: ['role=worker'] };
  const job = await submitVerified(fog, { mode: 'replicate', maxReplicas: 3 }, { placement }, task);
  // Nobody waits for a node longer than was promised.
  await fog.settle();
  await passing(fog, 20_000);
  return job;
}

async function arbitrations(fog: Fog): Promise<string[]> {
  const rows = await fog.database.read.selectFrom('arbitrations').select('state').orderBy('id').execute();
  return rows.map(({ state }) => state);
}

/** How often the records of its nodes' owner say so. */
async function provenWrongOf(fog: Fog, owner: string): Promise<number> {
  return (await readOwners(fog.database.read, [owner])).get(owner)?.reputation.proven ?? 0;
}

/** What the job was told. */
async function told(fog: Fog, job: string): Promise<object[]> {
  const rows = await fog.database.read.selectFrom('events').select('data').where('stream', '=', job).execute();
  const events = rows.map(({ data }) => JSON.parse(data) as { type: string; partition: number });
  return events.filter(({ type }) => type === 'task.arbitrated').map(({ type: _, partition: __, ...rest }) => rest);
}

async function untouched(fog: Fog, ...owners: string[]): Promise<void> {
  for (const owner of owners) assert.equal(await stakeOf(fog, owner), 100n * FOG, `${owner} has lost nothing`);
}

async function faults(fog: Fog): Promise<string[]> {
  return (await fog.database.read.selectFrom('stake_faults').select('fault').execute()).map(({ fault }) => fault);
}

async function paymentOf(fog: Fog, job: string): Promise<JobPayment> {
  assert.ok(fog.economy !== null);
  return await fog.economy.wallets.jobPayment({ scope: 'submit', principal: 'alice' }, job);
}

const ARBITERS = { anna: honest, bert: honest, cora: honest };

await onBothDatabases('arbitration', {
  async 'who has results differ all day keeps nobody else waiting'({ open }) {
    const fog = await open(REAL);
    const { underWay, ofBuyer } = ARBITRATION_LIMITS;
    await fog.endow('mallory', 10n * FOG);
    await fog.endow('alice', FOG);
    const [hers, ours] = [await fog.submit({}, { by: 'mallory' }), await fog.submit()];
    const row = (id: string, paid_by: string, opened_at: number) => {
      return { id, job_id: paid_by, partition: 0, paid_by, state: 'open', opened_at, record: '{}', ended_at: null };
    };
    const many = Array.from({ length: 2 * underWay }, (_, at) => row(`m${1000 + at}`, hers, at));
    const save = (rows: typeof many) =>
      fog.database.write((writer) => writer.insertInto('arbitrations').values(rows).execute());
    await save([...many, row('z', ours, 1_000_000)]);
    const found = async () => (await readOpen(fog.database.read, underWay)).map(({ id }) => id);
    assert.deepEqual(await found(), [...many.slice(0, ofBuyer).map(({ id }) => id), 'z']);
    const began = many.slice(-4).map(({ id }) => id);
    await fog.database.write((writer) =>
      writer.updateTable('arbitrations').set({ state: 'trusted' }).where('id', 'in', began).execute(),
    );
    assert.deepEqual(
      (await readRunning(fog.database.read)).map(({ id }) => id),
      began,
    );
    assert.equal((await found()).length, ofBuyer - began.length + 1);
    await fog.database.write((writer) => writer.deleteFrom('arbitrations').execute());
  },

  async 'arbiters prove a minority wrong, without any trusted node'({ open }) {
    const fog = await open(REAL);
    await arbiters(fog, ARBITERS);
    const job = await disputed(fog, { liza: lying(1), olga: honest, oleg: honest });
    await passing(fog, 60_000);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    assert.deepEqual(await arbitrations(fog), ['proven']);
    const [slash, ...others] = await slashes(fog);
    assert.deepEqual(others, []);
    assert.deepEqual([slash?.validator, slash?.provenBy], ['liza', 'arbiters']);
    assert.deepEqual(slash?.arbiters.toSorted(), ['anna', 'bert', 'cora']);
    assert.equal(await stakeOf(fog, 'liza'), 95n * FOG);
    await untouched(fog, 'olga', 'oleg', 'anna', 'bert', 'cora');
    const fence = Number(slash?.fault.split('/')[2]);
    assert.deepEqual(await told(fog, job), [{ outcome: 'proven', by: 'arbiters', wrong: [fence] }]);
    await assertStake(fog.database);
    await assertMoney(fog.database);
  },

  async 'a colluding majority of a quorum gets no slash through, and loses its own bond instead'({ open }) {
    const fog = await open(REAL);
    await arbiters(fog, ARBITERS);
    const job = await disputed(fog, { vera: honest, mona: lying(1), mike: lying(1) });
    await passing(fog, 60_000);
    assert.equal(await acceptedOutput(fog, job), wrong(1), 'the quorum had its way');
    assert.deepEqual(await arbitrations(fog), ['proven']);
    for (const liar of ['mona', 'mike']) assert.equal(await provenWrongOf(fog, liar), 1, 'its reputation knows it');
    assert.equal(await provenWrongOf(fog, 'vera'), 0);
    assert.deepEqual((await slashes(fog)).map(({ validator }) => validator).toSorted(), ['mike', 'mona']);
    await untouched(fog, 'vera', ...Object.keys(ARBITERS));
    const paid = (await slashes(fog)).reduce((sum, { paidForTask }) => sum + BigInt(paidForTask), 0n);
    const charged = (
      await fog.database.read.selectFrom('tasks').select('settlement').where('job_id', '=', job).execute()
    )[0];
    assert.ok(paid <= chargedFor(readSettlement(charged?.settlement ?? '')), 'together no more than the task cost');
    await assertStake(fog.database);
  },

  async 'a colluding majority of which some are drawn as arbiters gets no slash through'({ open }) {
    const fog = await open(REAL);
    await arbiters(fog, { anna: honest, mara: lying(1), mike: lying(1) });
    const job = await disputed(fog, { vera: honest, mona: lying(1), mick: lying(1) });
    await passing(fog, 60_000);
    assert.deepEqual(await arbitrations(fog), ['disagreed']);
    assert.deepEqual(await told(fog, job), [{ outcome: 'disagreed', by: null, wrong: [] }]);
    assert.deepEqual(await slashes(fog), []);
    await untouched(fog, 'vera', 'mona', 'mick', 'anna', 'mara', 'mike');
    assert.deepEqual(await faults(fog), []);
  },

  async 'neither who has no bond is drawn, nor who shares a network or an owner with a party, nor one network twice'({
    open,
  }) {
    const fog = await open(REAL);
    await stranger(fog, honest, { owner: 'nora', labels: { role: 'arbiter' } });
    await arbiters(fog, { anna: honest, bert: honest });
    await bond(fog, 'kurt');
    await stranger(fog, honest, { owner: 'kurt', prefix: '10.9.9.0/24', labels: { role: 'arbiter' } });
    await bond(fog, 'alice');
    await stranger(fog, honest, { owner: 'alice', labels: { role: 'arbiter' } });
    const job = await disputed(fog, { liza: lying(1), olga: honest, oleg: honest });
    await fog.database.write((writer) =>
      writer.updateTable('nodes').set({ prefix: '10.0.1.0/24' }).where('owner', 'in', ['kurt', 'anna']).execute(),
    );
    await passing(fog, 180_000);
    assert.deepEqual(await arbitrations(fog), ['too-few-arbiters'], 'anna and kurt are one, and there is bert');
    assert.deepEqual(await told(fog, job), [{ outcome: 'too-few-arbiters', by: null, wrong: [] }]);
    await untouched(fog, 'liza', 'olga', 'oleg');
    assert.deepEqual(await faults(fog), []);
  },

  async 'what replicas cannot agree on is decided against the liar, though the task has failed'({ open }) {
    const fog = await open(REAL);
    await arbiters(fog, ARBITERS);
    const job = await disputed(fog, { liza: lying(1), lars: lying(2), olga: honest });
    await passing(fog, 240_000);
    assert.equal((await jobRow(fog.database, job)).state, 'failed');
    assert.deepEqual((await slashes(fog)).map(({ validator }) => validator).toSorted(), ['lars', 'liza']);
    assert.deepEqual(
      (await slashes(fog)).map(({ paidForTask }) => paidForTask),
      ['0', '0'],
    );
    await untouched(fog, 'olga', ...Object.keys(ARBITERS));
  },

  async 'a trusted node goes before arbiters, who are asked when it does not answer'({ open }) {
    const fog = await open(REAL);
    const ran: string[] = [];
    const noting =
      (owner: string): Answer =>
      () => {
        ran.push(owner);
        return RIGHT;
      };
    await arbiters(fog, { anna: noting('anna'), bert: noting('bert'), cora: noting('cora') });
    const trusted = await stranger(fog, honest, { owner: 'admin', trusted: true, labels: { role: 'arbiter' } });
    await disputed(fog, { liza: lying(1), olga: honest, oleg: honest });
    await passing(fog, 30_000);
    assert.deepEqual(
      (await slashes(fog)).map(({ provenBy }) => provenBy),
      ['trusted'],
    );
    assert.deepEqual(ran, []);
    trusted.onLease = () => undefined;
    for (const owner of ['lars', 'olaf', 'otto']) {
      await bond(fog, owner);
      await stranger(fog, owner === 'lars' ? lying(1) : honest, { owner, labels: { role: 'other' } });
    }
    const placement = { constraints: ['role=other'] };
    const spec = { placement, timeouts: { attempt: '1m' as const } };
    await submitVerified(fog, { mode: 'replicate', maxReplicas: 3 }, spec);
    await passing(fog, 60_000);
    assert.equal((await slashes(fog)).length, 1);
    await passing(fog, 240_000);
    assert.deepEqual((await slashes(fog)).map(({ provenBy }) => provenBy).toSorted(), ['arbiters', 'trusted']);
    await untouched(fog, 'olga', 'oleg', 'olaf', 'otto');
  },

  async 'an arbiter that does not answer spares the accused, and nobody is asked again'({ open }) {
    const fog = await open(REAL);
    await arbiters(fog, { anna: honest, bert: honest });
    await bond(fog, 'cora');
    const silent = await stranger(fog, honest, { owner: 'cora', labels: { role: 'arbiter' } });
    silent.onLease = () => undefined;
    const job = await disputed(fog, { liza: lying(1), olga: honest, oleg: honest });
    await passing(fog, 30_000);
    assert.deepEqual(await arbitrations(fog), ['arbiters']);
    await fog.advance(2 * 3_600_000);
    await fog.advance(5000);
    assert.deepEqual(await told(fog, job), [{ outcome: 'unanswered', by: null, wrong: [] }]);
    await untouched(fog, 'liza', 'olga', 'oleg');
  },

  async 'a failed spot check is proven by arbiters: who lied where nobody looked loses a part of its bond'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 10_000n * FOG);
    await knowAnswer(fog);
    await bond(fog, 'liza');
    const { agent, check } = await checkedNode(fog, lying(1), { options: { owner: 'liza' } });
    await fog.nodes.cordon(agent.id, true, 'root');
    await arbiters(fog, ARBITERS);
    await passing(fog, 90_000);
    const [slash] = await slashes(fog);
    assert.deepEqual([slash?.validator, slash?.provenBy, slash?.paidForTask], ['liza', 'arbiters', '0']);
    assert.equal(slash?.fault.split('/')[0], check.job);
    assert.equal(await stakeOf(fog, 'liza'), 95n * FOG);
    await untouched(fog, ...Object.keys(ARBITERS));
    await assertMoney(fog.database);
  },

  async 'who prove it share what oversight has, and nobody is paid twice; a crash in between changes nothing'({
    open,
    crash,
  }) {
    let fog = await open(REAL);
    const restarted = async (dying: Fog) => {
      const next = await crash(dying);
      for (const agent of next.agents) await agent.connect();
      return next;
    };
    const task = { resources: { cpu: '1', memory: '1Gi', disk: '1Mi' } } as const;
    await arbiters(fog, ARBITERS);
    for (const agent of fog.agents) agent.ran(3_000_000);
    const answers = { liza: lying(1), olga: honest, oleg: honest };
    const job = await disputed(fog, answers, task, 3_000_000);
    assert.deepEqual(await arbitrations(fog), ['open']);
    const drawn = fog.agents.slice(0, 3);
    for (const agent of drawn) agent.onLease = () => undefined;
    fog = await restarted(fog);
    await passing(fog, 35_000);
    assert.deepEqual(await arbitrations(fog), ['arbiters']);
    for (const agent of drawn) for (const name of agent.attempts) agent.commit(name, RIGHT);
    fog = await restarted(fog);
    await passing(fog, 60_000);
    assert.deepEqual(await arbitrations(fog), ['proven']);
    assert.equal((await slashes(fog)).length, 1);
    const { oversight, lateOversight } = await paymentOf(fog, job);
    // Two results of ten slices: 20,000 are charged, 1,000 are kept, 500 are for oversight, and a third of that for each.
    assert.equal(BigInt(oversight) + BigInt(lateOversight), 498n);
    for (const owner of Object.keys(ARBITERS)) assert.equal(await walletOf(fog.database, owner, 'fog'), 166n);
    await passing(fog, 30_000);
    assert.equal(await walletOf(fog.database, 'anna', 'fog'), 166n);
    const runs = await fog.database.read.selectFrom('jobs').select('id').where('purpose', '=', 'arbitration').execute();
    assert.equal(runs.length, 3);
    await assertMoney(fog.database);
    await assertStake(fog.database);
  },

  async 'where nobody has anything at stake, and for work that does not decide alone, nothing is run again'({ open }) {
    const fog = await open({ ...REAL, secrets: { token: 'a' } });
    await arbiters(fog, ARBITERS);
    await fog.endow('alice', 1000n * FOG);
    for (const [owner, answer] of Object.entries({ liza: lying(1), olga: honest, oleg: honest })) {
      await stranger(fog, answer, { owner, labels: { role: 'worker' } });
    }
    const placement = { constraints: ['role=worker'] };
    const job = await submitVerified(fog, { mode: 'replicate' }, { placement });
    await passing(fog, 60_000);
    assert.deepEqual(await told(fog, job), [{ outcome: 'nothing-at-stake', by: null, wrong: [] }]);
    await submitVerified(fog, { mode: 'replicate' }, { placement }, { env: { TOKEN: { secret: 'token' } } });
    await passing(fog, 60_000);
    assert.deepEqual(await arbitrations(fog), ['nothing-at-stake']);
    const hidden = await fog.database.read.selectFrom('jobs').select('id').where('purpose', '<>', 'user').execute();
    assert.deepEqual(hidden, []);
  },

  async 'of one job a few tasks are looked into, however many differ'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    for (const [owner, answer] of Object.entries({ liza: lying(1), olga: honest, oleg: honest })) {
      await bond(fog, owner);
      await stranger(fog, answer, { owner });
    }
    await submitVerified(fog, { mode: 'replicate' }, { count: 20 });
    await passing(fog, 40_000);
    assert.ok((await arbitrations(fog)).length <= ARBITRATION_LIMITS.ofJob);
    await fog.advance(15 * 86_400_000);
    for (let look = 0; look < 3; look += 1) await fog.advance(5000);
    await fog.advance(15 * 86_400_000);
    assert.deepEqual(await arbitrations(fog), [], 'and they go with their time');
  },
});
