/** A service through a whole fog: deployed, killed, scaled, updated, badly updated, removed. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Deployment } from '@fog/contract';
import { type CommandRun, fog as command } from '../../packages/cli/test/test-terminal.ts';
import { skipProcess } from '../../packages/runtimes/test/process/programs.ts';
import { type FogProcess, startFog, temporaryFolder } from '../support/fog-process.ts';

const data = temporaryFolder('deployments');
/** Seconds that nothing else on this machine sleeps, so that its processes can be found. */
const SECONDS = `${100_000 + process.pid}`;

function write(name: string, command: string[], spec: object = {}): string {
  const path = join(data, name);
  const resources = { cpu: '100m', memory: '32Mi', disk: '1Mi' };
  const task = { runtime: 'process', process: { command }, resources };
  const update = { healthyFor: '500ms', deadline: '30s' };
  const document = {
    kind: 'Job',
    metadata: { name: 'web' },
    spec: { type: 'service', count: 2, update, ...spec, task },
  };
  writeFileSync(path, JSON.stringify(document));
  return path;
}

function fog(...args: string[]): Promise<CommandRun> {
  return command(args, { environment: { FOG_DATA: data } });
}

async function status(): Promise<Deployment> {
  return JSON.parse((await fog('rollout', 'status', 'web', '--json')).stdout) as Deployment;
}

async function until(what: string, holds: (deployment: Deployment) => boolean): Promise<Deployment> {
  for (let tries = 0; tries < 150; tries += 1) {
    const deployment = await status();
    if (holds(deployment)) return deployment;
    await pause(200);
  }
  assert.fail(`${what}: ${JSON.stringify(await status())}`);
}

/** Ids of the sleeping programs themselves, without the launchers that hold their command line as well. */
function sleepers(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `/bin/sleep\0${SECONDS}\0`;
      } catch {
        return false;
      }
    });
}

describe('a service', { skip: skipProcess }, () => {
  let running: FogProcess;
  before(async () => {
    // Room for one more than it has, whatever the machine.
    writeFileSync(join(data, 'config.toml'), '[agent]\nslots = 2\n');
    running = await startFog(data, ['--nodes', '2']);
  });
  after(() => running.interrupt());

  test('is kept running through everything that its owner, and others, do to it', async () => {
    const sleeping = ['/bin/sleep', SECONDS];
    const good = write('web.json', sleeping);
    assert.deepEqual(
      [(await fog('run', good)).code, (await fog('run', good)).stderr.includes('fog deploy FILE')],
      [2, true],
    );
    const deployed = await fog('deploy', good);
    assert.equal(deployed.code, 0, deployed.stderr);
    assert.match(deployed.stderr, /deployment web is up: 2 of 2 replicas available/);
    assert.equal(sleepers().length, 2);

    const [victim = 0] = sleepers();
    process.kill(victim, 'SIGKILL');
    await until('the death is noticed', ({ available }) => available < 2);
    await until('another takes its place', ({ state, available }) => state === 'stable' && available === 2);
    assert.deepEqual([sleepers().length, sleepers().includes(victim)], [2, false]);

    const scaled = await fog('scale', 'web', '3');
    assert.deepEqual([scaled.code, /is up: 3 of 3 replicas available/.test(scaled.stderr)], [0, true], scaled.stderr);
    await until('it is scaled', ({ state, available }) => state === 'stable' && available === 3);

    const updated = await fog('deploy', write('two.json', sleeping, { priority: 60 }), '--json');
    const { outcome, deployment } = JSON.parse(updated.stdout);
    assert.deepEqual([updated.code, outcome, deployment.revision, deployment.updated], [0, 'stable', 2, 3]);

    const bad = await fog(
      'deploy',
      write('bad.json', ['/bin/sh', '-c', 'echo no >&2; exit 7'], { restart: { attempts: 0 } }),
    );
    assert.equal(bad.code, 1, bad.stderr);
    assert.match(bad.stderr, /revision 3 of web rolled-back: .*exit-code: The program ended with exit code 7/);
    const back = await until('it is back', ({ state }) => state === 'stable');
    assert.deepEqual([back.revisions[0]?.of, back.available], [2, 3]);
    assert.match((await fog('rollout', 'history', 'web')).stdout, /4 \(2 again\) +stable .*\n3 +rolled-back /);
    const job = back.revisions[1]?.job ?? '';
    assert.match((await fog('job', 'logs', job)).stdout + (await fog('job', 'logs', job)).stderr, /no/);
    assert.match((await fog('job', 'cancel', back.revisions[0]?.job ?? '')).stderr, /fog rollout remove web/);
    assert.match((await fog('job', 'suspend', back.revisions[0]?.job ?? '')).stderr, /fog scale NAME 0/);

    assert.equal((await fog('rollout', 'remove', 'web')).code, 0);
    for (let tries = 0; sleepers().length > 0 && tries < 60; tries += 1) await pause(250);
    assert.deepEqual(sleepers(), []);
    assert.match((await fog('rollout', 'ls')).stdout, /Nothing is deployed|removing/);
  });
});
