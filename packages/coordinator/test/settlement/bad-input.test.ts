/** What cannot be asked of money, over both databases: a typed error, and nothing has moved. */
import assert from 'node:assert/strict';
import type { StakeChange } from '@fog/contract';
import { onBothDatabases } from '../dispatch/both-databases.ts';
import type { Fog } from '../dispatch/fog-harness.ts';
import { supplyOf, walletOf } from './money-invariants.ts';
import { assertStake } from './stake-invariants.ts';

const REAL = { economy: 'on' as const, faucet: 'off' as const };
const FOG = 1_000_000n;
const MOST = (1n << 128n) - 1n;
const by = (principal: string) => ({ scope: 'submit' as const, principal });

function economyOf(fog: Fog) {
  assert.ok(fog.economy !== null);
  return fog.economy;
}

const send = (fog: Fog, from: string, to: string, amount: bigint, key = `${from} ${to} ${amount}`) =>
  economyOf(fog).wallets.send(by(from), { to, amount: String(amount), key });
const change = (fog: Fog, principal: string, wanted: StakeChange) =>
  economyOf(fog).staking.change(by(principal), wanted);

await onBothDatabases('bad input', {
  async 'zero, the most that there is, and more than 128 bits hold'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 100n);
    await assert.rejects(send(fog, 'alice', 'bob', 0n), { code: 'invalid-request' });
    for (const amount of [MOST, MOST + 1n, 10n ** 39n - 1n]) {
      await assert.rejects(send(fog, 'alice', 'bob', amount), {
        code: 'insufficient-funds',
        details: { needed: String(amount), available: '100', missing: String(amount - 100n) },
      });
    }
    for (const amount of ['0', String(MOST), String(MOST + 1n)]) {
      const code = amount === String(MOST) ? 'insufficient-funds' : /invalid-request|insufficient-funds/;
      await assert.rejects(change(fog, 'alice', { kind: 'bond', amount, key: amount }), { code });
    }
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 100n);
    // All that there is can be moved, to the last unit.
    await send(fog, 'alice', 'bob', 100n);
    assert.deepEqual(
      [await walletOf(fog.database, 'alice', 'fog'), await walletOf(fog.database, 'bob', 'fog')],
      [0n, 100n],
    );
  },

  async 'overflow: a wallet never holds more than 128 bits, and nothing of what would be too much happens'({ open }) {
    const fog = await open(REAL);
    await fog.endow('rich', MOST - 10n);
    await assert.rejects(fog.endow('alice', 11n), { code: 'internal', message: /overflows_debits_posted/ });
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 0n);
    await fog.endow('alice', 10n);
    await send(fog, 'alice', 'rich', 10n);
    assert.equal(await walletOf(fog.database, 'rich', 'fog'), MOST);
    assert.equal(await supplyOf(fog.database, 'fog'), MOST);
  },

  async 'overflow: a job whose results could cost more than can be paid is refused'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    const most = 2 ** 36;
    await assert.rejects(fog.submit({ spec: { budget: { perTask: most + 1 } } }), { code: 'invalid-spec' });
    await assert.rejects(fog.submit({ spec: { budget: { perTask: most }, count: 100_000 } }), {
      code: 'insufficient-funds',
      details: {
        needed: String(most * 100_000),
        available: String(1000n * FOG),
        missing: String(BigInt(most) * 100_000n - 1000n * FOG),
      },
    });
    assert.equal((await fog.database.read.selectFrom('jobs').select('id').execute()).length, 0);
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), 1000n * FOG);
  },

  async 'unknown accounts: a wallet, a job, a validator and a slash that there are not'({ open }) {
    const fog = await open(REAL);
    const { wallets, staking } = economyOf(fog);
    const nobody = { scope: 'read' as const, principal: 'r' };
    assert.deepEqual((await wallets.get(nobody, 'nobody')).balances, [
      { currency: 'fog', available: '0', inEscrow: '0' },
    ]);
    assert.deepEqual(await wallets.entries(nobody, { principal: 'nobody', limit: 10 }), { items: [], next: null });
    await assert.rejects(wallets.jobPayment(nobody, 'j000000000000000000'), { code: 'not-found' });
    await assert.rejects(send(fog, 'nobody', 'bob', 1n), { code: 'insufficient-funds' });
    await fog.endow('alice', FOG);
    const delegate = { kind: 'delegate', validator: 'nobody', amount: String(FOG), key: 'a' } as const;
    await assert.rejects(change(fog, 'alice', delegate), { code: 'not-found' });
    await assert.rejects(staking.appeal(by('alice'), { fault: 'j000000000000000000/0/1', reason: 'a' }), {
      code: 'not-found',
    });
    const decision = { fault: 'j000000000000000000/0/1', verdict: 'upheld', reason: 'a' } as const;
    await assert.rejects(staking.decide({ scope: 'admin', principal: 'admin' }, decision), { code: 'not-found' });
  },

  async 'a key that was used for something else: sent, bonded, delegated, taken out, moved'({ open }) {
    const fog = await open(REAL);
    for (const owner of ['vera', 'vito', 'dora']) await fog.endow(owner, 1000n * FOG);
    const amount = String(100n * FOG);
    await change(fog, 'vera', { kind: 'bond', amount, key: 'a' });
    await change(fog, 'vito', { kind: 'bond', amount, key: 'a' });
    await change(fog, 'dora', { kind: 'delegate', validator: 'vera', amount, key: 'a' });
    const unbond = { kind: 'unbond', validator: 'vera', amount: String(20n * FOG), key: 'u' } as const;
    const move = { kind: 'redelegate', from: 'vera', to: 'vito', amount: String(20n * FOG), key: 'm' } as const;
    await send(fog, 'dora', 'vera', 5n, 's');
    // Asked again, each is what it was.
    for (let time = 0; time < 2; time += 1) {
      await change(fog, 'dora', unbond);
      await change(fog, 'dora', move);
      await send(fog, 'dora', 'vera', 5n, 's');
    }
    const more = String(30n * FOG);
    await change(fog, 'vito', { kind: 'delegate', validator: 'vera', amount, key: 'a' });
    await change(fog, 'dora', { kind: 'delegate', validator: 'vito', amount, key: 'b' });
    const others: [string, StakeChange][] = [
      ['vera', { kind: 'bond', amount: more, key: 'a' }],
      ['dora', { kind: 'delegate', validator: 'vera', amount: more, key: 'a' }],
      ['dora', { kind: 'delegate', validator: 'vito', amount, key: 'a' }],
      ['dora', { ...unbond, amount: more }],
      ['dora', { ...unbond, amount: String(10n * FOG) }],
      ['dora', { ...unbond, validator: 'vito' }],
      ['dora', { ...move, amount: more }],
      ['dora', { ...move, amount: String(10n * FOG) }],
      ['dora', { ...move, from: 'vito', to: 'vera' }],
    ];
    const before = await economyOf(fog).staking.get(by('dora'), undefined);
    for (const [principal, wanted] of others) {
      await assert.rejects(change(fog, principal, wanted), { code: 'conflict' }, JSON.stringify(wanted));
    }
    await assert.rejects(send(fog, 'dora', 'vera', 6n, 's'), { code: 'conflict' });
    await assert.rejects(send(fog, 'dora', 'vito', 5n, 's'), { code: 'conflict' });
    assert.deepEqual(await economyOf(fog).staking.get(by('dora'), undefined), before);
    await assertStake(fog.database);
  },

  async 'a key whose job had another specification is refused, and nothing is covered again'({ open }) {
    const fog = await open(REAL);
    await fog.endow('alice', 1000n * FOG);
    await fog.submit({}, { key: 'k' });
    const left = await walletOf(fog.database, 'alice', 'fog');
    await assert.rejects(fog.submit({ spec: { count: 2 } }, { key: 'k' }), { code: 'idempotency-mismatch' });
    assert.equal(await walletOf(fog.database, 'alice', 'fog'), left);
  },

  async 'a statement has the newest of both currencies first, page by page, and nothing that moved nothing'({ open }) {
    const fog = await open({ economy: 'on' });
    await fog.endow('alice', 10n);
    await send(fog, 'alice', 'bob', 1n);
    await fog.submit();
    const { wallets, governance } = economyOf(fog);
    await governance.dao.delegate(by('alice'), 'bob');
    await send(fog, 'alice', 'eve', 2n);
    const whole = (await wallets.entries(by('alice'), { limit: 10 })).items;
    const told = whole.map(({ kind, currency }) => `${kind} ${currency}`);
    assert.deepEqual(told, ['send fog', 'cover faucet', 'faucet faucet', 'send fog', 'issue fog']);
    for (const limit of [1, 2, 3]) {
      const paged: typeof whole = [];
      let cursor: string | undefined;
      for (let pages = 0; pages <= whole.length; pages += 1) {
        const { items, next } = await wallets.entries(by('alice'), { limit, cursor });
        paged.push(...items);
        if (next === null) break;
        cursor = next;
      }
      assert.deepEqual(paged, whole, `by ${limit}`);
    }
  },
});
