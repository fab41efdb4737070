/** Native programs and containers through a whole fog: what an agent that dies leaves running is taken over. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { skipProcess } from '../../packages/runtimes/test/process/programs.ts';
import { skipWithoutDocker, TEST_IMAGE, TestEngine } from '../support/docker-engine.ts';
import { type FogProcess, fog, startFog, temporaryFolder } from '../support/fog-process.ts';

const data = temporaryFolder('native-jobs');

/** The one agent of `fog up`, which starts it again when it dies. */
function agentProcess(): number {
  const found = readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const words = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      return words.includes('join') && words.some((word) => word.startsWith(data));
    } catch {
      return false; // it has ended by now
    }
  });
  assert.equal(found.length, 1);
  return Number(found[0]);
}

function write(name: string, spec: object, metadata = {}): string {
  const path = join(data, name);
  writeFileSync(path, JSON.stringify({ kind: 'Job', metadata, spec }));
  return path;
}

describe('native programs', { skip: skipProcess }, () => {
  test('run over uploaded files and give back what they write; what goes wrong is told apart', async () => {
    const running = await startFog(data, ['--nodes', '1']);
    writeFileSync(join(data, 'words.txt'), 'pear\napple\nfig\n');
    const sorting = write('sort.json', {
      task: {
        runtime: 'process',
        process: { command: ['/bin/sh', '-c', 'sort /in/words.txt > /out/sorted; cat /out/sorted'] },
        inputs: [{ source: 'words.txt', path: '/in/words.txt' }],
        outputs: [{ name: 'result', path: '/out/sorted' }],
      },
    });
    const sorted = await fog(data, 'run', sorting);
    assert.deepEqual([sorted.code, sorted.stdout], [0, 'apple\nfig\npear\n'], sorted.stderr);
    const failing = (command: string[]) =>
      write('failing.json', { retry: { attempts: 1 }, task: { runtime: 'process', process: { command } } });
    assert.equal((await fog(data, 'run', failing(['/bin/sh', '-c', 'exit 7']))).code, 7);
    assert.match((await fog(data, 'run', failing(['/bin/not-there']))).stderr, /command-not-found/);
    assert.equal(await running.interrupt(), 0);
  });
});

describe('containers', { skip: skipWithoutDocker() }, () => {
  let engine: TestEngine;
  let running: FogProcess;
  before(async () => {
    engine = await TestEngine.start();
    process.env.DOCKER_HOST = `unix://${engine.socketPath}`;
    running = await startFog(data, ['--nodes', '1']);
  });
  after(async () => {
    delete process.env.DOCKER_HOST;
    await running.interrupt();
    await engine.stop();
  });

  const container = (script: string) =>
    write('container.json', {
      retry: { attempts: 1 },
      task: {
        runtime: 'docker',
        docker: { image: TEST_IMAGE, pull: 'never', command: ['/bin/sh', '-c', script] },
        outputs: [{ name: 'result', path: '/out/result' }],
      },
    });

  test('an agent that is killed leaves its container running; the next one delivers its result', async () => {
    const script = 'echo begun; sleep 4; echo ended; echo 42 > /out/result';
    const id = (await fog(data, 'run', container(script), '-d')).stdout.trim();
    const logs = async () => (await fog(data, 'job', 'logs', id)).stdout;
    while (!(await logs()).includes('begun')) await pause(100);
    const [node] = running.ready.nodes as { pid: number }[];
    process.kill(node?.pid ?? 0, 'SIGKILL');
    const waited = await fog(data, 'job', 'wait', id, '--json');
    assert.equal(waited.code, 0, waited.stdout);
    const { tasks } = JSON.parse((await fog(data, 'job', 'get', id, '--json')).stdout);
    assert.deepEqual(
      tasks[0].attempts.map((attempt: { fence: number; state: string }) => `${attempt.fence} ${attempt.state}`),
      ['1 valid'],
    );
    assert.equal(await logs(), 'begun\nended\n', 'nothing is lost or told twice');
    assert.match((await fog(data, 'job', 'top', id, '--task', '0')).stdout, /measured|MEASURED/);
    for (let tries = 0; (await engine.containers()) > 0 && tries < 100; tries += 1) await pause(50);
    assert.equal(await engine.containers(), 0);
  });

  test('a service goes on under the next agent: its checks, its ports, and its restarts', async () => {
    const script = 'echo up; echo hello > /tmp/page; httpd -p 127.0.0.1:8080 -h /tmp; sleep 8; exit 4';
    const service = write(
      'service.json',
      {
        type: 'service',
        restart: { delay: '100ms' },
        task: {
          runtime: 'docker',
          docker: { image: TEST_IMAGE, pull: 'never', command: ['/bin/sh', '-c', script] },
          ports: [{ name: 'web', port: 8080, protocol: 'http' }],
          health: { http: { port: 8080, path: '/page' }, interval: '200ms' },
        },
      },
      { name: 'web' },
    );
    const deployed = await fog(data, 'deploy', service, '--detach', '--json');
    const id = JSON.parse(deployed.stdout).revisions[0].job;
    const token = readFileSync(join(data, 'admin.token'), 'utf8').trim();
    const ask = () =>
      fetch(`${running.ready.url}/v1/jobs/${id}/ports/web/http/page`, {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(3000),
      });
    const answers = async () => {
      for (let tries = 0; tries < 300; tries += 1) {
        const answer = await ask().catch(() => null);
        if (answer?.status === 200) return await answer.text();
        await pause(100);
      }
      return 'no answer';
    };
    assert.equal(await answers(), 'hello\n');
    process.kill(agentProcess(), 'SIGKILL');
    assert.equal(await answers(), 'hello\n');
    const attempt = async () => {
      const { tasks } = JSON.parse((await fog(data, 'job', 'get', id, '--json')).stdout);
      return tasks[0].attempts.at(-1);
    };
    for (let tries = 0; tries < 100 && (await attempt()).health.restarts === 0; tries += 1) await pause(100);
    assert.equal(await answers(), 'hello\n');
    const { fence, state, health } = await attempt();
    assert.deepEqual([fence, state, health.restarts], [1, 'running', 1]);
    const log = (await fog(data, 'job', 'logs', id)).stdout;
    assert.equal(log.match(/^up$/gm)?.length, 2, log);
    await fog(data, 'rollout', 'remove', 'web');
    for (let tries = 0; (await engine.containers()) > 0 && tries < 100; tries += 1) await pause(50);
    assert.equal(await engine.containers(), 0);
  });

  test('an image that is not there is told as such', async () => {
    const missing = write('missing.json', {
      retry: { attempts: 1 },
      task: { runtime: 'docker', docker: { image: 'no-such-image:1', pull: 'never' } },
    });
    assert.match((await fog(data, 'run', missing)).stderr, /image-missing/);
  });
});
