/** Scenarios of other accounts and numbers run through; what is not understood, or comes out otherwise, is a failure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VectorFile } from '../areas.ts';
import { LEDGER_AREA } from './area.ts';

type Step = [name: string, data?: unknown];

const OPENED: Step[] = [
  ['account', { id: 7, ledger: 3, code: 9, status: 'created' }],
  ['account', { id: 8, ledger: 3, code: 9, debits_must_not_exceed_credits: true, status: 'created' }],
  ['commit', 'create_accounts'],
];
const transfer = (id: number | string, change: object = {}): Step => [
  'transfer',
  { id, debit_account_id: 7, credit_account_id: 8, amount: 40, ledger: 3, code: 1, status: 'created', ...change },
];
const LOOKED: Step[] = [
  ['lookup_account', { id: 8, data: { credits_posted: 40 } }],
  ['commit', 'lookup_accounts'],
];

function fileOf(...scenarios: { name: string; steps: Step[] }[]): VectorFile {
  const content = Buffer.from(JSON.stringify({ scenarios }));
  return { path: 'ledger/other.json', content, sibling: async () => null };
}

async function run(...steps: Step[]): Promise<void> {
  for (const one of await LEDGER_AREA.cases(fileOf({ name: 'other', steps }), { isQuick: false })) {
    await LEDGER_AREA.run(one);
  }
}

test('scenarios of other accounts, numbers and orders', async () => {
  await run(...OPENED, transfer(1), ['commit', 'create_transfers'], ...LOOKED);
  await run(
    ...OPENED,
    transfer('340282366920938463463374607431768211454', { amount: 5, pending: true, timeout_s: 1 }),
    transfer(2, { amount: 9, debit_account_id: 8, credit_account_id: 7, status: 'exceeds_credits' }),
    transfer(2, { status: 'id_already_failed' }),
    ['commit', 'create_transfers'],
    ['tick', { value: 2, unit: 'seconds' }],
    transfer(3, {
      ...{ debit_account_id: 0, credit_account_id: 0, amount: 5, ledger: 0, code: 0, post_pending: true },
      ...{ pending_id: '340282366920938463463374607431768211454', status: 'pending_transfer_expired' },
    }),
    ['commit', 'create_transfers'],
  );
});

test('another status, balance or answer, and what is not understood, is a failure', async () => {
  const commit: Step = ['commit', 'create_transfers'];
  const wrong: Step[][] = [
    [...OPENED, transfer(1, { status: 'exists' }), commit],
    [...OPENED, transfer(1, { status: 'done' }), commit],
    [...OPENED, transfer(1, { amount: 41 }), commit, ...LOOKED],
    [...OPENED, transfer(1, { unheard_of: 1 }), commit],
    [...OPENED, ['move', { id: 1 }]],
    [...OPENED, ['commit', 'delete_accounts']],
    [...OPENED, transfer(1)],
    [
      ['account', { id: 7, ledger: 3, code: 9 }],
      ['commit', 'create_accounts'],
    ],
    [...OPENED, ['query_transfers_result', 1], ['commit', 'query_transfers']],
  ];
  for (const steps of wrong) await assert.rejects(run(...steps), JSON.stringify(steps.at(-1)));
  assert.throws(() => LEDGER_AREA.cases({ ...fileOf(), content: Buffer.from('{"cases":[]}') }, { isQuick: false }));
});

test('a scenario that imports events is left out by its name', async () => {
  const steps: Step[] = [['account', { id: 1, imported: true, of: 'another shape' }]];
  const file = fileOf({ name: 'imports', steps }, { name: 'plain', steps: OPENED });
  assert.match(LEDGER_AREA.leftOut?.(file).join() ?? '', /^0: imports: it imports events/);
  assert.deepEqual(
    [...(await LEDGER_AREA.cases(file, { isQuick: false }))].map(({ name }) => name),
    ['1: plain'],
  );
});
