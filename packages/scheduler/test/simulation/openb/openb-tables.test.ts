import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import { OPENB_LIMITS, parseOpenbNodes, parseOpenbTasks } from '@fog/scheduler/simulation/openb';
import fc from 'fast-check';

const NODES = 'sn,cpu_milli,memory_mib,gpu,model\nn0,64000,262144,2,P100\nn1,96000,393216,8,G2\n';
const TASKS = [
  'name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos',
  'a,12000,16384,1,460,,LS',
  'b,64000,1024,8,1000,G2|T4,BE',
  'c,8000,30517,0,0,,BE',
  'd,1000,1,1,4000,,BE',
].join('\r\n');

test('nodes and tasks are read', () => {
  assert.deepEqual(parseOpenbNodes(NODES), [
    { name: 'n0', cpuMilli: 64_000, memoryMebibytes: 262_144, gpuCount: 2, gpuModel: 'P100' },
    { name: 'n1', cpuMilli: 96_000, memoryMebibytes: 393_216, gpuCount: 8, gpuModel: 'G2' },
  ]);
  const [a, b, c, d] = parseOpenbTasks(TASKS);
  assert.deepEqual(a, {
    name: 'a',
    cpuMilli: 12_000,
    memoryMebibytes: 16_384,
    gpuCount: 1,
    gpuMilli: 460,
    gpuModels: [],
    times: null,
  });
  assert.deepEqual([b?.gpuCount, b?.gpuMilli, b?.gpuModels], [8, 1000, ['G2', 'T4']]);
  assert.deepEqual([c?.gpuCount, c?.gpuMilli], [0, 0]);
  assert.equal(d?.gpuMilli, 1000);
});

test('a table without the optional fields is read', () => {
  const [task] = parseOpenbTasks('name,cpu_milli,memory_mib,num_gpu,gpu_milli\na,1,2,1,1000\n');
  assert.deepEqual(task?.gpuModels, []);
});

test('what is no such table is refused, with its line', () => {
  const header = TASKS.split('\r\n')[0] as string;
  const faults: [text: string, message: RegExp][] = [
    ['', /line 1 of tasks: the line of names lacks name, cpu_milli/],
    [NODES, /lacks name/],
    [`${header},surprise\n`, /line 1 of tasks: the line of names has surprise/],
    [`${header},qos\n`, /has a field twice/],
    [`${header}\na,1,2,1,460,,LS\nb,1,2\n`, /line 3 of tasks: there are 3 fields/],
    [`${header}\na,x,2,1,460,,LS\n`, /line 2 of tasks: cpu_milli is "x"/],
    [`${header}\na,-1,2,1,460,,LS\n`, /cpu_milli is "-1"/],
    [`${header}\na,1,2,1,0,,LS\n`, /gpu_milli is 0 for 1 GPUs/],
    [`${header}\na,1,2,2,500,,LS\n`, /gpu_milli is 500 for 2 GPUs/],
    [`${header}\n\n`, /^$/],
  ];
  for (const [text, message] of faults.slice(0, -1)) {
    assert.throws(() => parseOpenbTasks(text, 'tasks'), { code: 'invalid-request', message });
  }
  assert.deepEqual(parseOpenbTasks(faults.at(-1)?.[0] as string), []);
  assert.throws(() => parseOpenbNodes(TASKS, 'nodes'), { code: 'invalid-request', message: /line 1 of nodes/ });
  const long = `${header}\n${'x'.repeat(OPENB_LIMITS.tableCharacters)}`;
  assert.throws(() => parseOpenbTasks(long), { code: 'invalid-request', message: /characters/ });
});

test('whatever a table becomes, it is read or refused', () => {
  const piece = fc.oneof(fc.constantFrom(',', '\n', '\r', '-1', '1e9', 'NaN', '0', '"', 'gpu_milli'), fc.string());
  fc.assert(
    fc.property(fc.constantFrom(NODES, TASKS), fc.nat(), fc.nat(8), piece, (text, position, length, inserted) => {
      const at = position % text.length;
      const changed = text.slice(0, at) + inserted + text.slice(at + length);
      for (const parse of [parseOpenbNodes, parseOpenbTasks]) {
        try {
          parse(changed);
        } catch (error) {
          assert.ok(error instanceof FogError && error.code === 'invalid-request', String(error));
        }
      }
    }),
    { numRuns: 1000 },
  );
});
