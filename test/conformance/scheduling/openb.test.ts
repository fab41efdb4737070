import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openbChecks } from './openb.ts';

const NODES = 'sn,cpu_milli,memory_mib,gpu,model\nn,8000,8,8,A\n';
const TASKS = 'name,cpu_milli,memory_mib,num_gpu,gpu_milli\nt,1000,1,1,1000\n';
const published = (percent: number) => ({ '42': { '100': 1, '130': percent }, '43': { '130': percent } });

function checksOf(content: unknown, tables: Record<string, string>, isQuick = false) {
  const files = new Map(Object.entries(tables).map(([path, text]) => [`openb/${path}.csv.gz`, gzipSync(text)]));
  const file = {
    path: 'openb/fgd_expected_results.json.gz',
    content: gzipSync(JSON.stringify(content)),
    sibling: async (path: string) => files.get(path) ?? null,
  };
  return openbChecks(file, { isQuick });
}

test('lists of tasks that are there are replayed, the others are not missed', async () => {
  const tables = { openb_node_list_gpu_node: NODES, openb_pod_list_full: TASKS };
  const allocation_pct = {
    openb_pod_list_full: { '06-FGD': published(100), '05-BestFit': { '130': 99.8 } },
    openb_pod_list_absent: { '06-FGD': published(100) },
  };
  const checks = await checksOf({ allocation_pct, frag_ratio_pct: {} }, tables);
  assert.deepEqual(
    checks.map(({ name }) => name),
    ['openb_pod_list_full, fgd', 'openb_pod_list_full, best-fit'],
  );
  for (const { run } of checks) run();
  assert.deepEqual(await checksOf({ allocation_pct, frag_ratio_pct: {} }, {}), []);
  assert.deepEqual(await checksOf({ allocation_pct, frag_ratio_pct: {} }, tables, true), []);
});

test('a mean that is too far from the published one fails', async () => {
  const tables = { openb_node_list_gpu_node: NODES, openb_pod_list_full: TASKS };
  const allocation_pct = { openb_pod_list_full: { '06-FGD': published(99.6) } };
  const [check] = await checksOf({ allocation_pct, frag_ratio_pct: {} }, tables);
  assert.throws(() => check?.run(), /100\.000 %, published 99\.600 %: 0\.400 points apart, 0\.300 allowed/);
});

test('an unknown shape is a failure', async () => {
  const tables = { openb_node_list_gpu_node: NODES, openb_pod_list_full: 'surprise\n' };
  const good = { openb_pod_list_full: { '06-FGD': published(1) } };
  await assert.rejects(checksOf({ allocation_pct: good, frag_ratio_pct: {} }, tables), /line 1/);
  await assert.rejects(checksOf({ allocation_pct: good, surprise: 1 }, tables), /unknown shape/);
  const unknownPolicy = { openb_pod_list_full: { '07-New': published(1) } };
  await assert.rejects(checksOf({ allocation_pct: unknownPolicy, frag_ratio_pct: {} }, tables), /unknown shape/);
  const otherLoad = { openb_pod_list_full: { '06-FGD': { '42': { '100': 1 } } } };
  await assert.rejects(checksOf({ allocation_pct: otherLoad, frag_ratio_pct: {} }, tables), /unknown shape/);
});
