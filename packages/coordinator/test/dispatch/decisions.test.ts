/** The small pure decisions: retry, requirements, hints, progress of jobs, reconciliation, leases. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AttemptState,
  coordinatorFrameSchema,
  FAILURE_REASONS,
  type FailureReason,
  type JobSpec,
  LIMITS,
  type NodeDescription,
  parseJobSpec,
  RETRYABLE_REASONS,
  TASK_STATES,
  type TaskCounts,
} from '@fog/contract';
import { localBus } from '../../src/bus.ts';
import { reconcile } from '../../src/dispatch/hello.ts';
import { JobCache } from '../../src/dispatch/job-cache.ts';
import { type JobProgress, progressJob } from '../../src/dispatch/job-progress.ts';
import { leaseFrame, leaseGroupTexts } from '../../src/dispatch/leases.ts';
import { QueueHints } from '../../src/dispatch/queue-hints.ts';
import { afterReplicaFailure, reconcileOf } from '../../src/dispatch/replica-failure.ts';
import {
  capacityFor,
  fits,
  hurdleOf,
  type PlacementNode,
  placementClass,
  requirementsOf,
} from '../../src/dispatch/requirements.ts';
import { afterFailure, backoff } from '../../src/dispatch/retry.ts';
import { AgentSession } from '../../src/dispatch/sessions.ts';
import { service } from '../deployments/deployment-scene.ts';
import { jobSpec, MODULE, type SpecChange } from './fog-harness.ts';

const spec = (change: SpecChange = {}) => parseJobSpec(jobSpec(change));
const NONE = { jobFailures: 0, nodeFailures: 0 };

test("retry: every reason is either the job's or the node's, and costs accordingly", () => {
  const { retry } = spec({ spec: { retry: { attempts: 2, backoff: { jitter: 'none' } } } }).spec;
  for (const [reason, { blame }] of Object.entries(FAILURE_REASONS) as [FailureReason, { blame: string }][]) {
    const after = afterFailure(retry, NONE, { reason, exitCode: null }, 0.5);
    assert.deepEqual(
      after.failures,
      blame === 'node' ? { jobFailures: 0, nodeFailures: 1 } : { jobFailures: 1, nodeFailures: 0 },
      reason,
    );
    const isRetried = blame === 'node' || (RETRYABLE_REASONS as readonly string[]).includes(reason);
    assert.equal(after.next, isRetried ? 'retry' : 'fail', reason);
    if (after.next !== 'retry') continue;
    // Who vanished is replaced at once; what a node could not do is tried elsewhere, and a little later.
    const isTrouble = ['sandbox', 'staging', 'image-pull', 'upload'].includes(reason);
    assert.equal(after.delayMilliseconds, isTrouble || blame === 'job' ? 1000 : 0, reason);
    assert.equal(after.avoidsNode, isTrouble, reason);
  }
  const troubled = afterFailure(retry, { jobFailures: 0, nodeFailures: 7 }, { reason: 'upload', exitCode: null }, 0);
  assert.equal(troubled.next === 'retry' && troubled.delayMilliseconds, 60_000);
  const last = afterFailure(
    retry,
    { jobFailures: 0, nodeFailures: LIMITS.nodeFailures - 1 },
    { reason: 'sandbox', exitCode: null },
    0,
  );
  assert.deepEqual([last.next, last.next === 'fail' && last.reason], ['fail', 'too-many-node-failures']);
  assert.equal(
    afterFailure(retry, { jobFailures: 1, nodeFailures: 0 }, { reason: 'oom', exitCode: null }, 0).next,
    'fail',
  );
});

test('retry: backoff grows to its maximum, and jitter takes a part of it', () => {
  const settings = spec({ spec: { retry: { backoff: { initial: '2s', factor: 3, max: '1m', jitter: 'none' } } } }).spec
    .retry.backoff;
  assert.deepEqual(
    [1, 2, 3, 4, 5, 99].map((failures) => backoff(settings, failures, 0.9)),
    [2000, 6000, 18_000, 54_000, 60_000, 60_000],
  );
  assert.deepEqual(
    [0, 0.5, 0.999].map((random) => backoff({ ...settings, jitter: 'full' }, 2, random)),
    [0, 3000, 5994],
  );
});

const CAPACITY = { slots: 4, milliCpu: 4000, memoryBytes: 1 << 30, diskBytes: 1 << 30 };
const DESCRIPTION: NodeDescription = {
  name: 'node',
  agentVersion: '1',
  labels: { os: 'linux' },
  capacity: CAPACITY,
  runtimes: {
    wasm: { available: true, version: '1', features: {} },
    javascript: { available: true, version: '1', features: { v8: 'trusted only', quickjs: 'yes' } },
  },
  policy: { accept: ['*'], trusted: ['alice'] },
};
const node = (change: Partial<PlacementNode> = {}, description: Partial<NodeDescription> = {}): PlacementNode => ({
  id: 'n1',
  state: 'connected',
  cordoned: false,
  owner: 'olga',
  prefix: '192.0.2.0/24',
  trusted: false,
  description: { ...DESCRIPTION, ...description },
  ...change,
});
const script = (engine: 'v8' | 'quickjs' | 'auto'): SpecChange =>
  ({
    task: { runtime: 'javascript', wasm: undefined, javascript: { script: `sha256:${'1'.repeat(64)}`, engine } },
  }) as SpecChange;

test('requirements: each hurdle is named, in its order', () => {
  const hurdle = (of: PlacementNode, change: SpecChange = {}, submitter = 'alice', pinned: string | null = null) =>
    hurdleOf(placementClass(requirementsOf(spec(change), submitter, pinned)), of)?.constraint ?? null;
  assert.equal(hurdle(node()), null);
  assert.match(hurdle(node(), {}, 'alice', 'n2') ?? '', /node of the task/);
  assert.equal(hurdle(node(), {}, 'alice', 'n1'), null);
  assert.match(hurdle(node({ state: 'unknown', cordoned: true })) ?? '', /connected/);
  assert.match(hurdle(node({ cordoned: true }, { runtimes: {} })) ?? '', /cordoned/);
  assert.match(hurdle(node({}, { runtimes: {} })) ?? '', /runtime wasm/);
  const broken = { wasm: { available: false as const, reason: 'broken', hint: 'mend it' } };
  assert.match(hurdle(node({}, { runtimes: broken })) ?? '', /broken/);
  assert.match(hurdle(node({}, { policy: { accept: ['bob'], trusted: [] } })) ?? '', /alice/);
  assert.equal(hurdle(node(), { spec: { placement: { constraints: ['os == linux', 'gpu'] } } }), 'gpu');
  assert.match(
    hurdle(node(), { task: { resources: { cpu: '5', memory: '1Mi', disk: '1Mi' } } }) ?? '',
    /^cpu: needs 5000/,
  );
  assert.match(hurdle(node({}, { capacity: { ...CAPACITY, slots: 0 } })) ?? '', /slots/);
  assert.equal(hurdle(node(), script('v8')), null, 'the owner trusts alice');
  assert.match(hurdle(node(), script('v8'), 'bob') ?? '', /v8/);
  assert.equal(hurdle(node(), script('quickjs'), 'bob'), null);
  assert.equal(hurdle(node(), script('auto'), 'bob'), null);
});

test('requirements: owner and trusted are what the coordinator says, whatever a node says of itself', () => {
  const liar = node({ owner: 'mallory', trusted: false }, { labels: { trusted: 'true', owner: 'root' } });
  const passes = (of: PlacementNode, ...constraints: string[]) =>
    hurdleOf(placementClass(requirementsOf(spec({ spec: { placement: { constraints } } }), 'alice')), of) === null;
  assert.deepEqual(
    [passes(liar, 'trusted'), passes(liar, '!trusted'), passes(liar, 'owner == root')],
    [false, true, false],
  );
  assert.ok(passes(liar, 'owner in (mallory, root)'));
  assert.ok(passes(node({ trusted: true }), 'trusted'));
});

test('requirements: equal needs are one class, whatever the job', () => {
  const id = (change: SpecChange, submitter = 'alice') => placementClass(requirementsOf(spec(change), submitter)).id;
  assert.equal(id({ spec: { count: 7, priority: 9 } }), id({}));
  assert.notEqual(id({}, 'bob'), id({}));
  assert.notEqual(id({ spec: { placement: { constraints: ['gpu'] } } }), id({}));
});

test('requirements: capacity is what the scarcest resource allows', () => {
  const needs = { milliCpu: 1000, memoryBytes: 100, diskBytes: 10 };
  const free = { slots: 8, milliCpu: 4000, memoryBytes: 1000, diskBytes: 1000 };
  assert.equal(capacityFor(needs, free), 4);
  assert.equal(capacityFor(needs, { ...free, slots: 3 }), 3);
  assert.equal(capacityFor(needs, { ...free, memoryBytes: 99 }), 0);
  assert.equal(capacityFor({ milliCpu: 0, memoryBytes: 0, diskBytes: 0 }, free), 8);
  assert.equal(capacityFor(needs, { ...free, slots: -2 }), 0);
  for (const change of [{ slots: 0 }, { milliCpu: 999 }, { diskBytes: 9 }])
    assert.equal(fits(needs, { ...free, ...change }), false);
  assert.equal(fits(needs, free), true);
});

test('queue hints: the foremost head counts, and an old finding does not overrule a newer hint', () => {
  const hints = new QueueHints();
  const [a, b] = ['alice', 'bob'].map((name) => placementClass(requirementsOf(spec(), name)));
  assert.ok(a !== undefined && b !== undefined);
  const headOf = (id: string) => hints.all().find(({ placement }) => placement.id === id);
  hints.add(a, { rank: 50, job: 'j5' });
  hints.add(b, { rank: 50, job: 'j3' });
  hints.add(a, { rank: 50, job: 'j9' });
  assert.equal(headOf(a.id)?.head.job, 'j5', 'a later job does not hide an earlier one');
  hints.add(a, { rank: 10, job: 'j9' });
  assert.deepEqual(headOf(a.id)?.head, { rank: 10, job: 'j9' });
  const version = headOf(a.id)?.version ?? 0;
  hints.add(a, { rank: 60, job: 'j9' });
  hints.update(a.id, null, version);
  assert.equal(hints.size, 2, 'the finding is older than the hint');
  hints.update(a.id, { rank: 60, job: 'j9' }, version + 1);
  assert.deepEqual(headOf(a.id)?.head, { rank: 60, job: 'j9' });
  hints.update(a.id, null, version + 1);
  hints.update('unknown', null, 0);
  assert.equal(hints.size, 1);
});

function job(counts: Partial<TaskCounts>, change: Partial<JobProgress> = {}): JobProgress {
  const all = Object.fromEntries(TASK_STATES.map((state) => [state, counts[state] ?? 0])) as TaskCounts;
  const taskCount = Object.values(all).reduce((sum, count) => sum + count, 0);
  return {
    state: 'queued',
    counts: all,
    taskCount,
    expanded: taskCount,
    startedAt: null,
    endedAt: null,
    closing: null,
    closedBy: null,
    reason: null,
    isKept: false,
    ...change,
  };
}

test('a replica is placed again after a pause that grows with failures in a row, and of two attempts one goes on', () => {
  const pauses: number[] = [];
  let failures = { jobFailures: 0, nodeFailures: 0 };
  for (const blame of ['job', 'node', 'node', 'job'] as const) {
    const after = afterReplicaFailure(failures, blame, 1000);
    failures = after.failures;
    pauses.push(after.delayMilliseconds);
  }
  assert.deepEqual([failures, pauses], [{ jobFailures: 2, nodeFailures: 2 }, [1000, 2000, 4000, 8000]]);
  const many = { jobFailures: 2 ** 20, nodeFailures: 0 };
  assert.equal(afterReplicaFailure(many, 'job', 0).delayMilliseconds, 60_000);
  const anew = { failures: { jobFailures: 1, nodeFailures: 0 }, delayMilliseconds: 1000 };
  assert.deepEqual(afterReplicaFailure(many, 'job', 600_000), anew);
  const goesOn = (asked: JobSpec['spec']['disconnect']['reconcile'], hasReplacement: boolean) =>
    reconcileOf(parseJobSpec(service({ disconnect: { reconcile: asked } })), hasReplacement);
  for (const asked of ['first-valid', 'keep-replacement'] as const) {
    assert.deepEqual([goesOn(asked, true), goesOn(asked, false)], ['keep-replacement', 'keep-original']);
  }
  assert.equal(goesOn('keep-original', true), 'keep-original');
  assert.equal(reconcileOf(parseJobSpec(jobSpec()), true), 'first-valid', 'a job has a first result');
});

test('job progress: started by the first lease, ended by the last task', () => {
  const started = progressJob(job({ queued: 2 }), { queued: -1, scheduled: 1 }, 5);
  assert.deepEqual(
    [started.job.state, started.job.startedAt, started.events.map((event) => event.type)],
    ['running', 5, ['job.started']],
  );
  const ends: [JobProgress, string, string | null][] = [
    [job({ succeeded: 2 }, { state: 'running' }), 'completed', null],
    [job({ succeeded: 1, failed: 1, expired: 1 }, { state: 'running' }), 'failed', null],
    [job({ expired: 1, succeeded: 1 }, { state: 'running' }), 'expired', 'queue-timeout'],
    [
      job({ cancelled: 1, failed: 1 }, { state: 'running', closing: 'cancelled', closedBy: 'bob' }),
      'cancelled',
      'cancelled',
    ],
    [job({ expired: 1, failed: 1 }, { state: 'running', closing: 'total-timeout' }), 'expired', 'total-timeout'],
    [job({ cancelled: 1 }, { taskCount: 9, closing: 'cancelled' }), 'cancelled', 'cancelled'],
    [job({ cancelled: 1 }, { isKept: true, closing: 'cancelled' }), 'cancelled', 'cancelled'],
  ];
  for (const [before, state, reason] of ends) {
    const { job: after, events } = progressJob(before, {}, 7);
    assert.deepEqual(
      [after.state, after.reason, after.endedAt, events.at(-1)?.type],
      [state, reason, 7, `job.${state}`],
    );
    assert.deepEqual(progressJob(after, {}, 8).events, [], 'it ends once');
  }
  for (const unfinished of [
    job({ queued: 1, succeeded: 1 }),
    job({ succeeded: 1 }, { taskCount: 2 }),
    job({ running: 1 }, { closing: 'cancelled' }),
  ]) {
    assert.equal(progressJob(unfinished, {}, 7).job.endedAt, null);
  }
});

test('reconciliation: what both know goes on, what only one knows ends', () => {
  const name = (fence: number) => ({ job: 'j1', partition: 0, fence });
  const believed = (fence: number, state: AttemptState) => ({ name: name(fence), state, logBytes: fence * 10 });
  const held = (fence: number) => ({ attempt: name(fence), state: 'running' as const });
  const result = reconcile(
    [held(1), held(2), held(9)],
    [believed(1, 'running'), believed(2, 'lost'), believed(3, 'leased'), believed(4, 'preparing'), believed(5, 'lost')],
  );
  assert.deepEqual(result.resume, [
    { name: name(1), logBytes: 10, state: 'running', isCommitted: false },
    { name: name(2), logBytes: 20, state: 'running', isCommitted: false },
  ]);
  assert.deepEqual(result.stop, [name(9)]);
  assert.deepEqual(
    result.forgotten.map(({ name: { fence }, why }) => [fence, why]),
    [
      [3, 'undelivered'],
      [4, 'node-lost'],
      [5, 'node-lost'],
    ],
  );
});

test('leases are frames of the protocol, with any text in them', () => {
  const cache = new JobCache();
  const text = JSON.stringify(
    spec({ task: { args: ['"quoted" \\ \u2028 \ud83c\udf2b'], env: { A: { secret: 'key' } } } }),
  );
  const id = `j${'0'.repeat(18)}`;
  const cached = cache.add({ id, submitter: 'al"ice', submittedAt: 5, taskCount: 9, classId: 'c', specText: text });
  assert.deepEqual(cached.secretNames, ['key']);
  const session = new AgentSession(
    { send: () => true, close: () => undefined },
    {
      nodeId: 'n1',
      session: 1,
      identity: { publicKey: '', owner: 'olga', prefix: '', trusted: false },
      description: DESCRIPTION,
      cordoned: false,
      received: 0,
    },
  );
  const leases = [null, MODULE].map((checkpoint, partition) => {
    const name = { job: id, partition, fence: 3 };
    const reason = { by: 'pinned' as const, reputation: 1 };
    return { name, session, suitable: 1, reason, price: null, bond: null, job: cached, checkpoint, isVerified: false };
  });
  const [group = ''] = leaseGroupTexts(cached, leases, { key: '}"\n' });
  const frame = coordinatorFrameSchema.parse(JSON.parse(leaseFrame([group, group])));
  assert.ok(frame.type === 'lease');
  assert.deepEqual(frame.groups[0]?.leases, [
    { partition: 0, fence: 3 },
    { partition: 1, fence: 3, checkpoint: MODULE },
  ]);
  assert.deepEqual(
    [frame.groups[0]?.secrets, frame.groups[0]?.submitter, frame.groups.length],
    [{ key: '}"\n' }, 'al"ice', 2],
  );
});

test('the local bus tells everybody who still listens', async () => {
  const bus = localBus();
  const heard: string[] = [];
  const end = bus.subscribe((hint) => void heard.push(`a ${hint.kind}`));
  bus.subscribe((hint) => void heard.push(`b ${hint.kind}`));
  bus.publish({ kind: 'stop', job: 'j1' });
  end();
  bus.publish({ kind: 'node', node: 'n1' });
  await bus.close();
  bus.publish({ kind: 'node', node: 'n1' });
  assert.deepEqual(heard, ['a stop', 'b stop', 'b node']);
});
