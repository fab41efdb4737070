import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { setImmediate as settle } from 'node:timers/promises';
import { AGENT_LIMITS } from '../src/limits.ts';
import { Reaping } from '../src/reaping.ts';

test('an engine that is away is asked again, and only that one', async (context) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
  const asked: string[] = [];
  const warnings: unknown[] = [];
  let isAway = true;
  const runtimes = [
    { name: 'wasm' as const },
    { name: 'process' as const, reap: async () => void asked.push('process') },
    {
      name: 'docker' as const,
      async reap() {
        asked.push('docker');
        if (isAway) throw new Error('nobody there');
      },
    },
  ];
  using reaping = new Reaping(runtimes, (_level, _message, data) => warnings.push(data));
  await reaping.run();
  assert.deepEqual(asked.splice(0), ['process', 'docker']);
  assert.deepEqual(warnings, [{ runtime: 'docker', error: 'Error: nobody there' }]);
  mock.timers.tick(AGENT_LIMITS.reapMilliseconds - 1);
  assert.deepEqual(asked, []);
  mock.timers.tick(1);
  await settle();
  assert.deepEqual(asked.splice(0), ['docker']);
  isAway = false;
  mock.timers.tick(AGENT_LIMITS.reapMilliseconds);
  await settle();
  mock.timers.tick(10 * AGENT_LIMITS.reapMilliseconds);
  await settle();
  assert.deepEqual(asked, ['docker']);
});

test('nothing is tried after the end', async (context) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
  let asked = 0;
  const runtime = {
    name: 'docker' as const,
    async reap() {
      asked += 1;
      throw new Error('nobody there');
    },
  };
  const reaping = new Reaping([runtime], () => {});
  await reaping.run();
  reaping[Symbol.dispose]();
  mock.timers.tick(10 * AGENT_LIMITS.reapMilliseconds);
  await settle();
  assert.equal(asked, 1);
});
