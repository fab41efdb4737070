/** How long keys live: by the schedule, and in the folder of a node. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { tcpTransport } from '@fog/transport';
import { acceptedEpochs, DIRECTORY_LIMITS, epochStart, MixNode } from '../../src/index.ts';
import { keyEnd, keySchedule } from '../../src/node/key-schedule.ts';
import { smallGenesis } from '../directory/members.ts';

test('a key outlives its acceptance by the allowance for clocks, and no longer', () => {
  const genesis = smallGenesis({ epochMilliseconds: 1_200_000, graceMilliseconds: 120_000 });
  const allowance = DIRECTORY_LIMITS.clockSkewMilliseconds;
  assert.equal(keyEnd(genesis, 6), epochStart(genesis, 7) + 120_000 + allowance);
  const at = (milliseconds: number) => keySchedule(genesis, epochStart(genesis, 7) + milliseconds);
  const wanted = [7, 8, 9, 10, 11];
  const [end, next] = [keyEnd(genesis, 6), epochStart(genesis, 8)];
  assert.deepEqual(at(0), { wanted, keptFrom: 6, changesAtMilliseconds: end });
  assert.deepEqual(at(120_000 + allowance - 1), { wanted, keptFrom: 6, changesAtMilliseconds: end });
  assert.deepEqual(at(120_000 + allowance), { wanted, keptFrom: 7, changesAtMilliseconds: next });
  assert.deepEqual(at(1_199_999), { wanted, keptFrom: 7, changesAtMilliseconds: next });
});

test('what is accepted is kept, of two epochs at most, and each change comes later, whatever the grace', () => {
  for (const graceMilliseconds of [0, 1, 400, 600, 999, 1000]) {
    const genesis = smallGenesis({ epochMilliseconds: 1000, graceMilliseconds });
    for (let passed = -1500; passed < 4000; passed += 7) {
      const now = genesis.genesisMilliseconds + passed;
      const { wanted, keptFrom, changesAtMilliseconds } = keySchedule(genesis, now);
      const [epoch = -1] = wanted;
      assert.ok(changesAtMilliseconds > now, `${graceMilliseconds} ${passed}`);
      assert.ok(keptFrom >= epoch - 1, `${graceMilliseconds} ${passed}`);
      for (const accepted of acceptedEpochs(genesis, now)) {
        assert.ok(accepted < 0 || accepted >= keptFrom, `${accepted} at ${passed} with ${graceMilliseconds}`);
      }
    }
  }
});

test('the folder of a node has the key of the last epoch until its end, and nothing of it right afterwards', async () => {
  const graceMilliseconds = 100;
  const genesis = smallGenesis({ graceMilliseconds });
  const folder = await mkdtemp(join(tmpdir(), 'fog-key-schedule-'));
  // A clock of its own, so long before epoch 3 that the node has started by then.
  const behind = Date.now() - (epochStart(genesis, 3) - 1000);
  const now = () => Date.now() - behind;
  const options = { genesis, role: 'mix', operator: 'x', folder, transport: tcpTransport, listen: '127.0.0.1:0', now };
  try {
    await using node = await MixNode.start({ ...options, role: 'mix', log: () => {}, failed: assert.fail });
    const epochs = () => node.status().replaySets.map(({ epoch }) => epoch);
    const files = ['key', 'tags'].map((ending) => join(folder, 'keys', `2.${ending}`));
    const end = keyEnd(genesis, 2);
    assert.equal(end, epochStart(genesis, 3) + 2 * graceMilliseconds);
    while (now() < end) {
      const isThere = files.every(existsSync) && epochs().includes(2);
      assert.ok(isThere || now() >= end, 'it is there as long as it may be needed');
      await sleep(5);
    }
    while (files.some(existsSync)) await sleep(5);
    assert.ok(now() < end + 1000, `${now() - end} ms late`);
    assert.equal(epochs().includes(2), false);
    // The key of another epoch ahead is made beside, in its own time.
    while (!epochs().includes(7) && now() < end + 5000) await sleep(5);
    assert.deepEqual(epochs(), [3, 4, 5, 6, 7]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
