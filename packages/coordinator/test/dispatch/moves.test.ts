/** A running task moves only when it gains more than its restart costs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttemptName } from '@fog/contract';
import { nodeOffer, taskToPlace } from '@fog/scheduler/placement';
import fc from 'fast-check';
import { type MovableTask, movesOf } from '../../src/dispatch/placement/moves.ts';
import type { FakeAgent } from './fake-agent.ts';
import { CHECKPOINTED, Fog, temporaryStorage } from './fog-harness.ts';

const NEEDS = { milliCpu: 1000, memoryBytes: 1, others: { slots: 1 } };
const ROOM = { milliCpu: 1000, memoryBytes: 1, others: { slots: 1 } };
const NOTHING = { milliCpu: 0, memoryBytes: 0, others: { slots: 0 } };

function movable(partition: number, remaining: number, restart: number, speeds: number[]): MovableTask {
  const nodes = speeds.map((speed, index) => {
    return nodeOffer({ id: `n${index}`, capacity: ROOM, free: index === 0 ? NOTHING : ROOM, reputation: 1, speed });
  });
  const running = {
    node: 'n0',
    remainingMilliseconds: remaining / (speeds[0] as number),
    restartMilliseconds: restart,
    remainingRunMilliseconds: remaining,
  };
  const name: AttemptName = { job: 'j1', partition, fence: 1 };
  const task = taskToPlace({ id: `j1/${partition}`, needs: NEEDS, expectedRunMilliseconds: remaining, running });
  return { name, task, nodes };
}

test('a move is made for more than it costs, to the node where the task ends first, and not twice to one place', () => {
  const slow = [0.5, 1, 2];
  assert.deepEqual(
    movesOf([movable(0, 60_000, 89_999, slow)], 9, 0).map(({ target }) => target),
    ['n2'],
  );
  assert.deepEqual(movesOf([movable(0, 60_000, 90_001, slow)], 9, 0), []);
  const both = [movable(0, 60_000, 1000, slow), movable(1, 60_000, 1000, slow), movable(2, 60_000, 1000, slow)];
  assert.deepEqual(
    movesOf(both, 9, 0).map(({ target }) => target),
    ['n2', 'n1'],
  );
  assert.equal(movesOf(both, 1, 0).length, 1);
});

test('property: no move gains less than its restart costs', () => {
  const speed = fc.double({ min: 0.1, max: 10, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(speed, { minLength: 1, maxLength: 6 }),
      fc.nat(1_000_000),
      fc.nat(1_000_000),
      (speeds, remaining, restart) => {
        for (const { target } of movesOf([movable(0, remaining, restart, speeds)], 1, 0)) {
          const there = speeds[Number(target.slice(1))] as number;
          assert.ok(remaining / (speeds[0] as number) - remaining / there > restart);
        }
      },
    ),
  );
});

test('a task with checkpoints goes on where it ends sooner, once', async () => {
  await using folder = await temporaryStorage();
  await using fog = await Fog.open(folder.storage);
  const slow = await fog.connected({ name: 'slow', runtimes: ['process'] });
  const spec = { objectives: { completionTime: 1 } };
  await fog.submit({ spec, task: CHECKPOINTED });
  await fog.submit({ spec: {}, task: CHECKPOINTED });
  await fog.settle();
  assert.equal(slow.attempts.length, 2);
  for (const name of slow.attempts) slow.report(name, { event: 'start' });
  const fast = await fog.connected({ name: 'fast', runtimes: ['process'] });
  const { runTimes } = fog.dispatcher.sessions.placer;
  const kind = `alice process 100 ${1 << 20}`;
  for (let run = 0; run < 30; run += 1) {
    runTimes.observe(slow.id, [kind], 2_000_000);
    runTimes.observe(fast.id, [kind], 400_000);
  }
  const told = (agent: FakeAgent) =>
    agent.frames.filter((frame) => frame.type === 'yield').flatMap(({ attempts }) => attempts);
  await fog.advance(30_001);
  assert.deepEqual(told(slow), [], 'it has only begun');
  await fog.advance(60_001);
  const [moved, ...more] = told(slow);
  assert.ok(moved !== undefined && more.length === 0, 'the one that asks for an early end');
  slow.yields(moved, null, 'moved');
  await fog.advance(5000);
  assert.deepEqual(
    fast.attempts.map(({ job, fence }) => [job, fence]),
    [[moved.job, 2]],
  );
  await fog.advance(300_000);
  assert.deepEqual(told(fast), [], 'what was moved stays');
});
