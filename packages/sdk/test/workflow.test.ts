/** The order of the jobs of a workflow. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError, parseJobSpec } from '@fog/contract';
import fc from 'fast-check';
import { submitOrder, withIds, workflowSteps } from '../src/workflow.ts';

function job(name: string, dependsOn: readonly string[] = [], attempt = '1m') {
  const task = { runtime: 'process', process: { command: ['/bin/true'] } };
  const needs = dependsOn.length === 0 ? {} : { dependsOn };
  return { kind: 'Job', metadata: { name }, spec: { task, timeouts: { attempt }, ...needs } };
}

function orderOf(documents: readonly ReturnType<typeof job>[]): string[] {
  const names = new Set(documents.map(({ metadata }) => metadata.name));
  const specs = documents.map((document) => parseJobSpec(withIds(document, null, names)));
  return submitOrder(workflowSteps(documents), specs).map(({ name }) => name ?? '');
}

function faultOf(work: () => unknown): FogError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof FogError);
    return error;
  }
  throw new Error('nothing was thrown');
}

test('what the longest way to the end begins with goes first, whatever the order of the file', () => {
  const documents = [
    job('report', ['short', 'late']),
    job('short'),
    job('long', [], '10m'),
    job('late', ['long'], '1h'),
  ];
  assert.deepEqual(orderOf(documents), ['long', 'late', 'short', 'report']);
});

test('a job comes after all that it waits for, in any graph', () => {
  const graph = fc.array(fc.tuple(fc.array(fc.nat(20), { maxLength: 4 }), fc.integer({ min: 1, max: 9 })), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(graph, (rows) => {
      const documents = rows.map(([needed, minutes], at) => {
        const names = [...new Set(needed.filter((other) => other < at))].map((other) => `job-${other}`);
        return job(`job-${at}`, names, `${minutes}m`);
      });
      const order = orderOf(documents.toReversed());
      for (const { metadata, spec } of documents) {
        const { dependsOn = [] } = spec as { dependsOn?: string[] };
        for (const name of dependsOn) assert.ok(order.indexOf(name) < order.indexOf(metadata.name), name);
      }
    }),
  );
});

test('cycles, names that nobody has or that two have are told before anything is sent', () => {
  const cycle = faultOf(() => workflowSteps([job('a', ['b']), job('b', ['c']), job('c', ['a'])]));
  assert.equal(cycle.code, 'invalid-spec');
  assert.match(cycle.message, /a -> .* -> a/);
  assert.match(faultOf(() => workflowSteps([job('a', ['z']), job('b')])).message, /a depends on z, which there is not/);
  assert.match(faultOf(() => workflowSteps([job('a'), job('a')])).message, /named a/);
  assert.match(faultOf(() => workflowSteps([job('a', ['a'])])).message, /a -> a/);
  assert.equal(faultOf(() => workflowSteps([])).code, 'invalid-spec');
});

test('names become ids, ids of earlier jobs stay', () => {
  const earlier = `j${'1'.repeat(18)}`;
  const document = job('b', ['a', earlier]);
  assert.deepEqual(
    workflowSteps([document, job('a')]).map(({ name }) => name),
    ['a', 'b'],
  );
  const named = withIds(document, new Map([['a', `j${'2'.repeat(18)}`]]), new Set(['a', 'b'])) as typeof document;
  assert.deepEqual(named.spec, { ...document.spec, dependsOn: [`j${'2'.repeat(18)}`, earlier] });
  assert.deepEqual(document.spec, job('b', ['a', earlier]).spec, 'the original is as it was');
});
