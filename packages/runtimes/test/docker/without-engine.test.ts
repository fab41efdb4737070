/** On a machine whose engine is away, or that has none. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDockerRuntime } from '../../src/docker/index.ts';
import { createStage } from '../runtime-stage.ts';

test('without an engine there is nothing to reap, unless an attempt has left its folder', async () => {
  await using stage = await createStage();
  const settings = stage.settings(1);
  const runtime = createDockerRuntime(settings, { socketPath: join(settings.scratchDirectory, 'no-engine.sock') });
  assert.equal((await runtime.probe()).available, false);
  await runtime.reap?.();
  await mkdir(join(settings.scratchDirectory, 'docker-j1.0.1'));
  await assert.rejects(async () => runtime.reap?.(), { name: 'EngineUnreachable' });
  await runtime.close();
});
