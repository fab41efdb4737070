import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startMixNetwork } from './small-mix-network.ts';

test('a new network carries requests to a service and answers back', async () => {
  await using network = await startMixNetwork();
  const client = network.client('confidential');
  try {
    await client.connected(AbortSignal.timeout(40_000));
    const bytes = Buffer.from('who is there?');
    const answers = await Promise.all(
      [1, 2, 3].map((number) =>
        client.request({
          service: 'echo',
          bytes: Buffer.concat([bytes, Buffer.from([number])]),
          answerWithinMilliseconds: 20_000,
        }),
      ),
    );
    assert.deepEqual(
      answers.map((answer) => answer.at(-1)),
      [1, 2, 3],
    );
    assert.equal(client.anonymity, 'none', 'a test network says so');
    await assert.rejects(
      () => client.request({ service: 'echo', bytes, level: 'secret' }),
      /this network has 3 layers/,
    );
  } catch (error) {
    throw new Error(network.said.join('\n'), { cause: error });
  }
  const forwarded = network.nodes.map((node) => node.status());
  assert.ok(forwarded.every(({ isInConsensus }) => isInConsensus));
});
