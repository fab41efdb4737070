/** Agents and engines that die while containers run, for real. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { skipWithoutDocker, TestEngine } from '../../../../test/support/docker-engine.ts';
import { createDockerRuntime } from '../../src/docker/index.ts';
import type { AttemptRequest, RunningAttempt } from '../../src/runtime.ts';
import {
  assertFailed,
  assertSucceeded,
  HostRecord,
  outputText,
  runAttempt,
  STAGE_LIMITS,
  within,
} from '../runtime-stage.ts';
import { dockerStage, shellRequest } from './docker-stage.ts';
import type { DoomedAgentTask } from './doomed-agent.ts';

const LINES = 40;
const COUNTING = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo line $i; sleep 0.05; done; echo end > /out/result`;
const COUNTED = Array.from({ length: LINES }, (_, index) => `line ${index + 1}\n`).join('');
const outputs = [{ name: 'result', sandboxPath: '/out/result' }];

type Given = Awaited<ReturnType<typeof dockerStage>>;

/** Starts the requests in an agent of their own, and kills it -9 once each has written and `then` has resolved. */
async function runDoomed(
  engine: TestEngine,
  given: Given,
  requests: AttemptRequest[],
  then: (outputOf: (request: AttemptRequest) => Promise<string>) => Promise<void> = async () => {},
): Promise<(request: AttemptRequest) => Promise<string>> {
  const folder = join(given.settings.scratchDirectory, '..', 'told');
  await mkdir(folder, { recursive: true });
  const { socketPath } = engine;
  const task: DoomedAgentTask = { socketPath, settings: given.settings, requests, folder };
  const program = join(import.meta.dirname, 'doomed-agent.ts');
  const agent: ChildProcess = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: 'inherit' });
  const outputOf = (request: AttemptRequest): Promise<string> =>
    readFile(join(folder, `${request.attemptId}.stdout`), 'utf8').catch(() => '');
  const written = async (): Promise<void> => {
    for (const request of requests) while ((await outputOf(request)) === '') await delay(20);
  };
  await within(written(), 'the output of the doomed agent');
  await then(outputOf);
  const ended = new Promise((resolve) => agent.once('exit', resolve));
  agent.kill('SIGKILL');
  await ended;
  return outputOf;
}

async function adopted(given: Given, request: AttemptRequest, host: HostRecord): Promise<RunningAttempt> {
  const attempt = await given.runtime.adopt?.(request, host);
  assert.ok(attempt !== null && attempt !== undefined, 'there is nothing to adopt');
  return attempt;
}

describe('docker runtime: adoption', { skip: skipWithoutDocker() }, () => {
  let engine: TestEngine;
  let given: Given;
  before(async () => {
    engine = await TestEngine.start('--live-restore');
    given = await dockerStage(engine);
  });
  after(async () => {
    // Also when something is left: a daemon that goes on would keep the test from ending.
    await given.end().finally(() => engine.stop());
  });
  const subject = { engine: () => engine, given: () => given };
  describe('after the death of an agent', () => registerAgentDeaths(subject));
  describe('what nobody adopts', () => registerOthers(subject));
  describe('after the death of the engine', () => registerEngineDeaths(subject));
});

interface Subject {
  engine(): TestEngine;
  given(): Given;
}

function registerAgentDeaths({ engine, given }: Subject): void {
  it('a running container goes on, and nothing of its output is missing or comes twice', async () => {
    const request = shellRequest(given().stage, COUNTING, { outputs });
    const outputOf = await runDoomed(engine(), given(), [request]);
    const before = await outputOf(request);
    await delay(300);
    const host = new HostRecord();
    const attempt = await adopted(given(), request, host);
    assert.equal(await given().runtime.adopt?.(request, new HostRecord()), null, 'it was adopted twice');
    const outcome = await within(attempt.outcome, 'the outcome');
    assertSucceeded(outcome);
    assert.equal(before + host.text('stdout'), COUNTED);
    assert.ok(before.length < COUNTED.length && host.calls[0] === 'started');
    assert.equal(await outputText(outcome, 'result'), 'end\n');
    assert.match(outcome.engine, /^docker .* sha256:/);
    assert.ok(outcome.usage.wallMilliseconds > 1500, `${outcome.usage.wallMilliseconds}`);
  });

  it('what ended meanwhile is told, with what it has written', async () => {
    const good = shellRequest(given().stage, 'echo on; sleep 0.6; echo off; echo x > /out/result', { outputs });
    const bad = shellRequest(given().stage, 'echo on; sleep 0.6; exit 9');
    const outputOf = await runDoomed(engine(), given(), [good, bad]);
    const before = await outputOf(good);
    await delay(1200);
    const hosts = [new HostRecord(), new HostRecord()] as const;
    const outcome = await within((await adopted(given(), good, hosts[0])).outcome, 'the outcome');
    assertSucceeded(outcome);
    assert.equal(await outputText(outcome, 'result'), 'x\n');
    assert.equal(before + hosts[0].text('stdout'), 'on\noff\n');
    const failed = await within((await adopted(given(), bad, hosts[1])).outcome, 'the outcome');
    assertFailed(failed, 'exit-code');
    assert.equal(failed.exitCode, 9);
  });

  it('the limits of time and disk go on', async () => {
    const limits = { ...STAGE_LIMITS, runMilliseconds: 1500, diskBytes: 1000 };
    const slow = shellRequest(given().stage, 'echo on; sleep 30', { limits });
    const large = shellRequest(
      given().stage,
      'echo on; sleep 1.5; for i in 1 2 3; do head -c 600 /dev/zero > /out/$i; done; sleep 9',
      {
        limits: { ...limits, runMilliseconds: 10_000 },
        outputs,
      },
    );
    await runDoomed(engine(), given(), [slow, large], () => delay(600));
    const startedAtMilliseconds = performance.now();
    const [first, second] = await Promise.all([
      adopted(given(), slow, new HostRecord()),
      adopted(given(), large, new HostRecord()),
    ]);
    assertFailed(await within(first.outcome, 'the outcome'), 'timeout');
    const elapsed = performance.now() - startedAtMilliseconds;
    assert.ok(elapsed < 1500, `it began to count anew: ${elapsed} ms`);
    assertFailed(await within(second.outcome, 'the outcome'), 'output-too-large');
  });

  it('a container without all of its input is ended, and the node has to answer for it', async () => {
    const hostPath = await given().stage.write('input', Buffer.alloc(8 << 20));
    const request = shellRequest(given().stage, 'echo on; sleep 2; cat | wc -c', { stdin: { hostPath } });
    // The input is sent with the answer to the start, which comes a little after the first output.
    await runDoomed(engine(), given(), [request], () => delay(300));
    const attempt = await adopted(given(), request, new HostRecord());
    assertFailed(await within(attempt.outcome, 'the outcome'), 'sandbox');
  });
}

function registerOthers({ engine, given }: Subject): void {
  it('nothing is adopted that is not there, or of another node', async () => {
    const request = shellRequest(given().stage, 'true');
    assert.equal(await given().runtime.adopt?.(request, new HostRecord()), null);
    const other = createDockerRuntime({ ...given().settings, nodeId: 'n-other' }, { socketPath: engine().socketPath });
    const running = shellRequest(given().stage, 'echo on; sleep 30');
    const host = new HostRecord();
    const attempt = given().runtime.start(running, host);
    await host.waitForLog();
    assert.equal(await other.adopt?.(running, new HostRecord()), null);
    await other.reap?.();
    assert.equal(await Promise.race([attempt.outcome, delay(200, 'running')]), 'running');
    await given().runtime.reap?.();
    assert.equal(await Promise.race([attempt.outcome, delay(200, 'running')]), 'running');
    attempt.kill('cancelled', 'Enough.');
    await attempt.outcome;
    await other.close();
  });

  it('reap() removes containers and folders that nobody adopts', async () => {
    const requests = ['echo on; sleep 30', 'echo on; exit 1'].map((script) =>
      shellRequest(given().stage, script, { outputs }),
    );
    await runDoomed(engine(), given(), requests, () => delay(300));
    const folders = async () =>
      (await readdir(given().settings.scratchDirectory)).filter((name) => name.startsWith('docker-'));
    assert.ok((await engine().containers()) >= 1 && (await folders()).length >= 1);
    const results = join(given().settings.scratchDirectory, 'j1.0.1');
    await mkdir(results);
    await given().runtime.reap?.();
    assert.equal(await engine().containers(), 0);
    assert.deepEqual([await folders(), existsSync(results)], [[], false], 'large outputs of a dead agent, too');
    await given().runtime.reap?.();
  });
}

function registerEngineDeaths({ engine, given }: Subject): void {
  it('a container that survives goes on, and its output as well', async () => {
    const host = new HostRecord();
    const counting = given().runtime.start(shellRequest(given().stage, COUNTING, { outputs }), host);
    const otherHost = new HostRecord();
    const short = given().runtime.start(shellRequest(given().stage, 'echo on; sleep 0.8; exit 4'), otherHost);
    await Promise.all([host.waitForLog(), otherHost.waitForLog()]);
    // An engine that is killed before it has noted the start does not know the container any more.
    await delay(300);
    await engine().kill();
    await delay(600);
    await engine().launch();
    const outcome = await within(counting.outcome, 'the outcome');
    assertSucceeded(outcome);
    assert.equal(host.text('stdout'), COUNTED);
    const ended = await within(short.outcome, 'the outcome');
    assertFailed(ended, 'exit-code');
    assert.equal(ended.exitCode, 4);
  });

  it('what is killed while the engine is away ends at once, and is removed when it is back', async () => {
    const host = new HostRecord();
    const attempt = given().runtime.start(shellRequest(given().stage, 'echo on; sleep 30'), host);
    await host.waitForLog();
    await engine().kill();
    const killedAtMilliseconds = performance.now();
    attempt.kill('cancelled', 'Enough.');
    assertFailed(await within(attempt.outcome, 'the outcome'), 'cancelled');
    assert.ok(performance.now() - killedAtMilliseconds < 100);
    const refused = await runAttempt(given().runtime, shellRequest(given().stage, 'true'));
    assertFailed(refused, 'sandbox');
    await engine().launch();
    const removed = async (): Promise<void> => {
      while ((await engine().containers()) > 0) await delay(50);
    };
    await within(removed(), 'the removal');
  });

  it('a container that goes down with its engine is a failure of the node', async (context) => {
    const own = await TestEngine.start();
    context.after(() => own.stop());
    const stage = await dockerStage(own);
    const host = new HostRecord();
    const attempt = stage.runtime.start(shellRequest(stage.stage, 'echo on; sleep 30'), host);
    await host.waitForLog();
    await delay(300);
    await own.kill();
    await own.launch();
    assertFailed(await within(attempt.outcome, 'the outcome'), 'sandbox');
    assertSucceeded(await runAttempt(stage.runtime, shellRequest(stage.stage, 'true')));
    await stage.end();
  });

  it('a container that somebody else removes is a failure of the node', async () => {
    const host = new HostRecord();
    const request = shellRequest(given().stage, 'echo on; sleep 30');
    const attempt = given().runtime.start(request, host);
    await host.waitForLog();
    const [container] = await engine().engine.listContainers({ 'fog.attempt': request.attemptId });
    await engine().engine.removeContainer(container?.Id ?? '');
    assertFailed(await within(attempt.outcome, 'the outcome'), 'sandbox');
  });
}
