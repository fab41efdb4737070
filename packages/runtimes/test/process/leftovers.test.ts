/** What is left on the machine after attempts, after kills, and after the death of an agent: nothing. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { findCgroups, releaseCgroups } from '../../src/process/cgroups.ts';
import { createProcessRuntime } from '../../src/process/index.ts';
import { createStage, HostRecord, type TestStage, within } from '../runtime-stage.ts';
import { shell, skipCompiler, skipProcess } from './programs.ts';

const hierarchy = findCgroups('n-look-left');
if (hierarchy !== null) releaseCgroups(hierarchy);

/** Stands in the command lines of this run's programs and of no other's. */
const MARK = `fog-leak-mark-${process.pid}`;

interface Leftovers {
  processes: number;
  groups: string[];
  files: string[];
  mounts: number;
}

/** What is left on this machine of a runtime with this node id and scratch folder. */
async function leftovers(nodeId: string, scratchDirectory: string): Promise<Leftovers> {
  const found = findCgroups(nodeId);
  const folders = [...new Set(found?.folders.values() ?? [])];
  const groups: string[] = [];
  for (const folder of folders) {
    const entries = await readdir(folder, { withFileTypes: true });
    groups.push(...entries.flatMap((entry) => (entry.isDirectory() ? [join(folder, entry.name)] : [])));
  }
  if (found !== null) releaseCgroups(found);
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return {
    processes: lines.filter((line) => line.includes(MARK)).length,
    groups,
    files: await readdir(scratchDirectory),
    // Only those of this folder: other tests mount things of their own at the same time.
    mounts: mounts.split('\n').filter((line) => line.includes(scratchDirectory)).length,
  };
}

describe('process runtime: leftovers', { skip: skipProcess }, () => {
  let stage: TestStage;
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fog-process-'));
    stage = await createStage();
  });
  after(async () => {
    await stage[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  for (const cgroups of ['if-possible', 'never'] as const) {
    it(`a program that ignores every signal dies, with all it started, control groups ${cgroups}`, async () => {
      const own = createProcessRuntime({ ...stage.settings(2), nodeId: `n-signals-${process.pid}` }, { cgroups });
      const host = new HostRecord();
      const script = `trap '' TERM INT HUP; setsid sh -c "trap '' TERM; echo ${MARK}; sleep 100" & wait`;
      const attempt = own.start(shell(stage, script, { args: [MARK] }), host);
      await host.waitForLog();
      attempt.kill('cancelled', 'Enough.');
      await attempt.outcome;
      await own.close();
      assert.equal((await leftovers(`n-signals-${process.pid}`, stage.settings(1).scratchDirectory)).processes, 0);
    });
  }

  it('background processes end with the program, and nothing is left', async () => {
    const settings = {
      ...stage.settings(2),
      scratchDirectory: join(folder, 'scratch'),
      nodeId: `n-leaks-${process.pid}`,
    };
    await mkdir(settings.scratchDirectory);
    const before = await leftovers(settings.nodeId, settings.scratchDirectory);
    const own = createProcessRuntime(settings, { forwarderCacheDirectory: join(folder, 'forwarder') });
    const part = { args: [MARK] };
    const network = skipCompiler === false ? { allow: ['example.com:443'], inbound: true } : undefined;
    const scripts = [
      'sleep 100 & exit 0',
      'exit 3',
      'mkdir -p /tmp/a/b; chmod 0 /tmp/a; exit 0',
      'tail /dev/zero',
      'sleep 100',
    ];
    const outcomes = scripts.map((script) => {
      const attempt = own.start(shell(stage, script, part, network === undefined ? {} : { network }), new HostRecord());
      if (script === 'sleep 100') setTimeout(() => attempt.kill('cancelled', 'Enough.'), 300);
      return within(attempt.outcome, script);
    });
    const statuses = (await Promise.all(outcomes)).map((outcome) =>
      'reason' in outcome ? outcome.reason : 'succeeded',
    );
    assert.deepEqual(statuses, ['succeeded', 'exit-code', 'succeeded', 'oom', 'cancelled']);
    await own.close();
    assert.deepEqual(await leftovers(settings.nodeId, settings.scratchDirectory), { ...before, files: [], groups: [] });
  });

  it('dies with the agent, and the next one reaps what is left', async () => {
    const settings = {
      ...stage.settings(2),
      scratchDirectory: join(folder, 'reaped'),
      nodeId: `n-reaped-${process.pid}`,
    };
    await mkdir(settings.scratchDirectory);
    const agent = spawn(process.execPath, ['--input-type=module', '-e', AGENT_PROGRAM], {
      env: {
        ...process.env,
        FOG_TEST: JSON.stringify({ settings, mark: MARK, index: join(import.meta.dirname, '../../src/index.ts') }),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(agent.stdout, 'data');
    assert.ok((await leftovers(settings.nodeId, settings.scratchDirectory)).processes >= 1);
    agent.kill('SIGKILL');
    await once(agent, 'exit');
    for (let wait = 0; wait < 100; wait += 1) {
      if ((await leftovers(settings.nodeId, settings.scratchDirectory)).processes === 0) break;
      await sleep(20);
    }
    const left = await leftovers(settings.nodeId, settings.scratchDirectory);
    assert.equal(left.processes, 0);
    assert.deepEqual(left.files, ['left', 'without-mark']);
    if (hierarchy !== null) assert.ok(left.groups.length >= 1);
    const next = createProcessRuntime(settings);
    await next.reap?.();
    await next.close();
    const reaped = await leftovers(settings.nodeId, settings.scratchDirectory);
    assert.deepEqual([reaped.groups, reaped.files], [[], []]);
  });
});

/** An agent that starts an attempt, says so, and waits to be killed. */
const AGENT_PROGRAM = `
  import { mkdirSync } from 'node:fs';
  const { settings, mark, index } = JSON.parse(process.env.FOG_TEST);
  const { createProcessRuntime } = await import(index);
  mkdirSync(settings.scratchDirectory + '/without-mark');
  createProcessRuntime(settings).start({
    attemptId: 'left',
    program: { runtime: 'process', command: ['sh', '-c', 'echo begun; sleep 100', mark], rootPath: null,
      workingDirectory: '/tmp', network: { allow: [], inbound: false } },
    args: [], env: {}, stdin: null, inputs: [], outputs: [], checkpoint: null, partition: { index: 0, count: 1 },
    limits: { memoryBytes: 1 << 26, runMilliseconds: 60000, diskBytes: 1 << 20, files: 10, milliCpu: 1000, processes: 10 },
    seed: new Uint8Array(32), submittedAtMilliseconds: 0, trusted: true,
  }, { started() {}, log() { process.stdout.write('begun'); }, progress() {} });
  setInterval(() => {}, 1000);
`;
