import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Attempt, PlacementReason, Plan, TaskWithAttempts } from '@fog/contract';
import { explainTask } from '../../src/dispatch/explanation.ts';
import { hurdleOf, type PlacementNode, placementClass, type Requirements } from '../../src/dispatch/requirements.ts';

const NODE = { id: `n${'0'.repeat(32)}`, name: 'attic', slots: 2 };
const ATTEMPT: Attempt = {
  fence: 2,
  state: 'failed',
  nodeId: NODE.id,
  nodeName: NODE.name,
  leasedAt: 5,
  startedAt: 6,
  endedAt: 7,
  reason: 'oom',
  message: null,
  exitCode: null,
  engine: null,
  usage: null,
  progress: null,
  health: null,
};
const TASK: TaskWithAttempts = {
  job: 'j000000000000000000',
  partition: 3,
  state: 'queued',
  fence: 0,
  suspended: false,
  checkpoint: null,
  verification: null,
  jobFailures: 0,
  nodeFailures: 0,
  notBefore: null,
  reason: null,
  message: null,
  exitCode: null,
  acceptedFence: null,
  outputs: [],
  attempts: [],
};
const PLAN: Plan = { tasks: 1, nodesKnown: 3, nodes: [{ ...NODE, freeSlots: 1 }], excluded: [] };
const EMPTY = { ...PLAN, nodes: [] };
const SEVERAL = { ...PLAN, nodes: [0, 1].map(() => ({ ...NODE, freeSlots: 0 })) };
const FULL = { ...PLAN, nodes: [{ ...NODE, freeSlots: 0 }] };

const ASKED = {
  task: TASK,
  suitable: null,
  reason: null,
  ahead: 0,
  plan: PLAN,
  overQuota: null,
  kept: undefined,
  now: 1000,
};
const KEPT = { classId: 'c', nodeId: NODE.id, nodeName: 'large', startsAt: 61_000 };

const explain = (part: Partial<Parameters<typeof explainTask>[0]>) => explainTask({ ...ASKED, ...part });

describe('why a task waits', () => {
  const cases: [what: string, part: Partial<Parameters<typeof explainTask>[0]>, reason: string, message: RegExp][] = [
    [
      'its pause is not over',
      { task: { ...TASK, notBefore: 3000, attempts: [ATTEMPT] } },
      'retry',
      /in 2s after oom: /,
    ],
    ['its submitter has enough', { overQuota: 'the quota of alice allows 1' }, 'over-quota', /quota of alice/],
    ['a node is kept for it', { plan: FULL, kept: KEPT }, 'no-room', /; node large is kept for it, with room in 1m at/],
    [
      'a node is kept for the first',
      { plan: FULL, kept: KEPT, ahead: 1 },
      'no-room',
      /^[^;]*; 1 task is in front of it$/,
    ],
    [
      'its pause is over',
      { task: { ...TASK, notBefore: 999, attempts: [ATTEMPT] } },
      'next',
      /has room, and it is the next$/,
    ],
    [
      'it made room for others',
      {
        task: { ...TASK, attempts: [{ ...ATTEMPT, state: 'yielded', reason: null, message: 'made room' }] },
        plan: FULL,
      },
      'no-room',
      /has no room; attempt 2 gave its place up: made room$/,
    ],
    ['it is suspended', { task: { ...TASK, suspended: true } }, 'suspended', /: fog job resume j000000000000000000$/],
    ['there is no node', { plan: { ...EMPTY, nodesKnown: 0 } }, 'no-node', /^no node has joined this fog$/],
    [
      'no node suits',
      { plan: { ...EMPTY, excluded: [{ constraint: 'gpu', nodes: 3 }] } },
      'no-node',
      /^no node can run it; gpu: excludes 3 of 3$/,
    ],
    [
      'all are busy',
      { plan: FULL, ahead: 1 },
      'no-room',
      /^the node that suits has no room; 1 task is in front of it$/,
    ],
    ['all of several are busy', { plan: SEVERAL }, 'no-room', /^none of the 2 nodes that suit has room$/],
    ['others are in front', { ahead: 7 }, 'next', /^the node that suits has room; 7 tasks are in front of it$/],
    ['the queue is long', { plan: FULL, ahead: null }, 'no-room', /; very many tasks are in front of it$/],
  ];
  for (const [what, part, reason, message] of cases) {
    it(what, () => {
      const { waiting } = explain(part);
      assert.equal(waiting?.reason, reason);
      assert.match(waiting?.message ?? '', message);
    });
  }

  it('only a queued task waits', () => {
    assert.equal(explain({ task: { ...TASK, state: 'running' } }).waiting, null);
  });
});

it('what keeps a node out reads well before "excludes 2 nodes"', () => {
  const capacity = { slots: 1, milliCpu: 1000, memoryBytes: 1 << 30, diskBytes: 1 << 30 };
  const description = { capacity, labels: {}, policy: { accept: ['alice'], trusted: [] }, runtimes: {} };
  const node: PlacementNode = {
    id: NODE.id,
    owner: 'bob',
    prefix: '',
    trusted: false,
    state: 'connected',
    cordoned: false,
    description: description as unknown as PlacementNode['description'],
  };
  const needs = { milliCpu: 1, memoryBytes: 1, diskBytes: 1 };
  const requirements: Requirements = {
    runtime: 'wasm',
    engine: null,
    submitter: 'alice',
    constraints: [],
    node: null,
    ...needs,
  };
  const hurdle = (on: Partial<PlacementNode>, change: Partial<Requirements> = {}) =>
    hurdleOf(placementClass({ ...requirements, ...change }), { ...node, ...on })?.constraint;
  assert.deepEqual(
    [
      hurdle({ state: 'unknown' }),
      hurdle({ cordoned: true }),
      hurdle({}, { submitter: 'carol' }),
      hurdle({}, { trustedOnly: true }),
      hurdle({}, { node: 'another' }),
      hurdle({}),
    ],
    [
      'not connected',
      'cordoned',
      'does not accept jobs of carol',
      'not trusted',
      'not the node of the task',
      'no runtime wasm',
    ],
  );
});

describe('why a task is where it is', () => {
  const placed = (suitable: number | null, reason: PlacementReason | null) =>
    explain({ task: { ...TASK, state: 'running', fence: 2, attempts: [ATTEMPT] }, suitable, reason }).placed?.message;

  it('names the choice that was noted at the lease', () => {
    const balanced = { by: 'strategy', strategy: 'balanced', reputation: 0.8 } as const;
    assert.match(placed(3, balanced) ?? '', /^of 3 connected nodes that suited, .* \(balanced\); reputation 0\.8$/);
    assert.match(placed(1, balanced) ?? '', /the only connected node that suited/);
    assert.match(placed(1, { by: 'pinned', reputation: 1 }) ?? '', /^the task is for this node$/);
    assert.match(placed(null, null) ?? '', /^it suited and had room$/);
  });

  it('tells what was expected where objectives decided', () => {
    const expected = {
      completionMilliseconds: 12_000,
      costMicroFog: 30,
      energyJoules: 40.6,
      failureRisk: 0.0213,
      latenessMilliseconds: 0,
    };
    const objectives = { cost: 2, failureRisk: 1 };
    const message = placed(7, { by: 'objectives', objectives, compared: 5, reputation: 0.98, expected });
    assert.equal(
      message,
      'of 7 connected nodes that suited, it was the best of 5 with room, by cost 2, failureRisk 1; reputation 0.98; ' +
        'it was expected to end within 12s, cost 30 micro-FOG, draw 40.6 J, fail with 2.13 %',
    );
  });

  it('is unknown before the first lease', () => {
    assert.equal(explain({}).placed, null);
  });
});
