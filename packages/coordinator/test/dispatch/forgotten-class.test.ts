import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { coordinatorSettingsSchema, FogClient } from '@fog/contract';
import { startCoordinator } from '../../src/index.ts';

test('why a task is where it is can be told when the class that it was placed in is forgotten', async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'fog-class-'));
  const settings = coordinatorSettingsSchema.parse({ listen: '127.0.0.1:0' });
  const start = async () => {
    const coordinator = await startCoordinator({ dataDirectory, settings });
    return { coordinator, client: new FogClient({ url: coordinator.url, token: coordinator.adminToken }) };
  };
  const bytes = Buffer.from('a module');
  const module = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const first = await start();
  await first.client.putBlob(module, bytes);
  const spec = { kind: 'Job', spec: { task: { runtime: 'wasm', wasm: { module } } } };
  const { id } = await first.client.call('submitJob', { body: { spec } });
  await first.coordinator.close();
  const database = new DatabaseSync(join(dataDirectory, 'fog.sqlite'));
  database.exec('DELETE FROM placement_classes');
  database.close();
  const second = await start();
  const { waiting } = await second.client.call('explainTask', { params: { job: id, partition: 0 } });
  assert.equal(waiting?.reason, 'no-node');
  await second.coordinator.close();
  await rm(dataDirectory, { recursive: true });
});
