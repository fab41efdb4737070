import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CoreSchedule,
  heftOnCores,
  lowerBoundSeconds,
  parseWfFormat,
  scheduleOnCores,
  type Workflow,
} from '@fog/scheduler/simulation/workflow';
import fc from 'fast-check';

/** `parents` by task, lower indices only: so there is no cycle. */
function workflowOf(seconds: readonly number[], parents: readonly (readonly number[])[]): Workflow {
  const tasks = seconds.map((_, task) => ({ id: `${task}`, parents: (parents[task] ?? []).map(String) }));
  const executed = seconds.map((runtimeInSeconds, task) => ({ id: `${task}`, runtimeInSeconds }));
  const workflow = { specification: { tasks }, execution: { tasks: executed } };
  return parseWfFormat(JSON.stringify({ schemaVersion: '1.5', workflow }));
}

const workflows = fc
  .array(fc.tuple(fc.constantFrom(0, 0.5, 1, 3, 10), fc.array(fc.nat(1000), { maxLength: 3 })), {
    minLength: 1,
    maxLength: 40,
  })
  .map((tasks) =>
    workflowOf(
      tasks.map(([seconds]) => seconds),
      tasks.map(([, parents], task) => (task === 0 ? [] : parents.map((parent) => parent % task))),
    ),
  );
const cores = fc.integer({ min: 1, max: 6 });

function assertValid(
  { runSeconds, successors }: Workflow,
  { core, startSeconds, makespanSeconds }: CoreSchedule,
): void {
  const endOf = (task: number) => (startSeconds[task] as number) + (runSeconds[task] as number);
  const ends = Array.from(runSeconds.keys(), endOf);
  assert.equal(makespanSeconds, Math.max(...ends));
  for (const [task, following] of successors.entries()) {
    for (const next of following) assert.ok((startSeconds[next] as number) >= endOf(task));
  }
  for (let one = 0; one < core.length; one += 1) {
    for (let other = 0; other < one; other += 1) {
      if (core[one] !== core[other]) continue;
      const isApart = (startSeconds[one] as number) >= endOf(other) || (startSeconds[other] as number) >= endOf(one);
      assert.ok(isApart, `tasks ${other} and ${one} run on core ${core[one]} at once`);
    }
  }
}

test('no core runs two tasks at once, no task begins before what it needs, and no schedule beats the bound', () => {
  fc.assert(
    fc.property(workflows, cores, (workflow, count) => {
      const bound = lowerBoundSeconds(workflow, count);
      for (const schedule of [scheduleOnCores(workflow, count), heftOnCores(workflow, count)]) {
        assertValid(workflow, schedule);
        assert.ok(schedule.core.every((core) => core < count));
        assert.ok(schedule.makespanSeconds >= bound - 1e-9);
      }
    }),
    { numRuns: 200 },
  );
});

test('a schedule is never longer than that of HEFT, nor than twice the bound, and repeats itself', () => {
  fc.assert(
    fc.property(workflows, cores, (workflow, count) => {
      const { makespanSeconds } = scheduleOnCores(workflow, count);
      assert.ok(makespanSeconds <= heftOnCores(workflow, count).makespanSeconds);
      assert.ok(makespanSeconds <= 2 * lowerBoundSeconds(workflow, count) + 1e-9);
      assert.deepEqual(scheduleOnCores(workflow, count), scheduleOnCores(workflow, count));
    }),
    { numRuns: 100 },
  );
});

test('a search finds what one order of priority misses', () => {
  // The longest first gives 3 + 2 + 2 = 7 on one core; 3 + 3 and 2 + 2 + 2 give 6.
  const workflow = workflowOf([3, 3, 2, 2, 2], []);
  assert.equal(scheduleOnCores(workflow, 2, { attempts: 0 }).makespanSeconds, 7);
  assert.equal(scheduleOnCores(workflow, 2).makespanSeconds, 6);
  assert.equal(lowerBoundSeconds(workflow, 2), 6);
});

test('the bound is the longest way or the shared work', () => {
  const chain = workflowOf([1, 2, 3], [[], [0], [1]]);
  assert.equal(lowerBoundSeconds(chain, 4), 6);
  assert.equal(scheduleOnCores(chain, 4).makespanSeconds, 6);
  assert.equal(lowerBoundSeconds(workflowOf([4, 4, 4], []), 2), 6);
  assert.equal(scheduleOnCores(workflowOf([0], []), 1).makespanSeconds, 0);
});

test('absurd numbers are refused', () => {
  const workflow = workflowOf([1], []);
  for (const count of [0, -1, 1.5, Number.NaN, 10_001]) {
    assert.throws(() => scheduleOnCores(workflow, count), { code: 'invalid-request' });
    assert.throws(() => heftOnCores(workflow, count), { code: 'invalid-request' });
  }
  assert.throws(() => scheduleOnCores(workflow, 1, { attempts: -1 }), { code: 'invalid-request' });
});
