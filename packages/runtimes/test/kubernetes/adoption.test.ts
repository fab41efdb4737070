/** What happens to Jobs whose agent dies: adopted, replaced, or deleted. Against the stand-in, see api-server.ts. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, it } from 'node:test';
import { stringify } from 'yaml';
import { jobName } from '../../src/kubernetes/job-manifest.ts';
import type { AttemptRequest, RunningAttempt, RuntimeSettings, TaskRuntime } from '../../src/runtime.ts';
import {
  assertFailed,
  assertSucceeded,
  createStage,
  HostRecord,
  outputText,
  runAttempt,
  STAGE_LIMITS,
  type TestStage,
  within,
} from '../runtime-stage.ts';
import { type ClusterStage, createClusterStage, kubeconfig, RESULT, shell, until } from './cluster-stage.ts';

let cluster: ClusterStage;
let stage: TestStage;
/** Runtimes whose agents "died": they are cut off, and never close what they have. */
const dead: TaskRuntime[] = [];
const living: TaskRuntime[] = [];
beforeEach(async () => {
  cluster = await createClusterStage();
  stage = await createStage();
});
afterEach(async () => {
  cluster.server.intercept = null;
  await Promise.all([...living.splice(0), ...dead.splice(0)].map((runtime) => runtime.close()));
  await cluster[Symbol.asyncDispose]();
  await stage[Symbol.asyncDispose]();
});

function create(settings: Partial<RuntimeSettings> = {}): TaskRuntime {
  const runtime = cluster.create({ ...stage.settings(2), ...settings });
  living.push(runtime);
  return runtime;
}

/** A runtime whose requests carry another token, so that the stand-in can refuse them after its death. */
async function createMortal(): Promise<{ runtime: TaskRuntime; die(): void }> {
  const { server } = cluster;
  server.tokens.add('mortal');
  const path = join(stage.settings(1).scratchDirectory, '..', 'mortal-config');
  const config = kubeconfig(server);
  config.users[0].user.token = 'mortal';
  await writeFile(path, stringify(config));
  const runtime = cluster.create(stage.settings(2), { access: { kind: 'kubeconfig', path } });
  dead.push(runtime);
  const die = (): void => {
    server.tokens.delete('mortal');
    server.cutConnections();
  };
  return { runtime, die };
}

async function adopted(
  runtime: TaskRuntime,
  request: AttemptRequest,
  host = new HostRecord(),
): Promise<RunningAttempt> {
  const attempt = await runtime.adopt?.(request, host);
  assert.ok(attempt !== null && attempt !== undefined, 'adopted');
  return attempt;
}

const SLOW = 'i=0; while [ $i -lt 100 ]; do echo "line $i"; i=$((i+1)); sleep 0.01; done';
const WHOLE = Array.from({ length: 100 }, (_, index) => `line ${index}\n`).join('');

it('a running attempt goes on, and its log too, without a line twice', async () => {
  const mortal = await createMortal();
  const request = shell(stage, SLOW, { outputs: RESULT, env: { A: 'b' } });
  const before = new HostRecord();
  mortal.runtime.start(request, before);
  await until(() => before.text('stdout').includes('line 20\n'), 'some lines');
  mortal.die();
  // The place in the log is written down every 20 ms in these tests; what was on its way is told by then.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const toldBefore = before.text('stdout');
  const host = new HostRecord();
  const attempt = await adopted(create(), request, host);
  const outcome = await within(attempt.outcome, 'the outcome');
  assertSucceeded(outcome);
  assert.equal(await outputText(outcome, 'result'), WHOLE);
  assert.equal(before.text('stdout'), toldBefore, 'the dead tell nothing');
  assert.equal(toldBefore + host.text('stdout'), WHOLE);
  assert.equal(host.calls[0], 'started');
  const { store } = cluster.server;
  await until(() => store.list('jobs').length + store.list('secrets').length === 0, 'the deletion');
});

it('one that ended meanwhile is reported with its whole log and output', async () => {
  const mortal = await createMortal();
  const request = shell(stage, 'echo first; sleep 0.2; echo last', { outputs: RESULT });
  const before = new HostRecord();
  mortal.runtime.start(request, before);
  await before.waitForLog();
  mortal.die();
  await until(() => cluster.server.store.list('jobs')[0]?.status?.succeeded === 1, 'the end of the Job');
  const host = new HostRecord();
  const outcome = await within((await adopted(create(), request, host)).outcome, 'the outcome');
  assertSucceeded(outcome);
  assert.equal(await outputText(outcome, 'result'), 'first\nlast\n');
  assert.equal(before.text('stdout') + host.text('stdout'), 'first\nlast\n');
});

it('the limit of its run counts from its start, not from its adoption', async () => {
  const mortal = await createMortal();
  const limits = { ...STAGE_LIMITS, runMilliseconds: 600 };
  const request = shell(stage, 'echo on; exec sleep 60', { limits });
  const before = new HostRecord();
  mortal.runtime.start(request, before);
  await before.waitForLog();
  const begun = before.startedAtMilliseconds ?? 0;
  mortal.die();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const outcome = await within((await adopted(create(), request)).outcome, 'the outcome');
  assertFailed(outcome, 'timeout');
  const elapsed = performance.now() - begun;
  assert.ok(elapsed >= 500 && elapsed < 850, `ended ${elapsed} ms after its start`);
  assert.ok(outcome.usage.wallMilliseconds >= 550);
});

it('a place in the log that cannot be read makes it be told again', async () => {
  const mortal = await createMortal();
  const request = shell(stage, 'echo on; sleep 0.6');
  const before = new HostRecord();
  mortal.runtime.start(request, before);
  await before.waitForLog();
  mortal.die();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const path = join(
    stage.settings(1).scratchDirectory,
    `${jobName(stage.settings(1).nodeId, request.attemptId)}.log-position.json`,
  );
  await writeFile(path, '{"stdout":{"stamp":"yesterday"');
  const host = new HostRecord();
  assertSucceeded(await within((await adopted(create(), request, host)).outcome, 'the outcome'));
  assert.equal(host.text('stdout'), 'on\n');
});

it('nothing is adopted that is not there, is being deleted, was never finished, or is of another node', async () => {
  const runtime = create();
  const request = shell(stage, 'exec sleep 60');
  const adopt = () => runtime.adopt?.(request, new HostRecord());
  assert.equal(await adopt(), null);
  const { store } = cluster.server;
  const name = jobName(stage.settings(1).nodeId, request.attemptId);
  store.create('jobs', { metadata: { name }, spec: { suspend: true } });
  assert.equal(await adopt(), null);
  store.change('jobs', name, (job) => {
    job.spec = {};
    job.metadata.deletionTimestamp = new Date().toISOString();
  });
  assert.equal(await adopt(), null);
  store.delete('jobs', name);
  const host = new HostRecord();
  const attempt = create({ nodeId: 'n-other' }).start(
    shell(stage, 'echo on; exec sleep 60', { attemptId: request.attemptId }),
    host,
  );
  await host.waitForLog();
  assert.equal(await adopt(), null);
  attempt.kill('cancelled', 'Enough.');
  await attempt.outcome;
});

it('starting it again replaces the Job of a dead agent, when that is gone', async () => {
  const mortal = await createMortal();
  const request = shell(stage, 'echo "$WHO"; test "$WHO" = second', { env: { WHO: 'first' }, outputs: RESULT });
  const before = new HostRecord();
  mortal.runtime.start({ ...request, program: shell(stage, 'echo on; exec sleep 60').program }, before);
  await before.waitForLog();
  mortal.die();
  cluster.server.controller.deletionMilliseconds = 150;
  const outcome = await runAttempt(create(), { ...request, env: { WHO: 'second' } });
  assertSucceeded(outcome);
  assert.equal(await outputText(outcome, 'result'), 'second\n');
});

it('reap() deletes what nobody adopted, and nothing of other nodes or of ours that runs', async () => {
  const mortal = await createMortal();
  const hosts = [new HostRecord(), new HostRecord(), new HostRecord(), new HostRecord()] as const;
  const request = () => shell(stage, 'echo on; exec sleep 60', { env: { A: 'b' } });
  const wanted = request();
  mortal.runtime.start(wanted, hosts[0]);
  mortal.runtime.start(request(), hosts[1]);
  await Promise.all([hosts[0].waitForLog(), hosts[1].waitForLog()]);
  mortal.die();
  const other = create({ nodeId: 'n-other' });
  const foreign = other.start(request(), hosts[2]);
  const runtime = create();
  const own = runtime.start(request(), hosts[3]);
  const kept = await adopted(runtime, wanted);
  await Promise.all([hosts[2].waitForLog(), hosts[3].waitForLog()]);
  assert.equal(cluster.server.store.list('jobs').length, 4);
  await runtime.reap?.();
  await until(() => cluster.server.kubelet.runningProcesses === 3, 'the end of the orphan');
  await until(() => cluster.server.store.list('secrets').length === 3, 'the end of its Secret');
  assert.equal(cluster.server.store.list('jobs').length, 3);
  for (const attempt of [foreign, own, kept]) {
    assert.equal(await Promise.race([attempt.outcome, 'still running']), 'still running');
  }
});
