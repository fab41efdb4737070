/** Work that gives way to other work, and work that waits for it: with real agents, as a user meets it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { JobSpecInput, TaskWithAttempts } from '@fog/contract';
import { Fog, type JobHandle } from '@fog/sdk';
import { skipProcess } from '../../packages/runtimes/test/process/programs.ts';
import { fog as command, type FogProcess, startFog, temporaryFolder } from '../support/fog-process.ts';

type TaskInput = JobSpecInput['spec']['task'];

const SCRIPTS = { 'endless.js': 'export default () => { for (;;) {} };', 'quick.js': 'export default () => 7;' };
const endless: TaskInput = { runtime: 'javascript', javascript: { script: 'endless.js' } };
const quick: TaskInput = { runtime: 'javascript', javascript: { script: 'quick.js' } };

let data: string;
let running: FogProcess;
let fog: Fog;
/** All processors of the only node. */
let cpu: string;

function run(task: TaskInput, spec: Partial<JobSpecInput['spec']> = {}): Promise<JobHandle> {
  const resources = { cpu, memory: '64Mi', disk: '1Mi' };
  return fog.run({ kind: 'Job', spec: { ...spec, task: { resources, ...task } } }, { files: SCRIPTS });
}

const taskOf = (job: JobHandle): Promise<TaskWithAttempts> =>
  fog.client.call('getTask', { params: { job: job.id, partition: 0 } });

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await condition()) return;
    await pause(50);
  }
  assert.fail(`waited in vain for ${what}`);
}

const isRunning = (job: JobHandle) => async () => (await taskOf(job)).attempts.at(-1)?.state === 'running';

describe('work gives way, and waits for other work', { timeout: 60_000 }, () => {
  before(async () => {
    data = temporaryFolder('flow');
    running = await startFog(data, ['--nodes', '1']);
    fog = await Fog.connect({ dataDirectory: data, environment: {} });
    const { items } = await fog.client.call('listNodes', { query: {} });
    cpu = `${items[0]?.description.capacity.milliCpu}m`;
  });
  after(() => running.interrupt());

  test('spot work gives its place up at once, nothing has failed, and it goes on afterwards', async () => {
    const spot = await run(endless, { spot: true, priority: 90 });
    await until('the start of the spot work', isRunning(spot));
    const urgent = await run(quick);
    const { job } = await urgent.wait({ timeoutMilliseconds: 15_000 });
    assert.equal(job.state, 'completed');
    await until('its next start', isRunning(spot));
    const { attempts, jobFailures, nodeFailures } = await taskOf(spot);
    assert.deepEqual(
      attempts.map(({ state }) => state),
      ['yielded', 'running'],
    );
    assert.deepEqual([jobFailures, nodeFailures], [0, 0]);
    const { stdout } = await command(data, 'job', 'events', spot.id);
    assert.match(stdout, /task\.yielded .*its job is spot/);
    await spot.cancel();
  });

  test('with checkpoints it goes on from where it was', { skip: skipProcess }, async () => {
    const script =
      'trap "exit 143" TERM; n=$(cat /checkpoint/n 2>/dev/null || echo 0); echo "from $n"; while [ $n -lt 60 ]; do n=$((n + 1)); echo $n > /checkpoint/n; sleep 0.05; done';
    const spot = await run(
      { runtime: 'process', process: { command: ['/bin/sh', '-c', script] }, checkpoint: {} },
      { spot: true },
    );
    await until('the start of the spot work', isRunning(spot));
    await pause(500);
    await (await run(quick)).wait({ timeoutMilliseconds: 15_000 });
    const { job } = await spot.wait({ timeoutMilliseconds: 15_000 });
    assert.equal(job.state, 'completed');
    const page = await fog.client.call('jobLogs', { params: { job: spot.id } });
    const log = page.items.map(({ text }) => text).join('');
    assert.match(log, /from 0\n[\s\S]*from [1-9]/);
  });

  test('a file of several jobs runs in their order, and a failure ends those that wait for it', async () => {
    for (const [name, text] of Object.entries({
      ...SCRIPTS,
      'bad.js': 'export default () => { throw new Error("no"); };',
    })) {
      writeFileSync(join(data, name), text);
    }
    const document = (name: string, script: string, dependsOn: string[]) =>
      JSON.stringify({
        kind: 'Job',
        metadata: { name },
        spec: {
          task: { runtime: 'javascript', javascript: { script }, resources: { cpu, memory: '64Mi', disk: '1Mi' } },
          ...(dependsOn.length === 0 ? {} : { dependsOn }),
        },
      });
    const good = [
      document('c', 'quick.js', ['a', 'b']),
      document('b', 'quick.js', ['a']),
      document('a', 'quick.js', []),
    ];
    writeFileSync(join(data, 'good.yaml'), good.join('\n---\n'));
    const ran = await command(data, 'run', join(data, 'good.yaml'), '--json');
    assert.equal(ran.code, 0, ran.stderr);
    const ended = (JSON.parse(ran.stdout).items as { job: { name: string; endedAt: number } }[]).map(({ job }) => job);
    const order = ended.toSorted((left, right) => left.endedAt - right.endedAt).map(({ name }) => name);
    assert.deepEqual(order, ['a', 'b', 'c']);

    const bad = [document('d', 'bad.js', []), document('e', 'quick.js', ['d'])];
    writeFileSync(join(data, 'bad.yaml'), bad.join('\n---\n'));
    const failed = await command(data, 'run', join(data, 'bad.yaml'));
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /dependency-failed: a job that it waited for did not complete: j/);

    const circle = [document('f', 'quick.js', ['g']), document('g', 'quick.js', ['f'])];
    writeFileSync(join(data, 'circle.yaml'), circle.join('\n---\n'));
    const refused = await command(data, 'run', join(data, 'circle.yaml'));
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /f -> g -> f|g -> f -> g/);
  });
});
