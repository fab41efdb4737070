/** Results that differ and that no trusted node has decided on: who runs the task again, and whom that costs. */
import assert from 'node:assert/strict';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { Fog, SpecChange } from '../dispatch/fog-harness.ts';
import { jobRow } from '../dispatch/invariants.ts';
import { type Answer, honest, passing, stranger, submitVerified, wrong } from '../dispatch/strangers.ts';
import { bond, FOG, REAL, slashes, stakeOf } from './bonded-owners.ts';
import { assertMoney } from './money-invariants.ts';
import { assertStake } from './stake-invariants.ts';

const lying = (which: number): Answer => () => wrong(which);

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
): Promise<string> {
  await fog.endow('alice', 1000n * FOG);
  for (const [owner, answer] of Object.entries(answers)) {
    await bond(fog, owner);
    await stranger(fog, answer, { owner, labels: { role: 'worker' } });
  }
  const placement = { constraints: ['role=worker'] };
  const job = await submitVerified(fog, { mode: 'replicate', maxReplicas: 3 }, { placement }, task);
  await passing(fog, 20_000);
  return job;
}

async function arbitrations(fog: Fog): Promise<string[]> {
  const rows = await fog.database.read.selectFrom('arbitrations').select('state').orderBy('id').execute();
  return rows.map(({ state }) => state);
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

const ARBITERS = { anna: honest, bert: honest, cora: honest };

await onBothDatabases('arbitration', {
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
});
