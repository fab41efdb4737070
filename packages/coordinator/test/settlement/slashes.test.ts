/** From a wrong result to a slash, over both databases: what proves it, whom it costs, and what proves nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJobSpec, type SlashRecord } from '@fog/contract';
import { resultDigest, taskResult, verifyResultSignature } from '@fog/verification';
import { isDeterministic } from '../../src/settlement/stake/faults.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import { type Fog, jobSpec, MODULE, type SpecChange } from '../dispatch/fog-harness.ts';
import { attemptStates, jobRow } from '../dispatch/invariants.ts';
import { honest, outputsOf, passing, stranger, submitVerified, wrong } from '../dispatch/strangers.ts';
import { bond, by, days, FOG, REAL, slashes, stakeOf, stakingOf } from './bonded-owners.ts';
import { assertMoney, supplyOf, treasuryOf, walletOf } from './money-invariants.ts';
import { assertStake } from './stake-invariants.ts';

const ADMIN = { scope: 'admin' as const, principal: 'admin' };

/** Two that cannot agree, and a trusted node that decides against one of them. Answers the job. */
async function decided(fog: Fog, task: SpecChange['task'] = {}): Promise<string> {
  await fog.endow('alice', 1000n * FOG);
  await stranger(fog, () => wrong(1), { owner: 'liza' });
  await stranger(fog, honest, { owner: 'olga' });
  const job = await submitVerified(fog, { mode: 'replicate', maxReplicas: 2 }, {}, task);
  await passing(fog, 20_000);
  await stranger(fog, honest, { owner: 'admin', trusted: true });
  await passing(fog, 60_000);
  assert.equal((await jobRow(fog.database, job)).state, 'completed');
  return job;
}

test('a result proves something only where the module alone decides it', () => {
  const spec = (change: SpecChange) => {
    const given = jobSpec({ ...change, spec: { verification: { mode: 'replicate' }, ...change.spec } });
    return isDeterministic(parseJobSpec(given));
  };
  assert.ok(spec({}));
  assert.ok(spec({ task: { env: { A: 'text' } } }));
  assert.ok(!spec({ task: { env: { A: { secret: 'a' } } } }));
  assert.ok(!spec({ spec: { verification: { compare: { tolerance: { absolute: 1 } } } } }));
  assert.ok(!spec({ spec: { verification: undefined } }));
  const script = { runtime: 'javascript' as const, wasm: undefined, javascript: { script: MODULE } };
  assert.ok(!spec({ task: script }), 'engines of other versions may round otherwise');
});

await onBothDatabases('slashes', {
  async 'who signed a result that a trusted node proves wrong loses a part of its bond'({ open }) {
    const fog = await open(REAL);
    await bond(fog, 'liza');
    await bond(fog, 'olga');
    const job = await decided(fog);
    const [slash, ...others] = await slashes(fog);
    assert.ok(slash !== undefined);
    assert.deepEqual(others, []);
    assert.deepEqual(
      [slash.validator, slash.state, slash.amount, slash.buyer],
      ['liza', 'held', String(5n * FOG), 'alice'],
    );
    assert.equal(await stakeOf(fog, 'liza'), 95n * FOG);
    assert.equal(await stakeOf(fog, 'olga'), 100n * FOG);
    assert.equal((await stakingOf(fog).get(by('liza'), undefined)).validator?.status, 'jailed');
    await assertStake(fog.database);
    await assertNoWork(fog);
    await assertEvidence(fog, job, slash);
    const before = await walletOf(fog.database, 'alice', 'fog');
    await days(fog, 4);
    const [posted] = await slashes(fog);
    assert.equal(posted?.state, 'posted');
    const back = (await walletOf(fog.database, 'alice', 'fog')) - before;
    assert.equal(back, BigInt(slash.paidForTask), 'the buyer gets what the task cost');
    assert.ok(back > 0n);
    assert.equal(await supplyOf(fog.database, 'fog'), 1200n * FOG - (5n * FOG - back) / 2n, 'half of the rest burns');
    await assertStake(fog.database);
    await assertMoney(fog.database);
    await days(fog, 4);
    assert.deepEqual(await slashes(fog), [], 'evidence of it is too old by now');
    assert.equal((await fog.database.read.selectFrom('stake_faults').select('fault').execute()).length, 0);
  },

  async 'slashing by a colluding majority: a minority of a quorum loses no bond'({ open }) {
    const fog = await open(REAL);
    for (const owner of ['liza', 'olga', 'oleg']) await bond(fog, owner);
    await fog.endow('alice', 1000n * FOG);
    // The majority lies, and the one that computes rightly is found wrong.
    await stranger(fog, honest, { owner: 'liza' });
    await stranger(fog, () => wrong(1), { owner: 'olga' });
    await stranger(fog, () => wrong(1), { owner: 'oleg' });
    const job = await submitVerified(fog, { mode: 'replicate' });
    await passing(fog, 60_000);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    const states = await attemptStates(fog.database, job);
    assert.equal(states.filter((state) => state === 'invalid').length, 1);
    await days(fog, 1);
    assert.equal((await fog.database.read.selectFrom('stake_faults').select('fault').execute()).length, 0);
    assert.equal(await stakeOf(fog, 'liza'), 100n * FOG);
    assert.deepEqual(await slashes(fog), []);
  },

  async 'a buyer whose secret may have changed between two runs has nobody slashed'({ open }) {
    const fog = await open({ ...REAL, secrets: { token: 'a' } });
    await bond(fog, 'liza');
    await decided(fog, { env: { TOKEN: { secret: 'token' } } });
    assert.equal((await fog.database.read.selectFrom('stake_faults').select('fault').execute()).length, 0);
    assert.equal(await stakeOf(fog, 'liza'), 100n * FOG);
  },

  async 'who leaves between the lease and the verdict pays all the same'({ open }) {
    const fog = await open(REAL);
    await bond(fog, 'liza');
    await fog.endow('alice', 1000n * FOG);
    const hour = 3_600_000;
    fog.clock.now = Math.ceil(fog.clock.now / hour) * hour - 12_000;
    await stranger(fog, () => wrong(1), { owner: 'liza' });
    const job = await submitVerified(fog, { mode: 'replicate', maxReplicas: 2 });
    await fog.settle();
    // It has committed to its lie, and shows it only when its stake has left.
    await stakingOf(fog).change(by('liza'), { kind: 'unbond', amount: null, key: 'u' });
    assert.equal(await stakeOf(fog, 'liza'), 0n);
    await fog.advance(15_000);
    await stranger(fog, honest, { owner: 'olga' });
    await passing(fog, 15_000);
    await stranger(fog, honest, { owner: 'admin', trusted: true });
    await passing(fog, 60_000);
    assert.equal((await jobRow(fog.database, job)).state, 'completed');
    const [slash] = await slashes(fog);
    assert.equal(slash?.amount, String(5n * FOG));
    await days(fog, 20);
    assert.equal(await walletOf(fog.database, 'liza', 'fog'), 95n * FOG);
    await assertStake(fog.database);
  },

  async 'an appeal is decided by the operator: overturned, everything comes back'({ open }) {
    const fog = await open(REAL);
    await bond(fog, 'liza');
    await fog.endow('dora', 50n * FOG);
    await stakingOf(fog).change(by('dora'), {
      kind: 'delegate',
      validator: 'liza',
      amount: String(50n * FOG),
      key: 'a',
    });
    fog.clock.now += 1;
    await decided(fog);
    const [slash] = await slashes(fog);
    assert.equal(slash?.amount, String((150n * FOG) / 20n));
    assert.equal(await stakeOf(fog, 'dora'), (50n * FOG * 95n) / 100n);
    const { fault } = slash as SlashRecord;
    const staking = stakingOf(fog);
    await assert.rejects(staking.appeal(by('dora'), { fault, reason: 'mine' }), { code: 'not-found' });
    await assert.rejects(staking.decide(ADMIN, { fault, verdict: 'upheld', reason: 'early' }), { code: 'conflict' });
    const appealed = await staking.appeal(by('liza'), { fault, reason: 'a broken processor' });
    assert.deepEqual([appealed.state, appealed.appealReason], ['appealed', 'a broken processor']);
    await assert.rejects(staking.appeal(by('liza'), { fault, reason: 'again' }), { code: 'conflict' });
    await assert.rejects(staking.change(by('dora'), { kind: 'unbond', validator: 'liza', amount: null, key: 'u' }), {
      code: 'conflict',
    });
    const told = await staking.decide(ADMIN, { fault, verdict: 'overturned', reason: 'so it was' });
    assert.deepEqual([told.state, told.decidedBy, told.decisionReason], ['overturned', 'admin', 'so it was']);
    assert.deepEqual([await stakeOf(fog, 'liza'), await stakeOf(fog, 'dora')], [100n * FOG, 50n * FOG]);
    await staking.change(by('liza'), { kind: 'unjail' });
    await assertStake(fog.database);
    assert.equal((await treasuryOf(fog.database, 'fog')) >= 0n, true);
  },

  async 'upheld, it posts at once; undecided, it posts when its time is over'({ open }) {
    const fog = await open(REAL);
    await bond(fog, 'liza');
    await decided(fog);
    const [slash] = await slashes(fog);
    const { fault } = slash as SlashRecord;
    await stakingOf(fog).appeal(by('liza'), { fault, reason: 'no' });
    await days(fog, 2);
    assert.equal((await slashes(fog))[0]?.state, 'appealed');
    const told = await stakingOf(fog).decide(ADMIN, { fault, verdict: 'upheld', reason: 'yes' });
    assert.equal(told.state, 'posted');
    await days(fog, 4);
    assert.equal(await stakeOf(fog, 'liza'), 95n * FOG);
    await assertStake(fog.database);
  },

  async 'a fault that is found before a crash is slashed after it, once'({ open, crash }) {
    let fog = await open(REAL);
    await bond(fog, 'liza');
    await fog.endow('alice', 1000n * FOG);
    await stranger(fog, () => wrong(1), { owner: 'liza' });
    await stranger(fog, honest, { owner: 'olga' });
    await submitVerified(fog, { mode: 'replicate', maxReplicas: 2 });
    await passing(fog, 20_000);
    for (const sweep of fog.economy?.sweeps ?? []) if (sweep.name === 'faults') sweep.run = async () => undefined;
    await stranger(fog, honest, { owner: 'admin', trusted: true });
    await passing(fog, 60_000);
    const waiting = await fog.database.read.selectFrom('stake_faults').select('state').execute();
    assert.deepEqual(
      waiting.map(({ state }) => state),
      ['waiting'],
    );
    assert.deepEqual(await slashes(fog), []);
    fog = await crash(fog);
    await fog.advance(1000);
    await fog.advance(1000);
    assert.equal((await slashes(fog)).length, 1);
    assert.equal(await stakeOf(fog, 'liza'), 95n * FOG);
    await assertStake(fog.database);
  },

  async 'who has bonded nothing has nothing to lose, and the fault is forgotten'({ open }) {
    const fog = await open(REAL);
    await decided(fog);
    const [row] = await fog.database.read.selectFrom('stake_faults').selectAll().execute();
    assert.equal(row?.state, 'void');
    assert.match(row?.void_reason ?? '', /liza is no validator/);
    await days(fog, 8);
    assert.equal((await fog.database.read.selectFrom('stake_faults').select('fault').execute()).length, 0);
  },

  async 'for a job that the faucet paid nobody is compensated in FOG'({ open }) {
    const fog = await open({ economy: 'on' });
    await bond(fog, 'liza');
    await decided(fog);
    const [slash] = await slashes(fog);
    assert.deepEqual([slash?.amount, slash?.paidForTask], [String(5n * FOG), '0']);
    const before = await walletOf(fog.database, 'alice', 'fog');
    await days(fog, 4);
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), before);
    await assertStake(fog.database);
  },
});

/** Nodes of a jailed owner get no work. */
async function assertNoWork(fog: Fog): Promise<void> {
  await fog.advance(1000);
  const job = await fog.submit({ spec: { placement: { constraints: ['owner=liza'] } } });
  await fog.settle();
  assert.equal((await jobRow(fog.database, job)).state, 'queued');
  await fog.jobs.close(job, 'cancelled', 'alice');
  await fog.advance(1000);
}

/** The evidence can be checked by anybody who knows the node's key: it has signed another result than the trusted node's. */
async function assertEvidence(fog: Fog, job: string, slash: SlashRecord): Promise<void> {
  const [, partition, fence] = slash.fault.split('/');
  const node = await fog.database.read
    .selectFrom('nodes')
    .selectAll()
    .where('id', '=', slash.node)
    .executeTakeFirstOrThrow();
  assert.equal(node.owner, 'liza');
  const task = { runtime: 'wasm' as const, outputs: [{ name: 'result', path: '/result' }] };
  const result = taskResult(task, outputsOf(wrong(1)));
  assert.ok(result !== null);
  const signed = resultDigest(result);
  assert.equal(slash.claimedDigest, signed);
  const name = { job, partition: Number(partition), fence: Number(fence), nodeId: slash.node, digest: signed };
  assert.ok(verifyResultSignature(name, node.public_key, slash.signature ?? ''));
  assert.ok(!verifyResultSignature({ ...name, digest: slash.digest }, node.public_key, slash.signature ?? ''));
}
