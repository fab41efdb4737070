/** A job that is paid by the work it does, from its document to the wallets of those who did it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TaskWithAttempts } from '@fog/contract';
import { Assembler, getLocal, i32, setLocal } from '../../packages/runtimes/test/wasm/assembler.ts';
import { hasIPv6, VerifyingFog } from '../support/verifying-fog.ts';

const ROUNDS = 100_000_000;
/** Before, in each round, behind. */
const FUEL = 2 + ROUNDS * 6;
/** What a slice of five minutes of one processor costs at first, in micro-FOG, and how much fuel is in it. */
const [SLICE, SLICE_FUEL] = [1000, 4_000_000_000_000];

function counting(rounds: number): Uint8Array {
  const down = [...getLocal(0), ...i32(1), 0x6b, 0x22, 0, 0x0d, 0];
  return new Assembler().build({
    start: [...i32(rounds), ...setLocal(0), 0x03, 0x40, ...down, 0x0b],
    locals: 1,
    memory: null,
  });
}

const job = (budget: object) => ({
  task: {
    runtime: 'wasm',
    wasm: { module: 'count.wasm' },
    // Sixteen slices at a time are sixteen times as dear.
    resources: { cpu: '100m', memory: '32Gi', disk: '16Mi' },
  },
  verification: { mode: 'replicate' },
  budget,
});

async function tasksOf(fog: VerifyingFog, id: string): Promise<TaskWithAttempts[]> {
  return (await fog.client.call('listTasks', { params: { job: id }, query: {} })).items;
}

describe('metered jobs', { skip: hasIPv6 ? false : 'no ::1 here' }, () => {
  test('two strangers count the same, and are paid by it', async () => {
    await using fog = await VerifyingFog.start({ economy: 'on', faucet: 'on' });
    await fog.addNode('olga', '127.0.0.1', ['wasm'], { memory: '64Gi' });
    await fog.addNode('oleg', '[::1]', ['wasm'], { memory: '64Gi' });
    const { id, state } = await fog.run(job({ meter: 'fuel' }), { 'count.wasm': counting(ROUNDS) });
    assert.equal(state, 'completed');
    const [task] = await tasksOf(fog, id);
    assert.deepEqual(
      task?.attempts.map(({ usage }) => usage?.fuel),
      [FUEL, FUEL],
    );
    const price = Math.ceil((SLICE * 16 * FUEL) / SLICE_FUEL);
    const payout = BigInt(price) - BigInt(price) / 20n;
    for (const owner of ['olga', 'oleg']) {
      const { balances } = await fog.client.call('getWallet', { query: { principal: owner } });
      assert.equal(balances.find(({ currency }) => currency === 'faucet')?.available, String(payout), owner);
    }
  });

  test('nothing is counted where nobody asks for it, and elsewhere than in wasm nobody may', async () => {
    await using fog = await VerifyingFog.start();
    await fog.addNode('olga', '127.0.0.1', ['wasm'], { memory: '64Gi' });
    await fog.addNode('oleg', '[::1]', ['wasm'], { memory: '64Gi' });
    const { id, state } = await fog.run(job({ meter: 'clock' }), { 'count.wasm': counting(10) });
    assert.equal(state, 'completed');
    const [task] = await tasksOf(fog, id);
    for (const { usage } of task?.attempts ?? []) assert.equal(usage?.fuel, undefined);
    const script = { runtime: 'javascript', javascript: { script: 'a.js' } };
    const wrong = fog.run({ task: script, budget: { meter: 'fuel' } }, { 'a.js': 'export default () => 1;' });
    await assert.rejects(wrong, {
      code: 'invalid-spec',
      message: /spec\.budget\.meter: fuel is counted in the runtime wasm/,
    });
  });
});
