/**
 * Every way in which an attempt in a cluster ends, and what is left of it there.
 *
 * Proven against the stand-in of api-server.ts alone: no cluster can run where these tests run. What a kubelet says of
 * images, nodes and evictions is played after its source and documentation.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, afterEach, before, describe, it } from 'node:test';
import type { FailureReason } from '@fog/contract';
import type { KubernetesOptions } from '../../src/kubernetes/index.ts';
import { jobName } from '../../src/kubernetes/job-manifest.ts';
import type { AttemptOutcome, AttemptRequest, TaskRuntime } from '../../src/runtime.ts';
import {
  assertFailed,
  assertSucceeded,
  createStage,
  HostRecord,
  outputBytes,
  outputText,
  runAttempt,
  STAGE_LIMITS,
  type TestStage,
  within,
} from '../runtime-stage.ts';
import { refuse } from './api-server.ts';
import { type ClusterStage, createClusterStage, pod, RESULT, shell, until } from './cluster-stage.ts';
import { type PodScript, pending, status } from './kubelet.ts';

let cluster: ClusterStage;
let stage: TestStage;
let runtime: TaskRuntime;
before(async () => {
  cluster = await createClusterStage();
  stage = await createStage();
  runtime = cluster.create(stage.settings(4));
});
afterEach(() => {
  const { server } = cluster;
  server.intercept = null;
  server.hasSplitStreams = true;
  server.controller.podRefusal = null;
  assert.deepEqual(server.controller.errors, []);
});
after(async () => {
  await runtime.close();
  const { kubelet } = cluster.server;
  const leftovers = [...left(), ...(await readdir(stage.settings(1).scratchDirectory)), kubelet.runningProcesses];
  await cluster[Symbol.asyncDispose]();
  await stage[Symbol.asyncDispose]();
  assert.deepEqual(leftovers, [0], 'nothing stays in the cluster and on this machine');
});

function left(): string[] {
  return ['jobs', 'pods', 'secrets'].flatMap((kind) =>
    cluster.server.store.list(kind).map(({ metadata }) => metadata.name),
  );
}

/** The outcome of a pod that lives like this. */
async function played(
  script: PodScript,
  part: Partial<AttemptRequest> = {},
  options?: Partial<KubernetesOptions>,
): Promise<AttemptOutcome> {
  const image = `registry.test/played:${Math.random().toString(36).slice(2)}`;
  cluster.server.kubelet.scripts.set(image, script);
  const request = pod(stage, null, { image, ...part });
  if (options === undefined) return runAttempt(runtime, request);
  const own = cluster.create(stage.settings(1), options);
  try {
    return await runAttempt(own, request);
  } finally {
    await own.close();
  }
}

const ended = (terminated: Record<string, unknown>) => ({
  phase: 'Failed',
  containerStatuses: [status({ terminated: { startedAt: new Date().toISOString(), ...terminated } })],
});

describe('outcomes of the program', () => {
  it('its output is what it printed, byte for byte, without standard error', async () => {
    const script = "printf 'a\\0b\\377\\n\\n'; echo noise >&2; printf 'no newline'";
    const outcome = await runAttempt(runtime, shell(stage, script, { outputs: RESULT }));
    assertSucceeded(outcome);
    const expected = Buffer.concat([Buffer.from('a\0b'), Buffer.from([255]), Buffer.from('\n\nno newline')]);
    assert.deepEqual(Buffer.from(await outputBytes(outcome, 'result')), expected);
    assert.equal(outcome.engine, 'kubernetes-v1.33.4');
  });

  it('both streams are one where the cluster does not tell them apart', async () => {
    cluster.server.hasSplitStreams = false;
    const own = cluster.create(stage.settings(1));
    const host = new HostRecord();
    const outcome = await runAttempt(
      own,
      shell(stage, 'echo out; sleep 0.05; echo err >&2', { outputs: RESULT }),
      host,
    );
    await own.close();
    assertSucceeded(outcome);
    assert.equal(await outputText(outcome, 'result'), 'out\nerr\n');
    assert.deepEqual([host.text('stdout'), host.text('stderr')], ['out\nerr\n', '']);
  });

  it('environment and inputs are there, and arguments stay as they are', async () => {
    const inputs = await Promise.all(
      ['one', 'two'].map(async (name) => ({
        sandboxPath: `/in/deep/${name}`,
        hostPath: await stage.write(name, Buffer.alloc(700_000, name)),
        bytes: 700_000,
      })),
    );
    const script = 'cat in/deep/one in/deep/two | wc -c; echo "$SECRET $0"';
    const request = pod(stage, ['sh', '-c', script, '$(SECRET) $$'], {
      inputs,
      env: { SECRET: 's $(X)' },
      outputs: RESULT,
    });
    const outcome = await runAttempt(runtime, request);
    assertSucceeded(outcome);
    assert.match(await outputText(outcome, 'result'), /^\s*1400000\ns \$\(X\) \$\(SECRET\) \$\$\n$/);
    const bodies = cluster.server.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/jobs'));
    assert.ok(!JSON.stringify(bodies).includes('s $(X)'), 'the value of a variable is in a Secret alone');
  });

  it('command-not-found', async () => {
    const host = new HostRecord();
    const outcome = await runAttempt(runtime, pod(stage, ['nope']), host);
    assertFailed(outcome, 'command-not-found');
    assert.match(outcome.message, /nope/);
    assert.deepEqual(host.calls, [], 'it never started');
  });

  it('the deadline of the cluster, should it come first', async () => {
    const outcome = await played((set, { metadata }) => {
      set({ phase: 'Running', containerStatuses: [status({ running: {} })] });
      cluster.server.controller.failJob(metadata.ownerReferences?.[0]?.name ?? '', 'DeadlineExceeded', 'late');
    });
    assertFailed(outcome, 'timeout');
  });

  it('too much for an output that is only seen at its end', async () => {
    const limits = { ...STAGE_LIMITS, diskBytes: 1000 };
    const outcome = await runAttempt(runtime, shell(stage, `echo ${'x'.repeat(2000)}`, { outputs: RESULT, limits }));
    assertFailed(outcome, 'output-too-large');
    assert.match(outcome.message, /1000 bytes/);
  });

  it('an output whose beginning the cluster threw away is not passed off as whole', async () => {
    cluster.server.intercept = ({ path, query }, response) => {
      if (
        !path.endsWith('/log') ||
        query.get('timestamps') === 'true' ||
        query.get('stream') === null ||
        path.includes('no-such')
      )
        return false;
      response.end('the end\n');
      return true;
    };
    const outcome = await runAttempt(runtime, shell(stage, 'echo the beginning; echo the end', { outputs: RESULT }));
    assertFailed(outcome, 'output-too-large');
    assert.match(outcome.message, /beginning/);
  });
});

describe('outcomes of the cluster', () => {
  const cases: [string, Parameters<typeof pending>[0], FailureReason][] = [
    ['no such image', { waiting: { reason: 'ErrImagePull', message: 'r/a:1: not found' } }, 'image-missing'],
    ['no rights to it', { waiting: { reason: 'ImagePullBackOff', message: 'pull access denied' } }, 'image-missing'],
    ['a name that is none', { waiting: { reason: 'InvalidImageName' } }, 'image-missing'],
  ];
  for (const [name, state, reason] of cases) {
    it(`${name}: at once`, async () => assertFailed(await played((set) => set(pending(state))), reason));
  }

  it('image-pull, after patience', async () => {
    const refused = { waiting: { reason: 'ErrImagePull', message: 'dial tcp: connection refused' } };
    const outcome = await played((set) => set(pending(refused)), {}, { timing: { pullMilliseconds: 100 } });
    assertFailed(outcome, 'image-pull');
    assert.match(outcome.message, /connection refused/);
  });

  it('a pull whose cause stands in the events alone', async () => {
    const backOff = { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "r/a:1"' } };
    const outcome = await played(
      (set, { metadata }) => {
        cluster.server.controller.complain(metadata.name, 'Failed to pull image "r/a:1": manifest unknown');
        set(pending(backOff));
      },
      {},
      { timing: { pullMilliseconds: 100 } },
    );
    assertFailed(outcome, 'image-missing');
  });

  it('no room: after patience, with the words of the scheduler', async () => {
    const message = '0/3 nodes are available: 3 Insufficient cpu.';
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
    const outcome = await played(
      (set) => set({ phase: 'Pending', conditions }),
      {},
      { timing: { unschedulableMilliseconds: 100 } },
    );
    assertFailed(outcome, 'sandbox');
    assert.ok(outcome.message.includes(message), outcome.message);
  });

  it('a pod that admission refuses, with its words', async () => {
    cluster.server.controller.podRefusal = 'pods "x" is forbidden: violates PodSecurity "restricted:latest"';
    const own = cluster.create(stage.settings(1), { timing: { podMilliseconds: 100 } });
    const outcome = await runAttempt(own, shell(stage, 'exit 0'));
    await own.close();
    assertFailed(outcome, 'sandbox');
    assert.match(outcome.message, /violates PodSecurity/);
  });

  it('a Job that admission refuses, with its words', async () => {
    cluster.server.intercept = ({ method, path }, response) => {
      if (method !== 'POST' || !path.endsWith('/jobs')) return false;
      refuse(response, 403, 'Forbidden', 'admission webhook "policy" denied the request: no jobs on Sunday');
      return true;
    };
    const outcome = await runAttempt(runtime, shell(stage, 'exit 0'));
    assertFailed(outcome, 'sandbox');
    assert.match(outcome.message, /no jobs on Sunday/);
  });

  it('evicted for what it wrote', async () => {
    const message = 'Usage of EmptyDir volume "writable" exceeds the limit "4Mi".';
    const outcome = await played((set) =>
      set({ ...ended({ exitCode: 137, reason: 'Error' }), reason: 'Evicted', message }),
    );
    assertFailed(outcome, 'output-too-large');
  });

  it('evicted for its node', async () => {
    const outcome = await played((set) =>
      set({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory.' }),
    );
    assertFailed(outcome, 'sandbox');
    assert.match(outcome.message, /low on memory/);
  });

  for (const kind of ['pods', 'jobs'] as const) {
    it(`sandbox when somebody deletes its ${kind}`, async () => {
      const host = new HostRecord();
      const request = shell(stage, 'echo on; exec sleep 60');
      const attempt = runtime.start(request, host);
      await host.waitForLog();
      const job = jobName(stage.settings(1).nodeId, request.attemptId);
      if (kind === 'jobs') cluster.server.store.delete('jobs', job);
      else await cluster.server.kubelet.kill(podOf(job));
      const outcome = await within(attempt.outcome, 'the outcome');
      assertFailed(outcome, 'sandbox');
      assert.match(outcome.message, /Somebody deleted/);
      await until(() => left().length === 0 || kind === 'jobs', 'the end of the rest');
      for (const { metadata } of cluster.server.store.list('pods')) await cluster.server.kubelet.kill(metadata.name);
    });
  }

  it('sandbox when the access is no good, with what to do', async () => {
    const own = cluster.create(stage.settings(1), { access: { kind: 'kubeconfig', path: '/nowhere/config' } });
    const outcome = await runAttempt(own, shell(stage, 'exit 0'));
    assertFailed(outcome, 'sandbox');
    assert.match(outcome.message, /\/nowhere\/config.*kubectl/);
    await own.close();
  });
});

function podOf(job: string): string {
  const found = cluster.server.store.list('pods').find(({ metadata }) => metadata.ownerReferences?.[0]?.name === job);
  return found?.metadata.name ?? '';
}

it('is not disturbed by objects that carry its labels and are not its own', async () => {
  const { store } = cluster.server;
  const host = new HostRecord();
  const attempt = runtime.start(shell(stage, 'echo on; sleep 0.5'), host);
  await host.waitForLog();
  const { labels } = store.list('jobs')[0]?.metadata ?? {};
  store.create('pods', { metadata: { name: 'other', labels }, status: { phase: 'Failed' } });
  store.create('jobs', { metadata: { name: 'other', labels }, spec: {} });
  cluster.server.controller.failJob('other', 'DeadlineExceeded', 'late');
  store.delete('jobs', 'other');
  store.delete('pods', 'other');
  assertSucceeded(await within(attempt.outcome, 'the outcome'));
});

describe('a bad line', () => {
  it('loses no log and tells none twice when everything is cut again and again', async () => {
    const host = new HostRecord();
    const script = 'i=0; while [ $i -lt 300 ]; do echo "line $i"; i=$((i+1)); sleep 0.003; done';
    const attempt = runtime.start(shell(stage, script, { outputs: RESULT }), host);
    await host.waitForLog();
    const cutter = setInterval(() => cluster.server.cutConnections(), 80);
    const outcome = await within(attempt.outcome, 'the outcome').finally(() => clearInterval(cutter));
    assertSucceeded(outcome);
    const whole = Array.from({ length: 300 }, (_, index) => `line ${index}\n`).join('');
    assert.equal(host.text('stdout'), whole);
    assert.equal(await outputText(outcome, 'result'), whole);
    const resumed = cluster.server.requests.filter(({ query }) => query.has('sinceTime'));
    assert.ok(resumed.length > 1, 'not all of the log was asked for each time');
  });

  it('makes one Job when the answers to all that makes it are lost', async () => {
    const lost = new Set<string>();
    cluster.server.intercept = async ({ method, path, body }, response) => {
      const key = `${method} ${path} ${body?.metadata?.name}`;
      if (method !== 'POST' || lost.has(key)) return false;
      lost.add(key);
      cluster.server.store.create(path.slice(path.lastIndexOf('/') + 1), body);
      response.destroy();
      return true;
    };
    const request = shell(stage, 'echo "$KEY"', { env: { KEY: 'value' }, outputs: RESULT });
    const outcome = await runAttempt(runtime, request);
    assertSucceeded(outcome);
    assert.equal(await outputText(outcome, 'result'), 'value\n');
    assert.equal(lost.size, 2);
  });

  it('deletes the Job when it is killed while it is being made', async () => {
    const posts = cluster.server.count('POST', '/jobs');
    const underWay = Promise.withResolvers<void>();
    const made = Promise.withResolvers<void>();
    cluster.server.intercept = async ({ method, path }) => {
      if (method !== 'POST' || !path.endsWith('/jobs')) return false;
      underWay.resolve();
      await new Promise((resolve) => setTimeout(resolve, 300));
      // Made after this, whatever was asked for in between.
      setTimeout(made.resolve, 50);
      return false;
    };
    const attempt = runtime.start(shell(stage, 'exit 0'), new HostRecord());
    await underWay.promise;
    attempt.kill('cancelled', 'Enough.');
    assertFailed(await within(attempt.outcome, 'the outcome'), 'cancelled');
    await made.promise;
    await until(() => left().length === 0, 'the deletion');
    assert.ok(cluster.server.count('POST', '/jobs') > posts, 'there was something to delete');
  });

  it('deletes with what belongs to it, in the background, and tries that again', async () => {
    let refusals = 0;
    cluster.server.intercept = ({ method }, response) => {
      if (method !== 'DELETE' || refusals >= 3) return false;
      refusals += 1;
      refuse(response, 500, 'InternalError', 'etcd has no leader');
      return true;
    };
    const host = new HostRecord();
    const attempt = runtime.start(shell(stage, 'echo on; exec sleep 60', { env: { A: 'b' } }), host);
    await host.waitForLog();
    attempt.kill('cancelled', 'Enough.');
    assertFailed(await within(attempt.outcome, 'the outcome'), 'cancelled');
    await until(() => left().length === 0, 'the deletion');
    const { body } = cluster.server.requests.filter(({ method }) => method === 'DELETE').at(-1) ?? {};
    assert.deepEqual([body?.propagationPolicy, body?.gracePeriodSeconds], ['Background', 0]);
    await until(() => cluster.server.kubelet.runningProcesses === 0, 'the end of the process');
  });
});

it('tells what an attempt uses where the cluster measures it', async () => {
  const host = new HostRecord();
  const attempt = runtime.start(shell(stage, 'echo on; exec sleep 60'), host);
  assert.equal(await attempt.sample?.(), null);
  await host.waitForLog();
  assert.equal((await attempt.sample?.())?.memoryBytes, 2 * 2 ** 20);
  cluster.server.hasMetrics = false;
  assert.equal(await attempt.sample?.(), null);
  cluster.server.hasMetrics = true;
  attempt.kill('cancelled', 'Enough.');
  await attempt.outcome;
});

it('refuses what it cannot do before anything is asked of the cluster', async () => {
  const before = cluster.server.requests.length;
  const request = shell(stage, 'exit 0', { stdin: { data: Buffer.from('x') } });
  assertFailed(await runAttempt(runtime, request), 'rejected');
  assert.equal(cluster.server.requests.slice(before).filter(({ method }) => method === 'POST').length, 0);
});
