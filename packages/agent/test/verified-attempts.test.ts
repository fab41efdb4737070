/** Verified attempts on a node: it commits, makes room, keeps its outputs, and shows them when it is asked. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { commitmentOf, resultDigest, verifyResultSignature } from '@fog/verification';
import { startSite } from './agent-under-test.ts';
import { digestOf, type FakeCoordinator, JOB, leaseGroup } from './fake-coordinator.ts';
import type { FakeAttempt } from './fake-runtime.ts';

const TASK = { outputs: [{ name: 'result', path: '/result' }] };
const verified = (partitions: number[]) => leaseGroup(partitions, { task: TASK, group: { verified: true } });
const nameOf = (partition: number) => ({ job: JOB, partition, fence: 1 });

function produce(data: Buffer): (attempt: FakeAttempt) => void {
  return (attempt) => {
    attempt.host.log('stdout', Buffer.from('done\n'));
    attempt.succeed([{ name: 'result', type: 'file', files: [{ relativePath: '', content: { data } }] }]);
  };
}

function commitmentIn(coordinator: FakeCoordinator, partition: number): string | undefined {
  const report = coordinator.reports({ partition }).find(({ event }) => event === 'commit');
  return report?.event === 'commit' ? report.commitment : undefined;
}

async function committed(coordinator: FakeCoordinator, ...partitions: number[]): Promise<void> {
  await coordinator.until(
    () => partitions.every((partition) => commitmentIn(coordinator, partition) !== undefined),
    `commitments of ${partitions.join(', ')}`,
  );
}

test('nothing of a result is told or stored before it is asked for; what is shown then opens the commitment', async () => {
  await using site = await startSite();
  const { coordinator, runtime, agent } = site;
  const data = Buffer.from('42');
  runtime.behaviour = produce(data);
  await agent.connected();
  coordinator.lease(verified([0]));
  await committed(coordinator, 0);
  assert.equal(coordinator.log(0), 'done\n', 'the log goes before the commitment');
  assert.equal(coordinator.blobs.has(digestOf(data)), false);
  assert.equal(coordinator.ending(0), undefined);
  coordinator.send({ type: 'reveal', attempts: [nameOf(0)] });
  await coordinator.until(() => coordinator.ending(0) !== undefined, 'the result');
  const ending = coordinator.ending(0);
  assert(ending?.event === 'succeed' && ending.result !== undefined);
  assert.equal(coordinator.blobs.get(digestOf(data))?.toString(), '42');
  const { digest, nonce, signature } = ending.result;
  const canonical = { name: 'result', path: '/result', digest: digestOf(data), bytes: 2 };
  assert.equal(digest, resultDigest({ exitCode: 0, stdout: null, outputs: [canonical] }));
  assert.equal(commitmentIn(coordinator, 0), commitmentOf({ digest, nonce, nodeId: agent.nodeId }));
  const publicKey = coordinator.hellos[0]?.publicKey ?? '';
  assert.ok(verifyResultSignature({ ...nameOf(0), nodeId: agent.nodeId, digest }, publicKey, signature));
  assert.deepEqual(coordinator.violations, []);
});

test('a committed attempt gives up its slot, and keeps its disk', async () => {
  await using site = await startSite({ settings: { slots: 1, cpu: 1, disk: '1Mi' } });
  const { coordinator, runtime, agent } = site;
  runtime.behaviour = produce(Buffer.from('42'));
  await agent.connected();
  const small = (partitions: number[]) =>
    leaseGroup(partitions, {
      task: { ...TASK, resources: { cpu: '1', memory: '1Mi', disk: '400Ki' } },
      group: { verified: true },
    });
  coordinator.lease(small([0]));
  await committed(coordinator, 0);
  coordinator.lease(small([1]));
  await committed(coordinator, 1);
  coordinator.lease(small([2]));
  await coordinator.until(() => coordinator.ending(2) !== undefined, 'an answer to the third');
  const third = coordinator.ending(2);
  assert(third?.event === 'decline');
  assert.match(third.message, /bytes of disk/);
  assert.equal(runtime.mostAtOnce, 1);
  coordinator.send({ type: 'reveal', attempts: [nameOf(0), nameOf(1), nameOf(7)] });
  await coordinator.until(() => coordinator.ending(0) !== undefined && coordinator.ending(1) !== undefined, 'results');
});

test('a committed attempt outlives a cut, and is shown when it is asked for after it', async () => {
  await using site = await startSite();
  const { coordinator, runtime, agent } = site;
  runtime.behaviour = produce(Buffer.from('42'));
  await agent.connected();
  coordinator.lease(verified([0]));
  await committed(coordinator, 0);
  coordinator.cut();
  await coordinator.until(() => coordinator.hellos.length === 2, 'another hello');
  assert.deepEqual(coordinator.hellos[1]?.attempts, [{ attempt: nameOf(0), state: 'committed' }]);
  await coordinator.until(() => coordinator.socket !== null, 'a session');
  coordinator.send({ type: 'reveal', attempts: [nameOf(0)] });
  await coordinator.until(() => coordinator.ending(0) !== undefined, 'the result');
});

test('nobody is bound to what the coordinator would not take', async () => {
  await using site = await startSite({
    prepare: (coordinator) => {
      coordinator.blobBytes = 10;
    },
  });
  const { coordinator, runtime, agent } = site;
  runtime.behaviour = produce(Buffer.alloc(11));
  await agent.connected();
  coordinator.lease(verified([0]));
  await coordinator.until(() => coordinator.ending(0) !== undefined, 'an end');
  const ending = coordinator.ending(0);
  assert.ok(ending?.event === 'fail' && ending.reason === 'output-too-large');
  assert.match(ending.message, /output "result" has 11 bytes, the coordinator takes 10/);
  assert.equal(commitmentIn(coordinator, 0), undefined);
});

test('large outputs wait on the disk, and are gone when they are stored or not wanted', async () => {
  await using site = await startSite();
  const { coordinator, runtime, agent, folder } = site;
  const data = Buffer.alloc(200_000, 'x');
  runtime.behaviour = produce(data);
  await agent.connected();
  coordinator.lease(verified([0, 1]));
  await committed(coordinator, 0, 1);
  const kept = join(folder, 'scratch', 'committed');
  assert.deepEqual((await readdir(kept)).sort(), [`${JOB}.0.1`, `${JOB}.1.1`]);
  coordinator.send({ type: 'reveal', attempts: [nameOf(0)] });
  coordinator.send({ type: 'stop', attempts: [{ attempt: nameOf(1), reason: 'superseded' }] });
  await coordinator.until(() => coordinator.ending(0) !== undefined, 'the result');
  assert.equal(coordinator.blobs.get(digestOf(data))?.length, data.length);
  for (let left = await readdir(kept); left.length > 0; left = await readdir(kept)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(coordinator.ending(1), undefined, 'who was stopped reports nothing');
});

test('a program that fails commits to nothing', async () => {
  await using site = await startSite();
  const { coordinator, runtime, agent } = site;
  runtime.behaviour = (attempt) => attempt.fail('exit-code', 'no luck', 3);
  await agent.connected();
  coordinator.lease(verified([0]));
  await coordinator.until(() => coordinator.ending(0) !== undefined, 'the outcome');
  assert.equal(coordinator.ending(0)?.event, 'fail');
  assert.equal(commitmentIn(coordinator, 0), undefined);
});
