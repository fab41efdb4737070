/** Services as the coordinator sees them: restarts within an attempt, health, ports, and what an agent takes over. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import type { AttemptReport, JobSpecInput, LeaseGroup } from '@fog/contract';
import { HeldAttempts } from '../src/held-attempts.ts';
import { programOf } from '../src/staging.ts';
import { type Site, startSite } from './agent-under-test.ts';
import { JOB, leaseGroup } from './fake-coordinator.ts';
import { FakeRuntime, OutlivingRuntime } from './fake-runtime.ts';

const NAME = { job: JOB, partition: 0, fence: 1 };
const ID = `${JOB}.0.1`;

function service(task: Partial<JobSpecInput['spec']['task']> = {}, delay = '10ms'): LeaseGroup {
  return leaseGroup([0], {
    spec: { type: 'service', restart: { attempts: 1, delay } },
    task: {
      runtime: 'process',
      process: { command: ['server'] },
      ports: [{ name: 'web', port: 8080 }],
      ...task,
      ...{ wasm: undefined },
    } as never,
  });
}

const events = (reports: AttemptReport[]) =>
  reports.map((report) => (report.event === 'health' ? `${report.status} ${report.restarts}` : report.event));

/** Until the program of the attempt has been started so often. */
async function runs(site: Site, count: number): Promise<void> {
  await site.coordinator.until(() => site.runtime.attempts.length === count, `${count} runs`);
}

test('a program that ends is started again under the same name; the second end fails the attempt', async () => {
  await using site = await startSite({ runtime: new FakeRuntime('process') });
  const { coordinator, runtime } = site;
  await site.agent.connected();
  coordinator.lease(service());
  await runs(site, 1);
  assert.equal(runtime.attempts[0]?.request.limits.runMilliseconds, Number.POSITIVE_INFINITY);
  runtime.attempts[0]?.host.log('stderr', Buffer.from('half a line'));
  runtime.attempts[0]?.succeed();
  await runs(site, 2);
  assert.equal(runtime.attempts[1]?.request.attemptId, ID);
  // A cut changes nothing of it.
  coordinator.cut();
  await coordinator.until(() => coordinator.hellos.length === 2, 'the next session');
  assert.deepEqual(coordinator.hellos.at(-1)?.attempts, [{ attempt: NAME, state: 'running' }]);
  runtime.attempts[1]?.fail('exit-code', 'It broke.', 3);
  await coordinator.until(() => coordinator.ending(0) !== undefined, 'the end');
  const reports = coordinator.reports({ partition: 0 });
  assert.deepEqual(events(reports), ['start', 'starting 1', 'healthy 1', 'fail']);
  const ending = coordinator.ending(0);
  assert.ok(ending?.event === 'fail');
  assert.deepEqual([ending.reason, ending.exitCode, ending.usage.wallMilliseconds], ['exit-code', 3, 2]);
  assert.match(ending.message, /^It broke\. 1 restarts within 10m/);
  assert.equal(coordinator.log(0), 'half a line\n[fog: restart 1: The program ended.]\n');
  assert.deepEqual(coordinator.violations, []);
});

test('what a health check finds is told without the secrets in it', async () => {
  await using site = await startSite({ runtime: new FakeRuntime('process') });
  site.runtime.behaviour = (attempt) => {
    attempt.connect = () => Promise.reject(new Error('swordfish does not listen'));
  };
  await site.agent.connected();
  const health = { tcp: { port: 1 }, interval: '10ms', retries: 2 };
  const group = service({ health, env: { KEY: { secret: 'key' } } });
  site.coordinator.lease({ ...group, secrets: { key: 'swordfish' } });
  await runs(site, 2);
  const told = () => site.coordinator.reports().filter((report) => report.event === 'health');
  await site.coordinator.until(() => told().length >= 2, 'its health');
  const said = { event: 'health', message: '[secret] does not listen', restarts: 0 };
  assert.deepEqual(told().slice(0, 2), [
    { ...said, status: 'starting' },
    { ...said, status: 'unhealthy' },
  ]);
  assert.equal(site.runtime.attempts[0]?.killed, 'unhealthy');
});

test('tunnels lead to published ports of running attempts, and to nothing else', async () => {
  await using site = await startSite({ runtime: new FakeRuntime('process') });
  const { coordinator } = site;
  const ports: number[] = [];
  site.runtime.behaviour = (attempt) => {
    attempt.connect = async (port) => {
      ports.push(port);
      const [inside, outside] = duplexPair();
      inside.once('data', (heard: Buffer) => inside.end(`heard ${heard}`));
      return outside;
    };
  };
  await site.agent.connected();
  coordinator.lease(service({}, '1h'));
  await runs(site, 1);
  const ask = async (change: object) => {
    const id = String(coordinator.tunnels.length).padStart(22, 'x');
    coordinator.send({ type: 'tunnel', id, attempt: NAME, port: 8080, ...change });
    await coordinator.until(() => coordinator.tunnels.some((tunnel) => tunnel.id === id), 'a tunnel');
    return coordinator.tunnels.at(-1) ?? assert.fail();
  };
  const good = await ask({});
  assert.equal(good.authorization, `Bearer token-${coordinator.session}`);
  await good.stream.opened;
  good.stream.end('this');
  good.stream.setEncoding('utf8');
  assert.equal(String((await once(good.stream, 'data'))[0]), 'heard this');
  await assert.rejects((await ask({ port: 22 })).stream.opened, /does not publish port 22/);
  await assert.rejects((await ask({ attempt: { ...NAME, fence: 9 } })).stream.opened, /not on this node/);
  assert.deepEqual(ports, [8080]);
  site.runtime.attempts[0]?.succeed();
  await coordinator.until(() => coordinator.reports().some(({ event }) => event === 'health'), 'the end of the run');
  await assert.rejects((await ask({})).stream.opened, { code: 'unavailable' });
});

test('the next agent goes on with checks, ports and restarts of what it takes over', async () => {
  await using site = await startSite({ runtime: new OutlivingRuntime('process') });
  await site.agent.stop();
  const held = await HeldAttempts.open(join(site.folder, 'held'));
  const group = service({ health: { tcp: { port: 1 }, interval: '10ms' }, env: { MODE: 'fast' } });
  await held.remember(group, NAME);
  const runtime = new OutlivingRuntime('process');
  runtime.left.add(ID);
  runtime.behaviour = (attempt) => {
    attempt.connect = async () => duplexPair()[0];
  };
  await site.restart(runtime);
  await site.agent.connected();
  await site.coordinator.until(() => site.coordinator.reports().some(({ event }) => event === 'health'), 'its health');
  site.coordinator.send({ type: 'tunnel', id: 'a'.repeat(22), attempt: NAME, port: 8080 });
  await site.coordinator.until(() => site.coordinator.tunnels.length === 1, 'a tunnel');
  await site.coordinator.tunnels[0]?.stream.opened;
  runtime.attempts[0]?.fail('oom', 'Too much.');
  await site.coordinator.until(() => runtime.attempts.length === 2, 'the restart');
  assert.deepEqual(runtime.attempts[0]?.request.env, {});
  assert.equal(runtime.attempts[1]?.request.env.MODE, 'fast', 'it is started from the beginning');
  await site.coordinator.until(() => site.coordinator.reports().at(-1)?.event === 'health', 'its health');
  runtime.attempts[1]?.fail('oom', 'Too much.');
  await site.coordinator.until(() => site.coordinator.ending(0) !== undefined, 'the end');
  assert.deepEqual(site.coordinator.violations, []);
});

test('with secrets, what was taken over is not restarted here: they are gone', async () => {
  await using site = await startSite({ runtime: new OutlivingRuntime('process') });
  await site.agent.stop();
  const held = await HeldAttempts.open(join(site.folder, 'held'));
  await held.remember(service({ env: { KEY: { secret: 'key' } } }), NAME);
  const runtime = new OutlivingRuntime('process');
  runtime.left.add(ID);
  await site.restart(runtime);
  await site.agent.connected();
  runtime.attempts[0]?.succeed();
  await site.coordinator.until(() => site.coordinator.ending(0) !== undefined, 'the end');
  const ending = site.coordinator.ending(0);
  assert.ok(ending?.event === 'fail' && ending.reason === 'ended');
  assert.match(ending.message, /its secrets are gone/);
});

test('a node that drains does not wait for what has no end', async () => {
  await using site = await startSite({ runtime: new FakeRuntime('process') });
  await site.agent.connected();
  site.coordinator.lease(service());
  await runs(site, 1);
  await site.agent.drain(60_000);
  const ending = site.coordinator.ending(0);
  assert.ok(ending?.event === 'fail' && ending.reason === 'drained');
  assert.equal(site.coordinator.goodbyes, 1);
});

test('a way into the sandbox is made where it is needed', () => {
  const inbound = (task: object) => {
    const { spec } = service({ ports: undefined, ...task });
    const program = programOf(spec.spec, { cache: { pathOf: () => '' }, roots: { pathOf: () => '' } });
    return program !== null && 'network' in program && program.network.inbound;
  };
  const docker = { runtime: 'docker', docker: { image: 'busybox' }, process: undefined };
  assert.equal(inbound({}), false);
  assert.equal(inbound({ ports: [{ name: 'web', port: 80 }] }), true);
  assert.equal(inbound({ health: { command: ['/bin/check'] } }), true);
  assert.equal(inbound({ health: { command: ['/bin/check'] }, ...docker }), false);
  assert.equal(inbound({ health: { tcp: { port: 80 } }, ...docker }), true);
});
