/** Votes over both databases, from the proposal to what they change. */
import assert from 'node:assert/strict';
import { accountId } from '@fog/economy/chart';
import { parseDaoRecord, powerSnapshot, recount, votingKeyOf } from '@fog/economy/governance';
import { sql } from 'kysely';
import { readLedgerBalance } from '../../src/settlement/ledger-queries.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { Fog } from '../dispatch/fog-harness.ts';
import { assertMoney, treasuryOf, walletOf } from '../settlement/money-invariants.ts';
import {
  ADMIN,
  bond,
  caller,
  DAY,
  daoOf,
  economyOf,
  FOG,
  join,
  parametersOf,
  pass,
  proposeBy,
  secretOf,
  signed,
  threeMembers,
  vote,
} from './members.ts';

const PAID = { economy: 'on' as const };
const FEE_TO_TENTH = { kind: 'parameter' as const, changes: [{ name: 'feePpm', value: '100000' }] };
const LONG = {
  task: { resources: { cpu: '1', memory: '1Gi', disk: '1Mi' } },
  // Prices move while members vote; this is what the node asks.
  spec: { timeouts: { attempt: '1h' }, budget: { perTask: 1_000_000 } },
};

const depositOf = async (fog: Fog, id: string) =>
  (await readLedgerBalance(fog.database.read, accountId('fog', 'deposit', id))) ?? 0n;

/** A vote that ann, bo and cy carry; its timelock has not run. */
async function passed(fog: Fog, action: Parameters<typeof proposeBy>[2] = FEE_TO_TENTH) {
  await threeMembers(fog);
  const proposal = await proposeBy(fog, 'ann', action);
  await pass(fog, DAY + 1);
  for (const voter of ['ann', 'bo', 'cy']) await vote(fog, proposal, voter);
  await pass(fog, 7 * DAY + 1);
  return await daoOf(fog).get(proposal.id);
}

/** What olga is paid for ten minutes of it: two slices. */
async function paidFor(fog: Fog, job: string): Promise<bigint> {
  const agent = fog.agents[0];
  assert.ok(agent !== undefined);
  const before = await walletOf(fog.database, 'olga');
  agent.ran(600_000);
  agent.succeed({ job, partition: 0, fence: 1 });
  await fog.settle();
  return (await walletOf(fog.database, 'olga')) - before;
}

await onBothDatabases('governance', {
  async 'what was audited can be neither changed nor removed'({ open }) {
    const { database } = await open(PAID);
    const row = {
      proposal: 'p',
      position: 0,
      kind: 'parameter',
      title: 't',
      subject: 'feePpm',
      before: '1',
      after: '2',
    };
    const carriedOut = { asked_by: 'ann', sequence: 1, carried_out_at: 1 };
    await database.write((writer) =>
      writer
        .insertInto('dao_audit')
        .values({ ...row, ...carriedOut })
        .execute(),
    );
    const changes = [`UPDATE dao_audit SET after = '3'`, 'DELETE FROM dao_audit'];
    if (database.engine === 'postgres') changes.push('TRUNCATE dao_audit');
    for (const change of changes) {
      await assert.rejects(
        database.write((writer) => sql.raw(change).execute(writer)),
        /dao_audit is only ever added to/,
      );
    }
    const rows = await database.read.selectFrom('dao_audit').select(['subject', 'after']).execute();
    assert.deepEqual(
      rows.map(({ subject, after }) => [subject, after]),
      [['feePpm', '2']],
    );
  },

  async 'a vote changes the fee: after its timelock the next job is charged by it, and one submitted before is not'({
    open,
  }) {
    const fog = await open(PAID);
    await fog.connected({ owner: 'olga', capacity: { slots: 4 }, offer: { pricePerSlice: 1500 } });
    const { id } = await passed(fog);
    await pass(fog, DAY);
    const first = await fog.submit(LONG);
    await fog.settle();
    assert.equal(parametersOf(fog).feePpm, 50_000n);
    await pass(fog, DAY);
    const { state, deposit } = await daoOf(fog).get(id);
    assert.deepEqual([state, deposit], ['executed', 'returned']);
    assert.equal(parametersOf(fog).feePpm, 100_000n);
    const second = await fog.submit(LONG);
    await fog.settle();
    assert.equal(await paidFor(fog, first), 2850n);
    assert.equal(await paidFor(fog, second), 2700n);
    const { items } = await daoOf(fog).audit({ limit: 10 });
    assert.deepEqual(
      items.map(({ proposal, subject, before, after, by }) => [proposal, subject, before, after, by]),
      [[id, 'feePpm', '50000', '100000', null]],
    );
    const fee = daoOf(fog)
      .parameters()
      .find(({ name }) => name === 'feePpm');
    assert.deepEqual([fee?.value, fee?.default, fee?.proposal], ['100000', '50000', id]);
    await assertMoney(fog.database);
  },

  async 'a share of the fees burns when it was voted on, prices of tiers and credits too'({ open }) {
    const fog = await open(PAID);
    const agent = await fog.connected({ owner: 'olga' });
    await passed(fog, {
      kind: 'parameter',
      changes: [
        { name: 'feeBurnPpm', value: '500000' },
        { name: 'goldPricePpm', value: '10000000' },
        { name: 'creditMissedPpm', value: '50999' },
      ],
    });
    await pass(fog, 2 * DAY);
    const supply = -((await readLedgerBalance(fog.database.read, accountId('faucet', 'issuance'))) ?? 0n);
    const job = await fog.submit({ ...LONG, spec: { ...LONG.spec, tier: 'gold' } });
    await fog.settle();
    const { payment_terms: terms } = await fog.database.read
      .selectFrom('jobs')
      .select('payment_terms')
      .where('id', '=', job)
      .executeTakeFirstOrThrow();
    const { pricePpm, credits } = JSON.parse(terms ?? '{}');
    assert.deepEqual([pricePpm, credits[0].creditPpm], ['10000000', '50999']);
    agent.ran(300_000);
    agent.succeed({ job, partition: 0, fence: 1 });
    await fog.settle();
    await pass(fog, 1000);
    const {
      deposited,
      paid,
      fees,
      burned,
      credits: credit,
      refunded,
    } = await economyOf(fog).wallets.jobPayment(caller('alice'), job);
    assert.equal(BigInt(burned), BigInt(fees) / 2n);
    assert.ok(BigInt(burned) > 0n);
    assert.equal(
      [paid, fees, credit, refunded].map(BigInt).reduce((a, b) => a + b, 0n),
      BigInt(deposited),
    );
    const after = -((await readLedgerBalance(fog.database.read, accountId('faucet', 'issuance'))) ?? 0n);
    assert.equal(after, supply + BigInt(deposited) - BigInt(burned));
    assert.equal(await assertMoney(fog.database), 0);
  },

  async 'double vote: nobody votes twice, and not after the deadline'({ open }) {
    const fog = await open(PAID);
    await threeMembers(fog);
    const proposal = await proposeBy(fog, 'ann');
    await assert.rejects(vote(fog, proposal, 'bo'), {
      code: 'conflict',
      details: { fault: 'unexpected-state', state: 'pending' },
    });
    await pass(fog, DAY + 1);
    await vote(fog, proposal, 'bo', 'against');
    await assert.rejects(vote(fog, proposal, 'bo', 'for'), { code: 'conflict', details: { fault: 'already-voted' } });
    await Promise.allSettled([vote(fog, proposal, 'cy'), vote(fog, proposal, 'cy')]).then((outcomes) => {
      assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    });
    await pass(fog, 7 * DAY - 1);
    await vote(fog, proposal, 'ann');
    const { tally, ballots } = await daoOf(fog).get(proposal.id);
    assert.deepEqual([tally, ballots], [{ for: String(1300n * FOG), against: String(700n * FOG), abstain: '0' }, 3]);
    await pass(fog, 2);
    await join(fog, 'dee', 5000n * FOG);
    await assert.rejects(vote(fog, proposal, 'dee'), {
      code: 'conflict',
      details: { fault: 'unexpected-state', state: 'queued' },
    });
  },

  async 'flash delegation: stake that comes after the proposal has no say, nor what was delegated since'({ open }) {
    const fog = await open(PAID);
    await threeMembers(fog);
    const proposal = await proposeBy(fog, 'ann');
    await join(fog, 'eve', 1_000_000n * FOG);
    await bond(fog, 'bo', 700n * FOG, 9000n * FOG);
    await daoOf(fog).delegate(caller('cy'), 'eve');
    await pass(fog, DAY + 1);
    await assert.rejects(vote(fog, proposal, 'eve'), { code: 'forbidden', details: { fault: 'no-power' } });
    await assert.rejects(vote(fog, proposal, 'cy'), { code: 'forbidden', details: { fault: 'no-power' } });
    assert.equal((await vote(fog, proposal, 'bo')).powerMicroFog, String(700n * FOG));
    await bond(fog, 'ann', 1000n * FOG, 0n);
    // It was there at the snapshot, which is past; and stake that has voted may not leave.
    assert.equal((await vote(fog, proposal, 'ann')).powerMicroFog, String(1000n * FOG));
    assert.equal((await daoOf(fog).get(proposal.id)).supplyMicroFog, String(2000n * FOG));
  },

  async 'a ballot counts by the key of the snapshot alone'({ open }) {
    const fog = await open(PAID);
    await threeMembers(fog);
    const newer = secretOf('ann, later');
    const proposal = await proposeBy(fog, 'bo');
    await daoOf(fog).setVotingKey(caller('ann'), votingKeyOf(newer));
    await pass(fog, DAY + 1);
    await daoOf(fog).setVotingKey(caller('bo'), votingKeyOf(newer));
    const cast = (name: string, secret: Uint8Array) =>
      daoOf(fog).cast(proposal.id, signed(proposal, name, 'for', secret));
    await assert.rejects(cast('ann', secretOf('ann')), { code: 'forbidden', details: { fault: 'bad-signature' } });
    await assert.rejects(cast('bo', newer), { code: 'forbidden', details: { fault: 'bad-signature' } });
    await cast('ann', newer);
    await cast('bo', secretOf('bo'));
    const told = await daoOf(fog).voteOf(caller('bo'), proposal.id.slice(0, 12), undefined);
    assert.deepEqual([told.power?.publicKey, told.choice], [votingKeyOf(secretOf('bo')), 'for']);
  },

  async 'a parameter out of its range is refused when it is proposed'({ open }) {
    const fog = await open(PAID);
    await threeMembers(fog);
    const change = (name: string, value: string) => ({ kind: 'parameter' as const, changes: [{ name, value }] });
    const refused = { code: 'invalid-request' as const };
    await assert.rejects(proposeBy(fog, 'ann', change('feePpm', '200001')), refused);
    await assert.rejects(proposeBy(fog, 'ann', change('freeBeer', '1')), refused);
    await assert.rejects(proposeBy(fog, 'ann', change('silverPricePpm', '20000000')), refused);
    assert.equal((await daoOf(fog).list({ limit: 5 })).items.length, 0);
  },

  async 'a proposal takes power and a deposit, and a proposer has one at a time'({ open }) {
    const fog = await open(PAID);
    await join(fog, 'ann', 1000n * FOG);
    await join(fog, 'poor', 99n * FOG);
    await assert.rejects(proposeBy(fog, 'poor'), {
      code: 'forbidden',
      details: { fault: 'insufficient-proposer-votes' },
    });
    await assert.rejects(proposeBy(fog, 'nobody'), { code: 'forbidden' });
    const before = await walletOf(fog.database, 'ann', 'fog');
    const { id } = await proposeBy(fog, 'ann');
    assert.equal(await depositOf(fog, id), 100n * FOG);
    await assert.rejects(proposeBy(fog, 'ann'), { code: 'conflict', details: { fault: 'live-proposal' } });
    await assert.rejects(daoOf(fog).cancel(caller('poor'), id), { code: 'forbidden' });
    assert.equal((await daoOf(fog).cancel(caller('ann'), id)).state, 'cancelled');
    assert.equal(await walletOf(fog.database, 'ann', 'fog'), before);
    await economyOf(fog).wallets.send(caller('ann'), { to: 'bo', amount: String(before - 1n), key: 'all' });
    await assert.rejects(proposeBy(fog, 'ann'), {
      code: 'insufficient-funds',
      details: { needed: String(100n * FOG), available: '1', missing: String(100n * FOG - 1n) },
    });
  },

  async 'the deposit of what nobody cares for goes to the treasury'({ open }) {
    const fog = await open(PAID);
    await threeMembers(fog);
    const { id } = await proposeBy(fog, 'ann');
    await pass(fog, DAY + 1);
    await pass(fog, 7 * DAY + 1);
    const { state, deposit } = await daoOf(fog).get(id);
    assert.deepEqual([state, deposit, await treasuryOf(fog.database, 'fog')], ['defeated', 'forfeited', 100n * FOG]);
  },

  async 'the guardian stops a proposal, nobody else does, and then nothing is executed'({ open }) {
    const fog = await open(PAID);
    const { id } = await passed(fog);
    await assert.rejects(daoOf(fog).veto(caller('admin'), id, 'no'), { code: 'forbidden' });
    assert.equal(
      (await daoOf(fog).veto(ADMIN, id, 'it would harm the network')).vetoReason,
      'it would harm the network',
    );
    await pass(fog, 3 * DAY);
    await assert.rejects(daoOf(fog).execute(caller('ann'), id), { code: 'conflict' });
    assert.equal(parametersOf(fog).feePpm, 50_000n);
  },

  async 'a payment waits until the treasury has it, and is made once'({ open }) {
    const fog = await open(PAID);
    const { id } = await passed(fog, { kind: 'treasury', grants: [{ to: 'dora', amountMicroFog: String(50n * FOG) }] });
    await pass(fog, 2 * DAY + 1);
    assert.equal((await daoOf(fog).get(id)).state, 'queued');
    await assert.rejects(daoOf(fog).execute(caller('ann'), id), { code: 'insufficient-funds' });
    // Somebody's deposit is forfeited in the meantime.
    await proposeBy(fog, 'bo');
    await pass(fog, DAY + 1);
    await pass(fog, 7 * DAY + 1);
    await pass(fog, 60_000);
    assert.equal((await daoOf(fog).get(id)).state, 'executed');
    assert.deepEqual(
      [await walletOf(fog.database, 'dora', 'fog'), await treasuryOf(fog.database, 'fog')],
      [50n * FOG, 50n * FOG],
    );
    await assert.rejects(daoOf(fog).execute(caller('ann'), id), { code: 'conflict' });
    await pass(fog, 60_000);
    assert.equal(await walletOf(fog.database, 'dora', 'fog'), 50n * FOG);
    const { items } = await daoOf(fog).audit({ limit: 10 });
    assert.deepEqual(
      items.map(({ kind, subject, after }) => [kind, subject, after]),
      [['grant', 'dora', String(50n * FOG)]],
    );
  },

  async 'not before the timelock has run, and not after the window'({ open }) {
    const fog = await open(PAID);
    const { id } = await passed(fog);
    await assert.rejects(daoOf(fog).execute(caller('ann'), id), { code: 'conflict' });
    // Nobody looks for weeks: no coordinator ran.
    fog.clock.now += 17 * DAY;
    await assert.rejects(daoOf(fog).execute(caller('ann'), id), { code: 'conflict' });
    await pass(fog, 1);
    assert.equal((await daoOf(fog).get(id)).state, 'expired');
    assert.equal(parametersOf(fog).feePpm, 50_000n);
  },

  async 'a vote goes on after a restart, in each of its states'({ open, crash }) {
    let fog = await open(PAID);
    await threeMembers(fog);
    const proposal = await proposeBy(fog, 'ann', FEE_TO_TENTH);
    fog = await crash(fog);
    await pass(fog, DAY + 1);
    await vote(fog, proposal, 'ann');
    fog = await crash(fog);
    await vote(fog, proposal, 'bo');
    await assert.rejects(vote(fog, proposal, 'ann'), { code: 'conflict' });
    await pass(fog, 7 * DAY + 1);
    fog = await crash(fog);
    await pass(fog, 2 * DAY + 1);
    assert.equal((await daoOf(fog).get(proposal.id)).state, 'executed');
    fog = await crash(fog);
    assert.equal(parametersOf(fog).feePpm, 100_000n);
    assert.equal((await daoOf(fog).membership(caller('ann'), undefined)).network, proposal.network);
  },

  async 'stake that voted stays until the timelock has run, that of who delegated too'({ open }) {
    const fog = await open(PAID);
    const { power } = economyOf(fog).governance;
    const lockOf = (owner: string) => power.lockedUntil(fog.database.read, owner);
    await threeMembers(fog);
    await daoOf(fog).delegate(caller('cy'), 'bo');
    const proposal = await proposeBy(fog, 'ann');
    await pass(fog, DAY + 1);
    assert.deepEqual([await lockOf('bo'), await lockOf('cy')], [null, null]);
    assert.equal((await vote(fog, proposal, 'bo')).powerMicroFog, String(1000n * FOG));
    const end = fog.clock.now + 7 * DAY + 2 * DAY;
    assert.deepEqual([await lockOf('bo'), await lockOf('cy'), await lockOf('ann')], [end, end, null]);
    assert.equal((await daoOf(fog).membership(caller('cy'), undefined)).lockedUntil, end);
    await pass(fog, 7 * DAY + 1);
    const { state } = await daoOf(fog).get(proposal.id);
    assert.deepEqual([state, await lockOf('cy')], ['queued', fog.clock.now + 2 * DAY]);
    await pass(fog, 2 * DAY);
    assert.deepEqual([await lockOf('bo'), await lockOf('cy')], [null, null]);
  },

  async 'the record of a vote can be counted by anybody'({ open }) {
    const fog = await open(PAID);
    const { id } = await passed(fog);
    const dao = daoOf(fog);
    const voters = [];
    let cursor: string | undefined;
    do {
      const page = await dao.voters(id, { limit: 2, cursor });
      voters.push(...page.items);
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    const { voters: _, treeRoot: __, root, ...head } = await dao.snapshot(id);
    const snapshot = powerSnapshot(
      { ...head, supplyMicroFog: BigInt(head.supplyMicroFog) },
      voters.map(({ voter, publicKey, powerMicroFog: power }) => {
        return { voter, publicKey, beforeMicroFog: BigInt(power), atSnapshotMicroFog: BigInt(power) };
      }),
    );
    assert.equal(snapshot.root, root);
    const { items } = await dao.ballots(id, { limit: 10 });
    const ballots = items.map((ballot) => ({
      ...ballot,
      index: 0,
      proof: [],
      ...snapshot.placeOf(ballot.voter),
      power: undefined,
    }));
    const { placeOf: ___, ...published } = snapshot;
    const file = JSON.stringify(
      { format: 'fog-dao-record', version: 1, proposal: await dao.get(id), snapshot: published, ballots },
      (_key, value) => (typeof value === 'bigint' ? String(value) : value),
    );
    const record = parseDaoRecord(file);
    const { faults, countedBallots, isCarried } = recount(record.proposal, record.snapshot, record.ballots);
    assert.deepEqual([faults, countedBallots, isCarried], [[], 3, true]);
  },

  async 'of two coordinators that execute at once one does, and the other follows'({ open, storage }) {
    // Two processes do not share a folder.
    if (!('url' in storage)) return;
    const clock = { now: 1_700_000_000_000 };
    const [one, other] = [await open({ ...PAID, clock }), await open({ ...PAID, clock })];
    const { id } = await passed(one);
    clock.now += 2 * DAY;
    const outcomes = await Promise.allSettled([
      daoOf(one).execute(caller('ann'), id),
      daoOf(other).execute(caller('bo'), id),
      daoOf(one).execute(caller('cy'), id),
    ]);
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected', 'rejected']);
    for (const outcome of outcomes) if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'conflict');
    assert.equal((await daoOf(one).audit({ limit: 10 })).items.length, 1);
    await economyOf(one).governance.parameters.look();
    await economyOf(other).governance.parameters.look();
    assert.deepEqual([parametersOf(one).feePpm, parametersOf(other).feePpm], [100_000n, 100_000n]);
    // Both open a vote, and both find the same.
    const next = await proposeBy(other, 'bo');
    clock.now += DAY + 1;
    await Promise.all([vote(one, next, 'ann'), vote(other, next, 'cy')]);
    const { items } = await daoOf(other).ballots(next.id, { limit: 5 });
    assert.deepEqual(items.map(({ voter }) => voter).sort(), ['ann', 'cy']);
  },

  async 'what no vote asks about any more is removed'({ open }) {
    const fog = await open(PAID);
    await threeMembers(fog);
    const rows = async () => (await fog.database.read.selectFrom('dao_powers').select('voter').execute()).length;
    const { id } = await proposeBy(fog, 'ann');
    for (let round = 1n; round <= 5n; round += 1n) await bond(fog, 'bo', 0n, (700n + round) * FOG);
    const before = await rows();
    await economyOf(fog).governance.power.forget();
    await pass(fog, DAY + 1);
    assert.equal((await daoOf(fog).voteOf(caller('bo'), id, undefined)).power?.powerMicroFog, String(700n * FOG));
    await daoOf(fog).veto(ADMIN, id, 'enough');
    await economyOf(fog).governance.power.forget();
    assert.equal(await rows(), 4);
    assert.ok(before > 8);
    assert.equal((await daoOf(fog).membership(caller('bo'), undefined)).power, String(705n * FOG));
  },
});
