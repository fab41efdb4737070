import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readTrace } from '@fog/scheduler/simulation';
import { GPU_TASKS, logText, traceOf, workflowText } from './simulation-samples.ts';

const DAX = '<?xml version="1.0"?>\n<adag><job id="a" runtime="1"/></adag>';

test('what a file holds is recognised by its content', () => {
  const [job] = logText([[0, 1, 1]], '')
    .trimStart()
    .split('\n');
  for (const [text, kind, format] of [
    [logText([[0, 1, 1]]), 'log', 'SWF'],
    [job as string, 'log', 'SWF'],
    [`\uFEFF  ${workflowText([{ id: 'a', seconds: 1 }])}`.slice(1), 'workflow', 'WfFormat'],
    [DAX, 'workflow', 'DAX'],
    [GPU_TASKS, 'gpu-tasks', 'openb'],
    [GPU_TASKS.replaceAll('\n', '\r\n'), 'gpu-tasks', 'openb'],
  ] as const) {
    const trace = readTrace(text, 'f');
    assert.deepEqual([trace.kind, trace.format], [kind, format]);
  }
});

test('what is of no kind is refused, with the kinds that are read', () => {
  const packed = gzipSync('; MaxProcs: 8').toString('latin1');
  for (const text of ['', ' \n\t', '<html></html>', 'a,b,c\n1,2,3', '1 2 3', 'hello', '[1]', packed]) {
    assert.throws(
      () => readTrace(text, 'f.bin'),
      (error: { code: string; message: string; hint: string }) =>
        error.code === 'invalid-request' && /f\.bin/.test(error.message) && /WfFormat.*DAX.*openb/.test(error.hint),
    );
  }
  assert.throws(() => readTrace('sn,cpu_milli,memory_mib,gpu,model\n', 'f'), /list of nodes, and no tasks/);
});

test('amounts that cannot be are refused where they stand', () => {
  const line = logText([[0, 1, 1]]).split('\n')[1] as string;
  const changed = (field: number, value: string) => line.split(' ').with(field, value).join(' ');
  for (const [field, value, says] of [
    [1, '-7', /line 2 .*: submit is -7/],
    [3, '-2', /line 2 .*: run is -2/],
    [4, '-3', /line 2 .*: allocated is -3/],
    [8, '-60', /line 2 .*: time is -60/],
    [3, 'NaN', /line 2 .*"NaN" is no number/],
    [3, 'Infinity', /line 2 .*"Infinity" is no number/],
  ] as const) {
    assert.throws(() => traceOf(`; MaxProcs: 8\n${changed(field, value)}`), { code: 'invalid-request', message: says });
  }
  const slow = workflowText([{ id: 'a', seconds: -1 }]);
  assert.throws(() => traceOf(slow), { code: 'invalid-request', message: /ran for -1 seconds/ });
  assert.throws(() => traceOf(DAX.replace('"1"/', '"NaN"/')), { code: 'invalid-request', message: /NaN seconds/ });
  const backwards = GPU_TASKS.replace('0,100,0', '0,100,200');
  assert.throws(() => traceOf(backwards), { code: 'invalid-request', message: /line 2 .*deletion_time/ });
});

test('a workflow in a circle is refused with the circle, and a file that is cut off as such', () => {
  const circle = workflowText([
    { id: 'a', seconds: 1, parents: ['b'] },
    { id: 'b', seconds: 1, parents: ['a'] },
  ]);
  assert.throws(() => traceOf(circle), { code: 'invalid-request', message: /a -> b -> a/ });
  assert.throws(() => traceOf(circle.slice(0, -9)), { code: 'invalid-request', message: /no JSON/ });
  assert.throws(() => traceOf(DAX.slice(0, -4)), { code: 'invalid-request', message: /line 2/ });
});
