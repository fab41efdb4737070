import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TaskOutput } from '@fog/contract';
import { taskResult } from '../src/index.ts';

const output = (name: string, fill = '1'): TaskOutput => {
  return { name, type: 'file', digest: `sha256:${fill.repeat(64)}`, bytes: 3 };
};
const declared = [
  { name: 'a', path: '/out/a' },
  { name: 'b', path: '/out/b' },
];
const pathsOf = (result: ReturnType<typeof taskResult>) => result?.outputs.map(({ name, path }) => `${name} ${path}`);

test('the outputs are those that were declared, each once, in any order', () => {
  const task = { runtime: 'wasm' as const, outputs: declared };
  const result = taskResult(task, [output('b'), output('a')]);
  assert.deepEqual([result?.exitCode, result?.stdout, pathsOf(result)], [0, null, ['a /out/a', 'b /out/b']]);
  const refused = [[], [output('a')], [output('a'), output('a', '2')], [output('a'), output('b'), output('c')]];
  for (const outputs of [...refused, [output('a'), output('c')]]) assert.equal(taskResult(task, outputs), null);
  assert.deepEqual(pathsOf(taskResult({ runtime: 'docker', outputs: [] }, [])), []);
});

test('what a script returns is part of its result, declared or not', () => {
  const none = { runtime: 'javascript' as const, outputs: [] };
  assert.deepEqual(pathsOf(taskResult(none, [output('result')])), ['result ']);
  assert.deepEqual(pathsOf(taskResult(none, [])), [], 'it returned nothing');
  const named = { ...none, outputs: [{ name: 'result', path: '/out/result' }] };
  assert.deepEqual(pathsOf(taskResult(named, [output('result')])), ['result /out/result']);
  assert.equal(taskResult(named, []), null);
  assert.equal(taskResult({ ...none, runtime: 'wasm' }, [output('result')]), null);
});
