import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { AgentFrame, UsageSample } from '@fog/contract';
import { AGENT_LIMITS } from '../src/limits.ts';
import { UsageSamples } from '../src/usage-samples.ts';

const usage: UsageSample = {
  cpuMilliseconds: 1,
  memoryBytes: 2,
  networkReceivedBytes: null,
  networkSentBytes: null,
  diskBytes: null,
  processes: 1,
};
const name = (partition: number) => ({ job: 'j000000000000000000', partition, fence: 1 });
const turn = () => new Promise((resolve) => setImmediate(resolve));

async function tick(context: TestContext): Promise<void> {
  context.mock.timers.tick(AGENT_LIMITS.sampleMilliseconds);
  await turn();
}

test('what attempts use is told while there is a link; an engine that does not answer is not asked again', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] });
  const sent: AgentFrame[] = [];
  const slow = Promise.withResolvers<UsageSample | null>();
  let [isOpen, asked, isSlow] = [true, 0, false];
  using _samples = new UsageSamples({
    *running() {
      asked += 1;
      yield { name: name(0), sample: async () => usage };
      yield { name: name(1), sample: async () => null };
      if (isSlow) yield { name: name(2), sample: () => slow.promise };
    },
    isOpen: () => isOpen,
    send: (frame) => sent.push(frame),
  });
  await tick(context);
  assert.deepEqual(sent, [{ type: 'samples', samples: [{ attempt: name(0), usage }] }]);
  isSlow = true;
  await tick(context);
  await tick(context);
  assert.equal(asked, 2);
  assert.equal(sent.length, 1);
  isSlow = false;
  slow.resolve(null);
  await turn();
  assert.equal(sent.length, 2);
  isOpen = false;
  await tick(context);
  assert.equal(asked, 2);
});
