import assert from 'node:assert/strict';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT_PROTOCOL, agentSettingsSchema, FogError } from '@fog/contract';
import { startAgent } from '../src/index.ts';
import { startSite, temporaryFolder } from './agent-under-test.ts';
import { FakeCoordinator, JOB, leaseGroup } from './fake-coordinator.ts';
import { FakeRuntime } from './fake-runtime.ts';

const settings = agentSettingsSchema.parse({ name: 'tested' });

test('the name of an engine is told whole, an image with its digest too', async () => {
  await using site = await startSite();
  const { coordinator, runtime, agent } = site;
  const engine = `docker.io/library/python@sha256:${'a'.repeat(64)}`;
  runtime.behaviour = (attempt) => attempt.succeed([], engine);
  await agent.connected();
  coordinator.lease(leaseGroup([0]));
  await coordinator.until(() => coordinator.ending(0) !== undefined, 'the outcome');
  const ending = coordinator.ending(0);
  assert(ending?.event === 'succeed');
  assert.deepEqual([ending.engine, coordinator.violations], [engine, []]);
});

test('joins, runs a leased attempt and reports it with its log', async () => {
  await using site = await startSite();
  const { coordinator, runtime, agent } = site;
  runtime.behaviour = (attempt) => {
    attempt.host.log('stdout', Buffer.from('hello\n'));
    attempt.succeed([
      { name: 'result', type: 'file', files: [{ relativePath: '', content: { data: Buffer.from('42') } }] },
    ]);
  };
  await agent.connected();
  coordinator.lease(leaseGroup([0], { task: { args: ['a'], env: { LEVEL: 'high' } } }));
  await coordinator.until(() => coordinator.ending(0) !== undefined, 'the outcome');
  assert.deepEqual(coordinator.violations, []);
  assert.equal(coordinator.log(0), 'hello\n');
  const reports = coordinator.reports({ partition: 0 });
  assert.deepEqual(
    reports.map((report) => report.event),
    ['prepare', 'start', 'succeed'],
  );
  const ending = reports.at(-1);
  assert(ending?.event === 'succeed');
  assert.equal(ending.logBytes, 6);
  assert.equal(coordinator.blobs.get(ending.outputs[0]?.digest ?? '')?.toString(), '42');
  const logIndex = coordinator.frames.findIndex((frame) => frame.type === 'log');
  const endIndex = coordinator.frames.findIndex(
    (frame) => frame.type === 'journal' && frame.entries.some((entry) => entry.report.event === 'succeed'),
  );
  assert(logIndex < endIndex, 'the log goes before the outcome');
  const request = runtime.attempts[0]?.request;
  assert.deepEqual(request?.env, {
    LEVEL: 'high',
    FOG_JOB_ID: JOB,
    FOG_PARTITION_INDEX: '0',
    FOG_PARTITION_COUNT: '1000',
  });
  assert.equal(request?.seed.length, 32);
  assert.equal(request?.trusted, false);
  // What is cached needs no preparation: the second attempt does not report one.
  coordinator.lease(leaseGroup([1]));
  await coordinator.until(() => coordinator.ending(1) !== undefined, 'the second outcome');
  assert.deepEqual(
    coordinator.reports({ partition: 1 }).map((report) => report.event),
    ['start', 'succeed'],
  );
});

test('keeps its identity over restarts', async () => {
  await using site = await startSite();
  const { nodeId } = site.agent;
  assert.match(nodeId, /^n[0-9a-f]{32}$/);
  await site.agent.stop();
  assert.deepEqual(await site.agent.closed, { reason: 'stopped' });
  assert.equal((await site.restart(new FakeRuntime())).nodeId, nodeId);
  assert.deepEqual(site.coordinator.violations, []);
});

test('refuses to talk to another protocol version, naming both', async () => {
  await using folder = await temporaryFolder();
  await using coordinator = await FakeCoordinator.start();
  coordinator.protocols = [7, 8];
  const runtime = new FakeRuntime();
  const options = { dataDirectory: folder.path, url: coordinator.url, settings, runtimes: [runtime] };
  await assert.rejects(startAgent(options), (error: FogError) => {
    assert.equal(error.code, 'protocol-version');
    assert.match(error.message, new RegExp(`version ${AGENT_PROTOCOL} .*versions 7, 8`));
    assert.deepEqual(error.details, { agent: AGENT_PROTOCOL, coordinator: [7, 8] });
    return true;
  });
  assert(runtime.closed);
});

test('a refused join is thrown with its code, later refusals end the agent', async () => {
  await using folder = await temporaryFolder();
  await using coordinator = await FakeCoordinator.start();
  const options = { dataDirectory: folder.path, url: coordinator.url, settings, runtimes: [new FakeRuntime()] };
  for (const code of ['unauthenticated', 'forbidden', 'protocol-version'] as const) {
    coordinator.refusal = new FogError(code, 'no');
    await assert.rejects(startAgent(options), { code, message: 'no' });
  }
  coordinator.refusal = null;
  const agent = await startAgent(options);
  coordinator.refusal = new FogError('forbidden', 'this node was banned');
  coordinator.cut();
  const end = await agent.closed;
  assert.equal(end.reason, 'refused');
  assert.equal(end.error?.code, 'forbidden');
  await assert.rejects(agent.connected(), { code: 'unavailable' });
});

test('a text that is no token or no address is refused before anything is touched', async () => {
  await assert.rejects(startAgent({ dataDirectory: '/nowhere', url: 'localhost:7070', settings }), {
    code: 'invalid-configuration',
  });
  await assert.rejects(startAgent({ dataDirectory: '/nowhere', url: 'http://127.0.0.1:1', token: 'x', settings }), {
    code: 'unauthenticated',
  });
});

test('two agents do not share a data directory; a coordinator that is down is waited for', async () => {
  await using folder = await temporaryFolder();
  const options = { dataDirectory: folder.path, url: 'http://127.0.0.1:1', settings, runtimes: [new FakeRuntime()] };
  const agent = await startAgent(options);
  await assert.rejects(startAgent(options), { code: 'data-directory', message: /another agent/ });
  await assert.rejects(agent.connected(AbortSignal.timeout(50)), { name: 'TimeoutError' });
  await agent.stop();
  await (await startAgent(options)).stop();
});

test('an identity that others may read or that is broken is refused', async () => {
  await using folder = await temporaryFolder();
  const options = { dataDirectory: folder.path, url: 'http://127.0.0.1:1', settings, runtimes: [new FakeRuntime()] };
  await (await startAgent(options)).stop();
  const path = join(folder.path, 'identity.key');
  await chmod(path, 0o644);
  await assert.rejects(startAgent(options), { code: 'data-directory', message: /may be read by others \(mode 644\)/ });
  await chmod(path, 0o600);
  await writeFile(path, 'garbage');
  await assert.rejects(startAgent(options), { code: 'data-directory', message: /is not a private key/ });
  await assert.rejects(startAgent({ ...options, dataDirectory: path }), { code: 'data-directory' });
});

test('declines what its owner, its runtimes or its capacity do not allow', async () => {
  await using site = await startSite({ settings: { accept: ['alice'], memory: '64Mi' } });
  const { coordinator, runtime } = site;
  const declined = async (partition: number): Promise<string> => {
    await coordinator.until(() => coordinator.ending(partition) !== undefined, `partition ${partition}`);
    const ending = coordinator.ending(partition);
    assert(ending?.event === 'decline', JSON.stringify(ending));
    return ending.message;
  };
  coordinator.lease(leaseGroup([0], { group: { submitter: 'mallory' } }));
  assert.match(await declined(0), /does not run jobs of "mallory"/);
  coordinator.lease(leaseGroup([1], { task: { resources: { memory: '65Mi' } } }));
  assert.match(await declined(1), /bytes of memory/);
  coordinator.lease(leaseGroup([2], { task: { resources: { cpu: '5' } } }));
  assert.match(await declined(2), /processor/);
  const javascript = { runtime: 'javascript', javascript: { script: `sha256:${'0'.repeat(64)}` } } as const;
  coordinator.lease(leaseGroup([3], { task: javascript }));
  assert.match(await declined(3), /"javascript" is not available/);
  runtime.refused = 'engine v8 needs a sandbox';
  coordinator.lease(leaseGroup([4]));
  assert.equal(await declined(4), 'engine v8 needs a sandbox');
  runtime.refused = null;
  coordinator.lease(leaseGroup([5, 6, 7, 8, 9]));
  assert.match(await declined(9), /no slot of 4 is free/);
  await coordinator.until(() => runtime.attempts.length === 4);
  assert.deepEqual(coordinator.violations, []);
});

test('a repeated lease is ignored; a stopped attempt is killed and not reported', async () => {
  await using site = await startSite();
  const { coordinator, runtime } = site;
  coordinator.lease(leaseGroup([0]));
  coordinator.lease(leaseGroup([0]));
  await coordinator.until(() => coordinator.reports().some((report) => report.event === 'start'));
  coordinator.send({
    type: 'stop',
    attempts: [{ attempt: { job: JOB, partition: 0, fence: 1 }, reason: 'cancelled' }],
  });
  coordinator.lease(leaseGroup([1]));
  await coordinator.until(() => runtime.attempts.length === 2);
  runtime.attempts[1]?.succeed();
  await coordinator.until(() => coordinator.ending(1) !== undefined);
  assert.equal(runtime.attempts[0]?.killed, 'cancelled');
  assert.equal(coordinator.ending(0), undefined);
});

test('what runs never exceeds the capacity, even while stopped attempts are ending', async () => {
  await using site = await startSite({ settings: { slots: 1 } });
  const { coordinator, runtime } = site;
  coordinator.lease(leaseGroup([0]));
  await coordinator.until(() => runtime.attempts.length === 1);
  const first = runtime.attempts[0];
  assert(first);
  const kill = first.kill.bind(first);
  first.kill = (reason, message) => void setTimeout(() => kill(reason, message), 60);
  coordinator.send({
    type: 'stop',
    attempts: [{ attempt: { job: JOB, partition: 0, fence: 1 }, reason: 'superseded' }],
  });
  coordinator.lease(leaseGroup([1]));
  await coordinator.until(() => runtime.attempts.length === 2);
  assert.equal(runtime.mostAtOnce, 1);
  runtime.attempts[1]?.succeed();
  await coordinator.until(() => coordinator.ending(1)?.event === 'succeed');
});

test('what runs keeps running when the link is cut, and its result is delivered on return', async () => {
  await using site = await startSite();
  const { coordinator, runtime } = site;
  const attempt = (index: number) => runtime.attempts.find(({ request }) => request.partition.index === index);
  coordinator.lease(leaseGroup([0, 1, 2, 3]));
  await coordinator.until(() => coordinator.reports().filter((report) => report.event === 'start').length === 4);
  attempt(0)?.host.log('stdout', Buffer.from('before '));
  await coordinator.until(() => coordinator.log(0) === 'before ');
  coordinator.stopOnWelcome = ({ partition }) => partition === 2;
  coordinator.forgetOnWelcome = ({ partition }) => partition === 3;
  coordinator.cut();
  attempt(0)?.host.log('stdout', Buffer.from('after'));
  attempt(0)?.succeed();
  await coordinator.until(() => coordinator.ending(0) !== undefined, 'the result');
  const states = coordinator.hellos.at(-1)?.attempts.map(({ attempt, state }) => [attempt.partition, state]);
  assert.deepEqual(states, [
    [1, 'running'],
    [2, 'running'],
    [3, 'running'],
    [0, 'reported'],
  ]);
  assert.equal(coordinator.log(0), 'before after');
  assert.equal(attempt(1)?.killed, null);
  assert.equal(attempt(2)?.killed, 'superseded');
  assert.equal(attempt(3)?.killed, 'superseded');
  attempt(1)?.succeed();
  await coordinator.until(() => coordinator.ending(1)?.event === 'succeed');
  assert.equal(coordinator.ending(2), undefined);
  assert.equal(coordinator.ending(3), undefined);
  assert.deepEqual(coordinator.violations, []);
});

test('a result that was not acknowledged before a restart is delivered after it', async () => {
  await using site = await startSite({ settings: { slots: 2 } });
  const { coordinator, runtime } = site;
  coordinator.lease(leaseGroup([0, 1]));
  await coordinator.until(() => coordinator.reports().filter((report) => report.event === 'start').length === 2);
  coordinator.refusal = new FogError('unavailable', 'not now');
  coordinator.cut();
  runtime.attempts[0]?.succeed();
  await sleep(100);
  await site.agent.stop();
  coordinator.refusal = null;
  await site.restart(new FakeRuntime());
  await coordinator.until(() => coordinator.ending(0)?.event === 'succeed');
  assert.deepEqual(coordinator.hellos.at(-1)?.attempts, [
    { attempt: { job: JOB, partition: 0, fence: 1 }, state: 'reported' },
  ]);
  assert.equal(coordinator.journals.size, 1);
  assert.deepEqual(coordinator.violations, []);
});

test('a coordinator that forgot the journal gets another one', async () => {
  await using site = await startSite();
  const { coordinator, runtime } = site;
  runtime.behaviour = (attempt) => attempt.succeed();
  coordinator.lease(leaseGroup([0]));
  await coordinator.until(() => coordinator.ending(0) !== undefined);
  await sleep(30);
  const forgotten = coordinator.hellos.at(-1)?.journalId ?? '';
  coordinator.journals.delete(forgotten);
  coordinator.cut();
  await coordinator.until(() => coordinator.hellos.length >= 3, 'the hello with another journal');
  assert.notEqual(coordinator.hellos.at(-1)?.journalId, forgotten);
  coordinator.lease(leaseGroup([1]));
  await coordinator.until(() => coordinator.ending(1) !== undefined);
  assert.deepEqual(coordinator.violations, []);
});

test('without contact for stopOnNodeAfter an attempt is stopped, and reported on return', async () => {
  await using site = await startSite();
  const { coordinator, runtime } = site;
  coordinator.lease(leaseGroup([0], { spec: { disconnect: { lostAfter: '10ms', stopOnNodeAfter: '300ms' } } }));
  await coordinator.until(() => runtime.attempts.length === 1);
  coordinator.refusal = new FogError('unavailable', 'not now');
  coordinator.cut();
  await runtime.attempts[0]?.outcome;
  assert.equal(runtime.attempts[0]?.killed, 'stopped-on-node');
  coordinator.refusal = null;
  await coordinator.until(() => coordinator.ending(0) !== undefined);
  const ending = coordinator.ending(0);
  assert(ending?.event === 'fail' && ending.reason === 'stopped-on-node');
});

test('an attempt that reports no progress for timeouts.heartbeat is stopped', async () => {
  await using site = await startSite();
  const { coordinator, runtime } = site;
  const group = leaseGroup([0, 1]);
  // No job may ask this of wasm, but the runtime here only has that name, and reports.
  group.spec.spec.timeouts.heartbeat = '400ms';
  coordinator.lease(group);
  await coordinator.until(() => runtime.attempts.length === 2);
  const lively = runtime.attempts[1];
  assert(lively);
  const pulse = setInterval(() => lively.host.progress(Number.NaN, 'alive'), 50);
  await coordinator.until(() => coordinator.ending(0) !== undefined);
  clearInterval(pulse);
  const ending = coordinator.ending(0);
  assert(ending?.event === 'fail' && ending.reason === 'heartbeat-timeout');
  assert.equal(lively.killed, null);
  const progress = coordinator.reports({ partition: 1 }).filter((report) => report.event === 'progress');
  assert(progress.length >= 1 && progress.length <= 3, `${progress.length} progress reports`);
});

test('drain lets what runs finish, declines the rest and says goodbye', async () => {
  await using site = await startSite();
  const { coordinator, runtime, agent } = site;
  coordinator.lease(leaseGroup([0, 1]));
  await coordinator.until(() => runtime.attempts.length === 2);
  const drained = agent.drain(400);
  await coordinator.until(() => coordinator.capacities.length === 1);
  assert.equal(coordinator.capacities[0]?.capacity.slots, 0);
  coordinator.lease(leaseGroup([2]));
  await coordinator.until(() => coordinator.ending(2)?.event === 'decline');
  runtime.attempts[0]?.succeed();
  await drained;
  assert.deepEqual(await agent.closed, { reason: 'drained' });
  assert.equal(coordinator.ending(0)?.event, 'succeed');
  const second = coordinator.ending(1);
  assert(second?.event === 'fail' && second.reason === 'drained');
  assert.equal(coordinator.goodbyes, 1);
  assert(runtime.closed);
});

test('the coordinator can ask for the drain', async () => {
  await using site = await startSite();
  site.coordinator.send({ type: 'drain', deadlineMilliseconds: 1000 });
  assert.deepEqual(await site.agent.closed, { reason: 'drained' });
});

test('garbage from the coordinator ends the session, not the agent', async () => {
  await using site = await startSite();
  const { coordinator, agent } = site;
  const second = JSON.stringify({ type: 'challenge', nonce: 'x', protocols: [AGENT_PROTOCOL] });
  for (const garbage of ['{', second, Buffer.of(1)]) {
    await agent.connected();
    const session = coordinator.session;
    await coordinator.until(() => coordinator.socket !== null);
    coordinator.sendRaw(garbage);
    await coordinator.until(() => coordinator.session > session, `a new session after ${garbage}`);
  }
});

test('a coordinator that falls silent is left', async () => {
  await using site = await startSite({
    prepare: (coordinator) => {
      coordinator.heartbeatMilliseconds = 60;
    },
  });
  const { coordinator } = site;
  await coordinator.until(() => coordinator.heartbeats > 3);
  assert.equal(coordinator.session, 1);
  coordinator.beats = false;
  await coordinator.until(() => coordinator.session > 1, 'another session');
});

test('secrets reach the attempt and nothing else', async () => {
  await using site = await startSite();
  const { coordinator, runtime, folder, logged } = site;
  const secret = 'correct-horse-battery';
  coordinator.acknowledges = false;
  const task = { env: { PASSWORD: { secret: 'password' } } };
  coordinator.lease(leaseGroup([0], { task, group: { secrets: { password: secret } } }));
  coordinator.lease(leaseGroup([1], { task }));
  await coordinator.until(() => runtime.attempts.length === 1 && coordinator.ending(1) !== undefined);
  const missing = coordinator.ending(1);
  assert(missing?.event === 'fail' && missing.reason === 'input-missing');
  assert.equal(runtime.attempts[0]?.request.env.PASSWORD, secret);
  runtime.attempts[0]?.host.progress(0.5, `using ${secret}`);
  runtime.attempts[0]?.fail('script-error', `login with ${secret} failed`, 1);
  await coordinator.until(() => coordinator.ending(0) !== undefined);
  const ending = coordinator.ending(0);
  assert(ending?.event === 'fail');
  assert.equal(ending.message, 'login with [secret] failed');
  assert.equal(ending.exitCode, 1);
  const journal = await readFile(join(folder, 'journal.jsonl'), 'utf8');
  assert(journal.includes('login with') && !journal.includes(secret));
  assert(!logged.join('\n').includes(secret));
  assert.deepEqual(await readdir(join(folder, 'scratch', 'wasm')), []);
});

test('a runtime that breaks its contract spoils one attempt, not the node', async () => {
  await using site = await startSite();
  const { coordinator, runtime } = site;
  runtime.behaviour = () => {
    throw new Error('out of handles');
  };
  coordinator.lease(leaseGroup([0]));
  await coordinator.until(() => coordinator.ending(0) !== undefined);
  const ending = coordinator.ending(0);
  assert(ending?.event === 'fail' && ending.reason === 'sandbox' && /out of handles/.test(ending.message));
  runtime.behaviour = (attempt) => attempt.succeed();
  coordinator.lease(leaseGroup([1]));
  await coordinator.until(() => coordinator.ending(1)?.event === 'succeed');
});
