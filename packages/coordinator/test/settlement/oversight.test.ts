/** What the fog orders for its own sake: who is paid for it, out of what, and how often. */
import assert from 'node:assert/strict';
import type { JobPayment, WalletEntry } from '@fog/contract';
import { accountId, CURRENCIES, TRANSFER_CODES } from '@fog/economy/chart';
import { reputationOf } from '@fog/economy/reputation';
import { MoneyMoves } from '../../src/settlement/money-moves.ts';
import { readOwners } from '../../src/store/reputation-rows.ts';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { FakeAgent } from '../dispatch/fake-agent.ts';
import type { Fog, SpecChange } from '../dispatch/fog-harness.ts';
import { checkedNode, knowAnswer } from '../dispatch/known-answers.ts';
import { type Answer, acceptedOutput, honest, RIGHT, stranger, wrong } from '../dispatch/strangers.ts';
import { assertMoney, treasuryOf, walletOf } from './money-invariants.ts';

const PAID = { economy: 'on' as const };
/** A whole processor: a result of five minutes costs 1,000 micro-FOG, of which 50 are kept and 25 are for oversight. */
const WHOLE: NonNullable<SpecChange['task']> = { resources: { cpu: '1', memory: '1Gi', disk: '1Mi' } };
const SLICE_MILLISECONDS = 300_000;

async function paymentOf(fog: Fog, job: string): Promise<JobPayment> {
  assert.ok(fog.economy !== null);
  return await fog.economy.wallets.jobPayment({ scope: 'submit', principal: 'alice' }, job);
}

async function historyOf(fog: Fog, principal: string): Promise<WalletEntry[]> {
  assert.ok(fog.economy !== null);
  return (await fog.economy.wallets.entries({ scope: 'submit', principal }, { limit: 100 })).items;
}

function oversightOf(payments: readonly JobPayment[]): bigint {
  return payments.reduce((sum, { oversight, lateOversight }) => sum + BigInt(oversight) + BigInt(lateOversight), 0n);
}

/** A node of carl that has been checked; it took five minutes for each of its tasks. Answers the jobs that it worked for. */
async function checked(fog: Fog, answer: Answer): Promise<{ agent: FakeAgent; jobs: string[]; hidden: string }> {
  await knowAnswer(fog, WHOLE, { ranMilliseconds: SLICE_MILLISECONDS });
  const capacity = { slots: 1, milliCpu: 1000, memoryBytes: 1 << 30 };
  const { agent, jobs, check } = await checkedNode(fog, answer, {
    task: WHOLE,
    options: { owner: 'carl', capacity, ranMilliseconds: SLICE_MILLISECONDS },
  });
  await fog.settle();
  return { agent, jobs, hidden: check.job };
}

/** Jobs whose results are lies that nobody knows of, and whose escrows have closed. */
async function closedLies(fog: Fog): Promise<string[]> {
  const { agent, jobs } = await checked(fog, () => wrong(1));
  await fog.nodes.cordon(agent.id, true, 'root');
  await lookAgain(fog, jobs, null);
  await fog.advance(1000);
  assert.equal(await assertMoney(fog.database), 0);
  return jobs;
}

/** Others compute these jobs again. */
async function repeated(fog: Fog, jobs: readonly string[]): Promise<void> {
  await lookAgain(fog, jobs, fog.clock.now);
  for (const owner of ['olga', 'oleg']) await stranger(fog, honest, { owner, ranMilliseconds: SLICE_MILLISECONDS });
  for (let look = 0; look < 4; look += 1) await fog.advance(6000);
  for (const job of jobs) assert.equal(await acceptedOutput(fog, job), RIGHT);
}

async function lookAgain(fog: Fog, jobs: readonly string[], due: number | null): Promise<void> {
  await fog.database.write((writer) =>
    writer
      .updateTable('tasks')
      .set({ verification_due: due })
      .where('job_id', 'in', jobs)
      .where('state', '=', 'succeeded')
      .execute(),
  );
}

async function emptyTreasury(fog: Fog): Promise<void> {
  const { economy } = fog;
  assert.ok(economy !== null);
  const money = { debitAccount: accountId('faucet', 'treasury'), creditAccount: accountId('faucet', 'wallet', 'gone') };
  const amount = await treasuryOf(fog.database);
  await fog.database.write(async (writer) => {
    const moves = new MoneyMoves('faucet');
    moves.openWallet('gone');
    moves.add({ transfers: [{ id: 77n, ...money, amount, ledger: CURRENCIES.faucet, code: TRANSFER_CODES.grant }] });
    await moves.carryOut(writer, economy.ledger, fog.clock.now);
  });
}

await onBothDatabases('oversight', {
  async 'a check that is passed is paid once, out of what is kept of the job that brought it'({ open, crash }) {
    let fog = await open(PAID);
    const { jobs, hidden } = await checked(fog, honest);
    await fog.advance(1000);
    const payments = await Promise.all(jobs.map((job) => paymentOf(fog, job)));
    const paid = oversightOf(payments);
    assert.equal(paid, 25n, 'half of what is kept of one job');
    const entries = (await historyOf(fog, 'carl')).filter(({ kind }) => kind === 'oversight');
    assert.deepEqual(
      entries.map(({ amount, direction }) => [amount, direction]),
      [['25', 'in']],
    );
    assert.equal(await walletOf(fog.database, 'carl'), BigInt(jobs.length) * 950n + 25n);
    const bringer = payments.find(({ oversight, lateOversight }) => oversight !== '0' || lateOversight !== '0');
    const { deposited, paid: results, oversight, fees, credits, refunded } = bringer as JobPayment;
    const out = [results, oversight, fees, credits, refunded].reduce((sum, amount) => sum + BigInt(amount), 0n);
    assert.equal(out, BigInt(deposited));
    fog = await crash(fog);
    await fog.advance(1000);
    assert.equal(
      oversightOf(await Promise.all(jobs.map((job) => paymentOf(fog, job)))),
      paid,
      'a crash pays nothing again',
    );
    const task = await fog.database.read
      .selectFrom('tasks')
      .select('settlement')
      .where('job_id', '=', hidden)
      .execute();
    assert.match(task[0]?.settlement ?? '', /"payout":"25"/);
    assert.equal(await assertMoney(fog.database), 0);
  },

  async 'a check that is passed tells of its owner as much as its task was worth to somebody'({ open }) {
    const fog = await open(PAID);
    await checked(fog, honest);
    const owner = (await readOwners(fog.database.read, ['carl'])).get('carl');
    assert.ok(owner !== undefined);
    const [some = 0, price, more = 0] = [0n, 1000n, 10_000n].map((valueMicroFog) => {
      return reputationOf(owner.reputation, fog.clock.now, { valueMicroFog });
    });
    assert.equal(price, some);
    assert.ok(more > 0 && more < some);
  },

  async 'a check that fails is not paid'({ open }) {
    const fog = await open(PAID);
    const { jobs } = await checked(fog, () => wrong(1));
    await fog.advance(1000);
    assert.equal(oversightOf(await Promise.all(jobs.map((job) => paymentOf(fog, job)))), 0n);
    assert.deepEqual(
      (await historyOf(fog, 'carl')).filter(({ kind }) => kind === 'oversight'),
      [],
    );
  },

  async 'who repeats a task after its job has been closed is paid by the treasury, no more than its share'({ open }) {
    const fog = await open(PAID);
    const jobs = await closedLies(fog);
    const before = await treasuryOf(fog.database);
    await repeated(fog, jobs);
    const payments = await Promise.all(jobs.map((job) => paymentOf(fog, job)));
    for (const { phase, oversight, lateOversight } of payments) {
      assert.deepEqual([phase, oversight, lateOversight], ['closed', '0', '25']);
    }
    assert.equal(await treasuryOf(fog.database), before - 25n * BigInt(jobs.length));
    const got = (await walletOf(fog.database, 'olga')) + (await walletOf(fog.database, 'oleg'));
    assert.equal(got, 25n * BigInt(jobs.length), 'the first gets the share, and nothing is left for the second');
    assert.equal(await assertMoney(fog.database), 0);
  },

  async 'a treasury that members have spent refuses no turn: what it lacks is not paid'({ open }) {
    const fog = await open(PAID);
    const jobs = await closedLies(fog);
    await emptyTreasury(fog);
    await repeated(fog, jobs);
    assert.deepEqual(fog.warnings, []);
    assert.equal(await treasuryOf(fog.database), 0n);
    assert.equal(await walletOf(fog.database, 'olga'), 0n);
    assert.equal(await assertMoney(fog.database), 0);
  },

  async 'a fog that asks for no money pays for no check'({ open }) {
    const fog = await open();
    const { hidden } = await checked(fog, honest);
    const rows = await fog.database.read.selectFrom('jobs').selectAll().where('id', '=', hidden).execute();
    assert.deepEqual([rows[0]?.oversight_by, rows[0]?.payment_terms], [null, null]);
  },
});
