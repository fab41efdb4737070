/** Every state of a pod that decides over an attempt, as kubelets, the scheduler and controllers write them. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PendingPatience } from '../../src/kubernetes/pending-patience.ts';
import { judgeJob, judgePod } from '../../src/kubernetes/pod-verdict.ts';
import { timingWith } from '../../src/kubernetes/timing.ts';

const AT = '2026-01-02T03:04:05Z';

function withState(state: Record<string, unknown>, more: Record<string, unknown> = {}) {
  return { status: { phase: 'Running', containerStatuses: [{ name: 'task', state }], ...more } };
}

function waiting(reason: string, message = '') {
  return withState({ waiting: { reason, message } }, { phase: 'Pending' });
}

function terminated(exitCode: number, reason: string, message = '', more: Record<string, unknown> = {}) {
  const state = { terminated: { exitCode, reason, message, startedAt: AT, finishedAt: AT } };
  return withState(state, { phase: exitCode === 0 ? 'Succeeded' : 'Failed', ...more });
}

describe('a pod that waits', () => {
  const cases: [string, Record<string, unknown>, string | null, boolean][] = [
    [
      'image does not exist',
      waiting('ErrImagePull', 'failed to resolve reference "r/a:1": r/a:1: not found'),
      'image-missing',
      true,
    ],
    [
      'registry wants a login',
      waiting('ErrImagePull', 'pull access denied, insufficient_scope: authorization failed'),
      'image-missing',
      true,
    ],
    ['unauthorised', waiting('ImagePullBackOff', 'unexpected status: 401 Unauthorized'), 'image-missing', true],
    [
      'another architecture',
      waiting('ErrImagePull', 'no match for platform in manifest: not found'),
      'image-missing',
      true,
    ],
    [
      'other manifest',
      waiting('ErrImagePull', 'no matching manifest for linux/arm64 in the manifest list entries'),
      'image-missing',
      true,
    ],
    ['name is none', waiting('InvalidImageName', 'couldn\'t parse image name "A B"'), 'image-missing', true],
    [
      'registry is down',
      waiting('ErrImagePull', 'dial tcp 10.0.0.1:443: connect: connection refused'),
      'image-pull',
      false,
    ],
    ['registry is slow', waiting('ImagePullBackOff', 'Back-off pulling image "r/a:1"'), 'image-pull', false],
    [
      'no program',
      waiting('RunContainerError', 'exec: "nope": executable file not found in $PATH'),
      'command-not-found',
      true,
    ],
    ['no secret', waiting('CreateContainerConfigError', 'secret "x" not found'), 'sandbox', false],
    ['being made', waiting('ContainerCreating'), null, false],
  ];
  for (const [name, pod, reason, isFinal] of cases) {
    it(name, () => {
      const verdict = judgePod(pod);
      assert.ok(verdict.state === 'pending');
      assert.equal(verdict.trouble?.reason ?? null, reason);
      assert.equal(verdict.trouble?.isFinal ?? false, isFinal);
    });
  }

  it('says what the scheduler says', () => {
    const message = '0/3 nodes are available: 3 Insufficient memory.';
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
    const verdict = judgePod({ status: { phase: 'Pending', conditions } });
    assert.ok(verdict.state === 'pending' && verdict.trouble !== null);
    assert.equal(verdict.trouble.kind, 'unschedulable');
    assert.ok(verdict.trouble.message.includes(message));
  });
});

describe('a pod that ended', () => {
  const disrupted = {
    conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager', message: 'node gone' }],
  };
  const cases: [string, Record<string, unknown>, string | null, number | null][] = [
    ['success', terminated(0, 'Completed'), null, null],
    ['success on a node that is drained', terminated(0, 'Completed', '', disrupted), null, null],
    ['own exit code', terminated(7, 'Error'), 'exit-code', 7],
    ['own exit code 127', terminated(127, 'Error'), 'exit-code', 127],
    ['killed from inside', terminated(137, 'Error'), 'exit-code', 137],
    ['too much memory', terminated(137, 'OOMKilled'), 'oom', null],
    [
      'no such program',
      terminated(128, 'StartError', 'exec: "nope": executable file not found in $PATH: unknown'),
      'command-not-found',
      null,
    ],
    [
      'not executable',
      terminated(126, 'ContainerCannotRun', 'exec: "/etc/passwd": permission denied'),
      'command-not-found',
      null,
    ],
    ['for another machine', terminated(128, 'StartError', 'exec /app: exec format error'), 'command-not-found', null],
    [
      'too little memory to start',
      terminated(128, 'StartError', 'container init was OOM-killed (memory limit too low?)'),
      'oom',
      null,
    ],
    ['runtime is broken', terminated(128, 'StartError', 'failed to create shim task: cgroup'), 'sandbox', null],
    ['node lost the container', terminated(137, 'ContainerStatusUnknown'), 'sandbox', null],
    ['taken away', terminated(143, 'Error', '', disrupted), 'sandbox', null],
    [
      'evicted for the node',
      terminated(137, 'Error', '', { reason: 'Evicted', message: 'The node was low on resource: memory.' }),
      'sandbox',
      null,
    ],
    [
      'evicted for a volume',
      terminated(137, 'Error', '', {
        reason: 'Evicted',
        message: 'Usage of EmptyDir volume "writable" exceeds the limit "4Mi".',
      }),
      'output-too-large',
      null,
    ],
    [
      'evicted for its disk',
      terminated(137, 'Error', '', {
        reason: 'Evicted',
        message: 'Pod ephemeral local storage usage exceeds the total limit of containers 64Mi.',
      }),
      'output-too-large',
      null,
    ],
    ['deadline', terminated(137, 'Error', '', { reason: 'DeadlineExceeded' }), 'timeout', null],
    [
      'node refused it',
      { status: { phase: 'Failed', reason: 'OutOfcpu', message: 'Pod was rejected' } },
      'sandbox',
      null,
    ],
    ['nothing is known', { status: { phase: 'Failed' } }, 'sandbox', null],
  ];
  for (const [name, pod, reason, exitCode] of cases) {
    it(name, () => {
      const verdict = judgePod(pod);
      assert.ok(verdict.state === 'ended');
      assert.equal(verdict.ending.reason, reason);
      if (verdict.ending.reason === null) return;
      assert.equal(verdict.ending.exitCode, exitCode);
      assert.ok(verdict.ending.message.length > 10 && !verdict.ending.message.includes('\n'));
    });
  }

  it('never ran when its start is the zero time', () => {
    const state = { terminated: { exitCode: 128, reason: 'StartError', startedAt: '1970-01-01T00:00:00Z' } };
    const verdict = judgePod(withState(state));
    assert.equal(verdict.state === 'ended' && verdict.startedAtMilliseconds, null);
  });
});

it('garbage is a pod that waits, never an exception', () => {
  for (const garbage of [
    {},
    { status: 5 },
    { status: { containerStatuses: 'x' } },
    { status: { containerStatuses: [null, 3] } },
  ]) {
    assert.deepEqual(judgePod(garbage), { state: 'pending', trouble: null });
  }
  assert.equal(judgeJob({ status: { conditions: {} } }), null);
});

it('a Job that failed says whether its deadline passed', () => {
  const failed = (reason: string) => ({
    status: { conditions: [{ type: 'Failed', status: 'True', reason, message: 'm' }] },
  });
  assert.equal(judgeJob(failed('DeadlineExceeded'))?.reason, 'timeout');
  assert.equal(judgeJob(failed('BackoffLimitExceeded'))?.reason, 'sandbox');
  assert.equal(judgeJob({ status: { conditions: [{ type: 'Complete', status: 'True' }] } }), null);
});

describe('patience', () => {
  const timing = timingWith({
    podMilliseconds: 10,
    pullMilliseconds: 100,
    unschedulableMilliseconds: 200,
    troubleMilliseconds: 50,
    pendingMilliseconds: 1000,
  });
  function patience(): { now: { milliseconds: number }; patience: PendingPatience } {
    const now = { milliseconds: 5000 };
    const made = new PendingPatience(timing, () => now.milliseconds);
    made.begin();
    return { now, patience: made };
  }
  const pull = (message: string) => ({ kind: 'pull', reason: 'image-pull', message, isFinal: false }) as const;

  it('counts from the first of failed pulls in a row, and keeps their cause', () => {
    const { now, patience: waits } = patience();
    now.milliseconds += 30;
    waits.troubled(pull('connection refused'));
    now.milliseconds += 60;
    waits.troubled(pull('Back-off pulling image "r/a:1"'));
    assert.equal(waits.exhausted(true), null);
    now.milliseconds += 40;
    assert.deepEqual(waits.exhausted(true), { kind: 'pull', reason: 'image-pull', message: 'connection refused' });
  });

  it('begins anew when the trouble has passed', () => {
    const { now, patience: waits } = patience();
    waits.troubled(pull('x'));
    now.milliseconds += 99;
    waits.troubled(null);
    waits.troubled(pull('x'));
    now.milliseconds += 99;
    assert.equal(waits.exhausted(true), null);
  });

  it('waits longest for room, shortest for a pod, and not for ever for anything', () => {
    const { now, patience: waits } = patience();
    now.milliseconds += 10;
    assert.equal(waits.exhausted(false)?.kind, 'no-pod');
    waits.troubled({ kind: 'unschedulable', reason: 'sandbox', message: 'no room', isFinal: false });
    now.milliseconds += 199;
    assert.equal(waits.exhausted(true), null);
    now.milliseconds += 1;
    assert.equal(waits.exhausted(true)?.message, 'no room');
    waits.troubled(null);
    assert.equal(waits.exhausted(true), null);
    now.milliseconds += 1000;
    assert.equal(waits.exhausted(true)?.kind, 'slow');
  });
});
