/** `fog dao emission`: what new money was made, and that a fog without money has none. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { coordinatorSettingsSchema, type EmissionEpochDocument } from '@fog/contract';
import { startCoordinator } from '@fog/coordinator';
import { emissionTable } from '../src/dao/tables.ts';
import { processTerminal } from '../src/terminal.ts';
import { fog } from './test-terminal.ts';

test('each day tells what burned, what that was worth, and what was made of it', () => {
  const day = 86_400_000;
  const epoch = (number: number, change: Partial<EmissionEpochDocument>): EmissionEpochDocument => ({
    ...{ epoch: number, startsAt: number * day, endsAt: (number + 1) * day, claims: 3, burned: '2500000' },
    ...{ sharePpm: 500_000, wanted: '1250000', most: '1000000', made: '999998', settledAt: 1, ...change },
  });
  const off = { sharePpm: 0, wanted: '0', most: '0', made: '0' };
  const lines = emissionTable([epoch(19_676, { settledAt: null }), epoch(19_675, off)], {
    ...processTerminal(),
    environment: { NO_COLOR: '1' },
  }).split('\n');
  assert.deepEqual(
    lines.slice(1, 3).map((line) => line.trim().split(/\s{2,}/)),
    [
      ['2023-11-15', '3', '2.5', '50%', '1.25', '1', '0.999998 so far'],
      ['2023-11-14', '3', '2.5', 'off', '0', '0', '0'],
    ],
  );
});

test('nothing was made where nothing burned; a fog without money says that there is nothing to vote on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fog-emission-cli-'));
  try {
    for (const economy of ['on', 'off'] as const) {
      const settings = coordinatorSettingsSchema.parse({ listen: '127.0.0.1:0', economy });
      const coordinator = await startCoordinator({ dataDirectory: join(folder, economy), settings });
      const environment = { FOG_URL: coordinator.url, FOG_TOKEN: coordinator.adminToken };
      const { code, stdout, stderr } = await fog(['dao', 'emission', '--json'], { environment });
      await coordinator.close();
      if (economy === 'on') assert.deepEqual([code, JSON.parse(stdout)], [0, { items: [] }]);
      else assert.match(stderr, /unsupported/);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
