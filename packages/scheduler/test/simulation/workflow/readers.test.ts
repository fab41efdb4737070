import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FogError } from '@fog/contract';
import { parseDax, parseWfFormat, WORKFLOW_LIMITS, type Workflow } from '@fog/scheduler/simulation/workflow';
import fc from 'fast-check';

interface Task {
  id: string;
  seconds?: unknown;
  parents?: string[];
  children?: string[];
}

const wfText = (tasks: Task[], schemaVersion: unknown = '1.5') =>
  JSON.stringify({
    name: 'x',
    schemaVersion,
    workflow: {
      specification: { tasks: tasks.map(({ id, parents, children }) => ({ id, name: id, parents, children })) },
      execution: { tasks: tasks.map(({ id, seconds }) => ({ id, runtimeInSeconds: seconds })) },
    },
  });
const WF = wfText([
  { id: 'a', seconds: 2, children: ['b', 'c'] },
  { id: 'b', seconds: 3.5, parents: ['a'], children: [] },
  { id: 'c', seconds: 0, parents: ['a', 'b'] },
]);
const DAX = `<?xml version="1.0"?>
<!-- a < b > "c" -->
<adag xmlns="http://pegasus.isi.edu/schema/DAX" name='it > "that"'>
  <job id="a" name="x&amp;y" runtime="2"><uses file="f" link="input"/></job>
  <job id="b" runtime="3.5"><argument>text <file name="f"/></argument></job>
  <job id="c" runtime="-1.5"></job>
  <child ref="b"><parent ref="a"/></child>
  <child ref="c"><parent ref="a"/>
    <parent ref="b" /></child>
</adag>
`;

function shapeOf({ taskIds, runSeconds, successors, predecessorCounts, topological, correctedTasks }: Workflow) {
  return {
    taskIds,
    runSeconds: [...runSeconds],
    successors: successors.map((of) => [...of]),
    predecessorCounts: [...predecessorCounts],
    topological: [...topological],
    correctedTasks,
  };
}

const EXPECTED = {
  taskIds: ['a', 'b', 'c'],
  runSeconds: [2, 3.5, 0],
  successors: [[1, 2], [2], []],
  predecessorCounts: [0, 1, 2],
  topological: [0, 1, 2],
  correctedTasks: 0,
};

test('the same workflow is read from both formats', () => {
  assert.deepEqual(shapeOf(parseWfFormat(WF)), EXPECTED);
  assert.deepEqual(shapeOf(parseDax(DAX)), { ...EXPECTED, correctedTasks: 1 });
});

test('what is no workflow is refused, and told why', () => {
  const faults: [text: string, message: RegExp][] = [
    ['{', /^f: no JSON/],
    ['[]', /the file is no object/],
    [wfText([], '1.4'), /schemaVersion is "1.4"/],
    [wfText([]), /there is no task/],
    [wfText([{ id: 'a' }]), /task "a" has no runtimeInSeconds/],
    [wfText([{ id: 'a', seconds: -1 }]), /task "a" ran for -1 seconds/],
    [wfText([{ id: 'a', seconds: '1' }]), /has no runtimeInSeconds/],
    [wfText([{ id: 'a', seconds: 1, parents: ['z'] }]), /a dependency names "z"/],
    [
      wfText([
        { id: 'a', seconds: 1 },
        { id: 'a', seconds: 1 },
      ]),
      /task "a" is there twice/,
    ],
    ['{"schemaVersion":"1.5","workflow":{}}', /workflow.specification is no object/],
    ['{"schemaVersion":"1.5","workflow":{"specification":{"tasks":{}}}}', /its tasks is no list/],
    [
      JSON.stringify({ ...JSON.parse(WF), workflow: { ...JSON.parse(WF).workflow, execution: { tasks: [] } } }),
      /was not executed/,
    ],
  ];
  for (const [text, message] of faults) {
    assert.throws(() => parseWfFormat(text, 'f'), { code: 'invalid-request', message });
  }
});

test('what is no DAX is refused, with its line', () => {
  const faults: [text: string, message: RegExp][] = [
    ['', /line 1: no element/],
    ['hello', /line 1: text outside of elements/],
    ['<dag/>', /line 1: it begins with <dag>/],
    ['<adag>', /<adag> without its end/],
    ['<adag></job></adag>', /<\/job> without its beginning/],
    ['<adag>\n<job id="a"/></adag>', /line 2: <job> has no runtime/],
    ['<adag>\n\n<job runtime="1"/></adag>', /line 3: <job> has no id/],
    ['<adag><job id="a" runtime=""/></adag>', /task "a" ran for NaN seconds/],
    ['<adag><job id="a" runtime="1" id="b"/></adag>', /id is there twice/],
    ['<adag><job id="&b;" runtime="1"/></adag>', /&b; is not known/],
    ['<adag><job id=a runtime="1"/></adag>', /a tag that is no tag/],
    ['<adag><job id="a', /a tag without an end/],
    ['<!DOCTYPE adag [<!ENTITY a "b">]>\n<adag/>', /line 1: a document type/],
    ['<adag/><adag/>', /a second document/],
    ['<adag><child><parent ref="a"/></child></adag>', /<child> has no ref/],
    [`<adag>${'<x>'.repeat(WORKFLOW_LIMITS.xmlDepth)}`, /elements within each other/],
  ];
  for (const [text, message] of faults) {
    assert.throws(() => parseDax(text, 'f'), { code: 'invalid-request', message }, text);
  }
});

test('tasks that need each other are named', () => {
  const tasks = [
    { id: 'z', seconds: 1, children: ['a'] },
    { id: 'a', seconds: 1, children: ['b'] },
    { id: 'b', seconds: 1, children: ['c', 'd'] },
    { id: 'c', seconds: 1, children: ['a'] },
    { id: 'd', seconds: 1 },
  ];
  assert.throws(
    () => parseWfFormat(wfText(tasks), 'f'),
    (error: FogError) => {
      assert.equal(error.code, 'invalid-request');
      assert.match(error.message, /^f: .*a -> b -> c -> a/);
      assert.deepEqual(error.details, { cycle: ['a', 'b', 'c'] });
      return true;
    },
  );
});

test('whatever a file becomes, it is read or refused', () => {
  const piece = fc.oneof(
    fc.constantFrom('<', '>', '"', '&', '</', '<!--', '<![CDATA[', '<?', '{', '[', '-1', 'null', '&#x110000;', '\\'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.boolean(), fc.nat(), fc.nat(20), piece, (isDax, position, length, inserted) => {
      const text = isDax ? DAX : WF;
      const at = position % text.length;
      try {
        (isDax ? parseDax : parseWfFormat)(text.slice(0, at) + inserted + text.slice(at + length));
      } catch (error) {
        assert.ok(error instanceof FogError && error.code === 'invalid-request', String(error));
      }
    }),
    { numRuns: 3000 },
  );
});
