/** Checkpoints, yields, suspensions and drains of an agent whose programs are objects. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import {
  type AttemptReport,
  type CoordinatorFrame,
  decodeFolderManifest,
  encodeFolderManifest,
  type JobSpecInput,
  type LeaseGroup,
} from '@fog/contract';
import { type Site, startSite } from './agent-under-test.ts';
import { digestOf, JOB, leaseGroup } from './fake-coordinator.ts';
import { type FakeAttempt, FakeRuntime } from './fake-runtime.ts';

const NAME = { job: JOB, partition: 0, fence: 1 };
const LONG = 600_000;

type Yield = Extract<AttemptReport, { event: 'yield' }>;

async function started(
  checkpoint: JobSpecInput['spec']['task']['checkpoint'] | null = {},
  { canPause = true, isSlow = false } = {},
): Promise<Site> {
  const runtime = new FakeRuntime('process');
  runtime.behaviour = (attempt) => {
    attempt.canPause = canPause;
  };
  runtime.isSlow = isSlow;
  const site = await startSite({ runtime });
  await site.agent.connected();
  site.coordinator.lease(processGroup(checkpoint, { partition: 0, fence: 1 }));
  return site;
}

function processGroup(
  checkpoint: JobSpecInput['spec']['task']['checkpoint'] | null,
  lease: LeaseGroup['leases'][number],
  resources: JobSpecInput['spec']['task']['resources'] = { cpu: '100m', memory: '1Mi', disk: '1Mi' },
): LeaseGroup {
  const process = { command: ['/bin/true'] };
  const task = { runtime: 'process' as const, process, resources, ...(checkpoint === null ? {} : { checkpoint }) };
  return { ...leaseGroup([], { task }), leases: [lease] };
}

async function running(site: Site): Promise<FakeAttempt & { folder: string }> {
  await site.coordinator.until(() => site.runtime.attempts.length === 1, 'the start');
  const attempt = site.runtime.attempts[0] as FakeAttempt;
  return Object.assign(attempt, { folder: attempt.request.checkpoint?.hostPath ?? '' });
}

async function ending(site: Site): Promise<AttemptReport> {
  await site.coordinator.until(() => site.coordinator.ending(0) !== undefined, 'the end');
  return site.coordinator.ending(0) as AttemptReport;
}

/** Files of a checkpoint as the coordinator has them. */
function stored(site: Site, manifest: string | undefined): Record<string, string> {
  const text = site.coordinator.blobs.get(manifest ?? '')?.toString() ?? '';
  return Object.fromEntries(
    decodeFolderManifest(text).map(({ path, digest }) => [path, site.coordinator.blobs.get(digest)?.toString() ?? '']),
  );
}

function put(site: Site, files: Record<string, string>): string {
  const entries = Object.entries(files).map(([path, text]) => {
    const bytes = Buffer.from(text);
    site.coordinator.blobs.set(digestOf(bytes), bytes);
    return { path, digest: digestOf(bytes), bytes: bytes.length };
  });
  const manifest = Buffer.from(encodeFolderManifest(entries));
  site.coordinator.blobs.set(digestOf(manifest), manifest);
  return digestOf(manifest);
}

const events = (site: Site) => site.coordinator.reports().map(({ event }) => event);
const order = (site: Site, type: 'suspend' | 'resume', keepLeaseMilliseconds = LONG) =>
  site.coordinator.send(
    type === 'suspend' ? { type, attempts: [NAME], keepLeaseMilliseconds } : { type, attempts: [NAME] },
  );

test('a program that ends with code 85 yields what it has left, and nothing stays on the node', async () => {
  await using site = await started();
  const attempt = await running(site);
  assert.deepEqual([await readdir(attempt.folder), attempt.request.env.FOG_RESTORED], [[], '0']);
  await mkdir(join(attempt.folder, 'deep'));
  await writeFile(join(attempt.folder, 'deep/n'), '3');
  attempt.fail('exit-code', 'it ended with code 85', 85);
  const report = (await ending(site)) as Yield;
  assert.deepEqual([report.event, report.reason, report.checkpoint?.files], ['yield', 'exit-85', 1]);
  assert.deepEqual(stored(site, report.checkpoint?.manifest), { 'deep/n': '3' });
  await site.coordinator.until(() => !existsSync(dirname(attempt.folder)), 'the removal');
  assert.deepEqual(await readdir(join(site.folder, 'checkpoints')), []);
});

test('the next attempt finds the checkpoint and may go on writing', async () => {
  await using site = await started();
  const manifest = put(site, { n: '3', 'deep/m': '4' });
  site.coordinator.lease(processGroup({}, { partition: 1, fence: 1, checkpoint: manifest }));
  await site.coordinator.until(() => site.runtime.attempts.length === 2, 'the start');
  const attempt = site.runtime.attempts.find(({ request }) => request.env.FOG_RESTORED === '1');
  const folder = attempt?.request.checkpoint?.hostPath ?? '';
  assert.equal(await readFile(join(folder, 'deep/m'), 'utf8'), '4');
  await writeFile(join(folder, 'n'), '5');
  attempt?.fail('exit-code', 'again', 85);
  await site.coordinator.until(() => site.coordinator.ending(1) !== undefined, 'the end');
  const report = site.coordinator.ending(1) as Yield;
  assert.deepEqual(stored(site, report.checkpoint?.manifest), { n: '5', 'deep/m': '4' });
});

test('code 85 with nothing, or with what cannot be kept, is a failure with its reason', async () => {
  for (const [reason, prepare] of [
    ['output-missing', async () => {}],
    ['output-invalid', (folder: string) => symlink('/etc/passwd', join(folder, 'link'))],
    ['output-too-large', (folder: string) => writeFile(join(folder, 'large'), Buffer.alloc(2 << 20))],
  ] as const) {
    await using site = await started();
    const attempt = await running(site);
    await prepare(attempt.folder);
    attempt.fail('exit-code', 'it ended with code 85', 85);
    const report = await ending(site);
    assert.deepEqual(report.event === 'fail' && report.reason, reason);
  }
});

test('without checkpoints, code 85 is a code like others', async () => {
  await using site = await started(null);
  const attempt = await running(site);
  assert.deepEqual([attempt.request.checkpoint, attempt.request.env.FOG_RESTORED], [null, undefined]);
  attempt.fail('exit-code', 'it ended with code 85', 85);
  assert.deepEqual(Object.entries(await ending(site)).slice(0, 2), [
    ['event', 'fail'],
    ['reason', 'exit-code'],
  ]);
});

test('what another node has left is checked: names, sizes, and that it fits', async () => {
  const outside = Buffer.from(
    JSON.stringify({ fogFolder: 1, entries: [{ path: '../out', digest: digestOf(Buffer.from('x')), bytes: 1 }] }),
  );
  for (const [make, message] of [
    [() => outside, /must be a relative path/],
    [(site: Site) => site.coordinator.blobs.get(put(site, { a: 'x'.repeat(2000) })), /has 2000 bytes/],
    [() => Buffer.from('no manifest'), /not JSON/],
  ] as const) {
    await using site = await started({}, { isSlow: true });
    const bytes = make(site) ?? Buffer.alloc(0);
    site.coordinator.blobs.set(digestOf(bytes), bytes);
    const resources = { cpu: '100m', memory: '1Mi', disk: '1Ki' };
    site.coordinator.lease(processGroup({}, { partition: 1, fence: 1, checkpoint: digestOf(bytes) }, resources));
    await site.coordinator.until(() => site.coordinator.ending(1) !== undefined, 'the end');
    const report = site.coordinator.ending(1);
    assert.ok(report?.event === 'fail');
    assert.equal(report.reason, 'staging');
    assert.match(report.message, message);
    await site.coordinator.until(() => !existsSync(join(site.folder, 'checkpoints', `${JOB}.1.1`)), 'the removal');
  }
});

test('each period a checkpoint is taken of a frozen program; what has not changed is not sent again', async () => {
  await using site = await started({ every: '1s' });
  const attempt = await running(site);
  const constant = Buffer.alloc(100_000, 'c');
  await writeFile(join(attempt.folder, 'constant'), constant);
  await writeFile(join(attempt.folder, 'n'), '1');
  const checkpoints = () => site.coordinator.reports().filter(({ event }) => event === 'checkpoint');
  await site.coordinator.until(() => checkpoints().length === 1, 'the first');
  await writeFile(join(attempt.folder, 'n'), '2');
  await site.coordinator.until(() => checkpoints().length === 2, 'the second');
  const sent = site.coordinator.requests.filter((request) => request.includes(digestOf(constant)));
  assert.deepEqual(
    sent.map((request) => request.split(' ')[0]),
    ['HEAD', 'PUT'],
  );
  assert.ok(attempt.pauses >= 2);
  assert.equal(attempt.isPaused, false);
  attempt.succeed();
  assert.equal((await ending(site)).event, 'succeed');
});

test('a suspended attempt stands still, leaves a checkpoint, keeps its place over a cut, and goes on', async () => {
  await using site = await started();
  const attempt = await running(site);
  await writeFile(join(attempt.folder, 'n'), '1');
  order(site, 'suspend');
  await site.coordinator.until(() => events(site).includes('checkpoint'), 'the checkpoint');
  assert.deepEqual(events(site), ['start', 'suspend', 'checkpoint']);
  assert.equal(attempt.isPaused, true);
  site.coordinator.cut();
  await site.coordinator.until(() => site.coordinator.hellos.length === 2, 'the next session');
  assert.deepEqual(site.coordinator.hellos.at(-1)?.attempts, [{ attempt: NAME, state: 'suspended' }]);
  order(site, 'resume');
  await site.coordinator.until(() => events(site).includes('resume'), 'the resume');
  assert.equal(attempt.isPaused, false);
  attempt.succeed();
  assert.equal((await ending(site)).event, 'succeed');
});

test('when it may not keep its place any longer it yields with its checkpoint, if it has any', async () => {
  for (const checkpoint of [{}, null]) {
    await using site = await started(checkpoint);
    const attempt = await running(site);
    if (checkpoint !== null) await writeFile(join(attempt.folder, 'n'), '1');
    order(site, 'suspend', 50);
    const report = (await ending(site)) as Yield;
    assert.deepEqual([report.event, report.reason], ['yield', 'suspended']);
    assert.equal(attempt.killed, 'drained');
    if (checkpoint === null) assert.equal(report.checkpoint, null);
    else assert.deepEqual(stored(site, report.checkpoint?.manifest), { n: '1' });
  }
});

test('a suspended attempt can be cancelled', async () => {
  await using site = await started();
  const attempt = await running(site);
  order(site, 'suspend');
  await site.coordinator.until(() => events(site).includes('suspend'), 'the suspension');
  site.coordinator.send({ type: 'stop', attempts: [{ attempt: NAME, reason: 'cancelled' }] });
  await site.coordinator.until(() => attempt.killed === 'cancelled', 'the kill');
  await site.coordinator.until(() => !existsSync(attempt.folder), 'the removal');
  assert.equal(site.coordinator.ending(0), undefined);
});

test('what cannot be frozen runs on, and its log says so', async () => {
  await using site = await started(null, { canPause: false });
  const attempt = await running(site);
  order(site, 'suspend', 50);
  await site.coordinator.until(() => site.coordinator.log(0).includes('runs on'), 'the note');
  attempt.succeed();
  assert.equal((await ending(site)).event, 'succeed');
  assert.ok(!events(site).includes('suspend'));
});

test('an attempt whose program has not begun gives its place up at once', async () => {
  await using site = await started({}, { isSlow: true });
  await running(site);
  order(site, 'suspend');
  const report = (await ending(site)) as Yield;
  assert.deepEqual([report.event, report.reason, report.checkpoint], ['yield', 'suspended', null]);
});

test('a drain asks the program to end and takes what it leaves; what ends well has ended well', async () => {
  for (const [end, expected] of [
    [(attempt: FakeAttempt) => attempt.fail('exit-code', 'by SIGTERM', 143), 'yield'],
    [(attempt: FakeAttempt) => attempt.succeed(), 'succeed'],
    [() => undefined, 'yield'],
  ] as const) {
    await using site = await started({ grace: '300ms' });
    const attempt = await running(site);
    await writeFile(join(attempt.folder, 'n'), '1');
    const drained = site.agent.drain(LONG);
    await site.coordinator.until(() => attempt.terminated === 1, 'SIGTERM');
    end(attempt);
    const report = await ending(site);
    assert.equal(report.event, expected);
    if (report.event === 'yield') assert.deepEqual(stored(site, report.checkpoint?.manifest), { n: '1' });
    await drained;
    assert.equal(site.coordinator.goodbyes, 1);
  }
});

test('what is told to leave yields: at once without checkpoints, else with a last one; what ends well has ended well', async () => {
  const end143 = (attempt: FakeAttempt) => attempt.fail('exit-code', 'by SIGTERM', 143);
  const succeed = (attempt: FakeAttempt) => attempt.succeed();
  for (const [checkpoint, graceMilliseconds, end, expected] of [
    [null, LONG, null, 'yield'],
    [{ grace: '10m' }, LONG, end143, 'yield'],
    [{ grace: '10m' }, LONG, succeed, 'succeed'],
    [{ grace: '50ms' }, LONG, () => undefined, 'yield'],
    [{ grace: '10m' }, 50, () => undefined, 'yield'],
  ] as const) {
    await using site = await started(checkpoint);
    const attempt = await running(site);
    if (checkpoint !== null) await writeFile(join(attempt.folder, 'n'), '1');
    const frame: CoordinatorFrame = { type: 'yield', attempts: [NAME], reason: 'preempted', graceMilliseconds };
    site.coordinator.send(frame);
    site.coordinator.send(frame);
    if (end !== null) await site.coordinator.until(() => attempt.terminated === 1, 'SIGTERM');
    end?.(attempt);
    const report = await ending(site);
    assert.equal(report.event, expected);
    if (report.event !== 'yield') continue;
    assert.equal(report.reason, 'preempted');
    if (checkpoint === null) assert.equal(report.checkpoint, null);
    else assert.deepEqual(stored(site, report.checkpoint?.manifest), { n: '1' });
  }
});

test('what is told to leave before its program has begun, or while it stands still, leaves at once', async () => {
  await using slow = await started({ grace: '10m' }, { isSlow: true });
  await running(slow);
  const frame: CoordinatorFrame = { type: 'yield', attempts: [NAME], reason: 'moved', graceMilliseconds: LONG };
  slow.coordinator.send(frame);
  const early = (await ending(slow)) as Yield;
  assert.deepEqual([early.event, early.reason, early.checkpoint], ['yield', 'moved', null]);
  await using site = await started({ grace: '10m' });
  const attempt = await running(site);
  await writeFile(join(attempt.folder, 'n'), '1');
  order(site, 'suspend');
  await site.coordinator.until(() => events(site).includes('suspend'), 'the suspension');
  site.coordinator.send(frame);
  const report = (await ending(site)) as Yield;
  assert.deepEqual([report.event, report.reason], ['yield', 'moved']);
  assert.deepEqual(stored(site, report.checkpoint?.manifest), { n: '1' });
});

test('a drain at its deadline does not wait for a checkpoint that cannot be stored', async () => {
  await using site = await started({ grace: '10ms' });
  const attempt = await running(site);
  await writeFile(join(attempt.folder, 'n'), '1');
  site.coordinator.onRequest = (request, response) => {
    if (request.method !== 'PUT') return false;
    response.destroy();
    return true;
  };
  void site.agent.drain(500);
  const report = await ending(site);
  assert.deepEqual([report.event, report.event === 'fail' && report.reason], ['fail', 'drained']);
});
