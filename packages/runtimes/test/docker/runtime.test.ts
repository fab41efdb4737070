/** What the compliance suite does not ask of every runtime, on a real engine. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { skipWithoutDocker, TEST_IMAGE, TestEngine } from '../../../../test/support/docker-engine.ts';
import { networkOpener } from '../../src/network/network-opener.ts';
import type { SandboxNetwork } from '../../src/network/sandbox-network.ts';
import type { AttemptOutcome, AttemptRequest, RunningAttempt } from '../../src/runtime.ts';
import {
  assertFailed,
  assertSucceeded,
  HostRecord,
  MEBIBYTE,
  outputBytes,
  outputText,
  runAttempt,
  STAGE_LIMITS,
  within,
} from '../runtime-stage.ts';
import { dockerStage, shellRequest } from './docker-stage.ts';

describe('docker runtime', { skip: skipWithoutDocker() }, () => {
  let engine: TestEngine;
  let given: Awaited<ReturnType<typeof dockerStage>>;
  before(async () => {
    engine = await TestEngine.start();
    given = await dockerStage(engine);
  });
  after(async () => {
    // Also when something is left: a daemon that goes on would keep the test from ending.
    await given.end().finally(() => engine.stop());
  });
  const shell = (script: string, part: Parameters<typeof shellRequest>[2] = {}): AttemptRequest =>
    shellRequest(given.stage, script, part);
  const run = (script: string, part: Parameters<typeof shellRequest>[2] = {}): Promise<AttemptOutcome> =>
    runAttempt(given.runtime, shell(script, part));
  const started = async (script: string, part = {}): Promise<{ attempt: RunningAttempt; host: HostRecord }> => {
    const host = new HostRecord();
    const attempt = given.runtime.start(shell(`echo up; ${script}`, part), host);
    await host.waitForLog();
    return { attempt, host };
  };
  const result = [{ name: 'result', sandboxPath: '/out/result' }];
  const subject = { engine: () => engine, given: () => given, run, shell, started, result };

  describe('outcomes', () => registerOutcomes(subject));
  describe('files', () => {
    registerFiles(subject);
    registerMoreFiles(subject);
  });
  describe('while it runs', () => registerRunning(subject));
  describe('network', () => registerNetwork(subject));
  describe('a way in', () => registerWayIn(subject));
});

interface Subject {
  engine(): TestEngine;
  given(): Awaited<ReturnType<typeof dockerStage>>;
  run(script: string, part?: Parameters<typeof shellRequest>[2]): Promise<AttemptOutcome>;
  shell(script: string, part?: Parameters<typeof shellRequest>[2]): AttemptRequest;
  started(
    script: string,
    part?: Parameters<typeof shellRequest>[2],
  ): Promise<{ attempt: RunningAttempt; host: HostRecord }>;
  result: { name: string; sandboxPath: string }[];
}

function registerOutcomes({ given, run, started, engine }: Subject): void {
  it('name the engine and what exactly ran', async () => {
    const outcome = await run('exit 7');
    assertFailed(outcome, 'exit-code');
    assert.equal(outcome.exitCode, 7);
    const image = await engine().engine.inspectImage(TEST_IMAGE, AbortSignal.timeout(5000));
    assert.match(outcome.engine, /^docker 20\.\d+\.\d+ sha256:[0-9a-f]{64}$/);
    assert.ok(outcome.engine.endsWith(image.Id));
  });

  it('tell a command that is not there, or cannot be run, from one that fails with its code', async () => {
    for (const command of [['/bin/nope'], ['nope'], ['/etc']]) {
      assertFailed(await run('', { docker: { command } }), 'command-not-found');
    }
    for (const code of [126, 127]) {
      const outcome = await run(`exit ${code}`);
      assertFailed(outcome, 'exit-code');
      assert.equal(outcome.exitCode, code);
    }
  });

  it('are image-missing without the image, and for another architecture', async () => {
    assertFailed(await run('', { docker: { image: 'fog-test:absent' } }), 'image-missing');
    assertFailed(await run('', { docker: { image: 'Not/An Image' } }), 'image-missing');
    const tag = 'fog-test:foreign';
    await engine().loadForeign(tag);
    const outcome = await run('true', { docker: { image: tag } });
    assertFailed(outcome, 'image-missing');
    assert.match(outcome.message, /s390x.*amd64/);
  });

  it('are success where a child died of memory and the program coped, oom where it did not', async () => {
    const child = 'sh -c "x=a; while :; do x=\\$x\\$x; done"';
    assertSucceeded(await run(`${child}; exit 0`));
    const outcome = await run(`${child}; exit 1`);
    assertFailed(outcome, 'oom');
  });

  it('come for a container that ignores SIGTERM', async () => {
    const { attempt } = await started("trap '' TERM INT HUP; while :; do sleep 0.1; done");
    const killedAtMilliseconds = performance.now();
    attempt.kill('cancelled', 'Stopped.');
    assertFailed(await within(attempt.outcome, 'the outcome'), 'cancelled');
    assert.ok(performance.now() - killedAtMilliseconds < 100);
  });

  it('are refused for what is no container, and for too little memory', () => {
    const { runtime, stage } = given();
    const request = stage.request({ program: { runtime: 'wasm', modulePath: '', moduleDigest: '' } });
    assert.match(runtime.refusal(request) ?? '', /wasm/);
    const small = shellRequest(stage, 'true', { limits: { ...STAGE_LIMITS, memoryBytes: MEBIBYTE } });
    assert.match(runtime.refusal(small) ?? '', /memory/);
  });
}

function registerFiles({ given, run, result }: Subject): void {
  it('are read-only where they are inputs, and can be run', async () => {
    const hostPath = await given().stage.write('script', '#!/bin/sh\necho ran > /out/result\n');
    const inputs = [{ sandboxPath: '/opt/tool/script', hostPath, bytes: 33 }];
    const script = 'echo x >> /opt/tool/script && exit 9; rm /opt/tool/script && exit 8; /opt/tool/script';
    const outcome = await run(script, { inputs, outputs: result });
    assertSucceeded(outcome);
    assert.equal(await outputText(outcome, 'result'), 'ran\n');
  });

  it('appear in folders when there are many, also among outputs', async () => {
    const inputs = [];
    for (let index = 0; index < 40; index += 1) {
      const hostPath = await given().stage.write(`many-${index}`, `${index}\n`);
      inputs.push({ sandboxPath: `/in/${index % 4}/f${index}`, hostPath, bytes: 3 });
    }
    const given1 = await given().stage.write('given', 'given');
    inputs.push({ sandboxPath: '/out/tree/given', hostPath: given1, bytes: 5 });
    const script =
      'cat /in/*/* | wc -l > /out/result; touch /in/0/x && exit 9; mkdir -p /out/tree; cat /out/tree/given > /out/tree/made';
    const outputs = [...result, { name: 'tree', sandboxPath: '/out/tree' }];
    const outcome = await run(script, { inputs, outputs, limits: { ...STAGE_LIMITS, files: 2 } });
    assertSucceeded(outcome);
    assert.equal(await outputText(outcome, 'result'), '40\n');
    assert.equal(await outputText(outcome, 'tree', 'given'), 'given');
    assert.equal(await outputText(outcome, 'tree', 'made'), 'given');
    assert.equal(outcome.outputs[1]?.files.length, 2);
  });

  it('come back large, small, empty and as an empty folder; one may be in two outputs', async () => {
    const script =
      'head -c 3000000 /dev/zero > /out/d/large; : > /out/d/empty; mkdir /out/none; chmod 0 /out/d/large /out/d/empty';
    const outputs = [
      { name: 'all', sandboxPath: '/out/d' },
      { name: 'large', sandboxPath: '/out/d/large' },
      { name: 'none', sandboxPath: '/out/none' },
    ];
    const outcome = await run(script, { outputs });
    assertSucceeded(outcome);
    assert.equal((await outputBytes(outcome, 'all', 'large')).length, 3_000_000);
    assert.equal((await outputBytes(outcome, 'large')).length, 3_000_000);
    assert.equal((await outputBytes(outcome, 'all', 'empty')).length, 0);
    assert.deepEqual(outcome.outputs[2], { name: 'none', type: 'folder', files: [] });
  });
}

function registerMoreFiles({ engine, given, run, result }: Subject): void {
  it('may be written to /tmp, whatever the image has there', async () => {
    const image = 'fog-test:closed-tmp';
    await engine().build(image, [], (root) => mkdir(join(root, 'tmp'), { mode: 0o755 }).then(() => undefined));
    for (const docker of [{}, { image }]) {
      assertSucceeded(await run('mkdir /tmp/folder && echo x > /tmp/folder/file', { docker }));
    }
  });

  it('are delivered as a standard input of many megabytes, read or not', async () => {
    const hostPath = await given().stage.write('large', Buffer.alloc(20 * MEBIBYTE, 'x'));
    const outcome = await run('cat | wc -c > /out/result', { stdin: { hostPath }, outputs: result });
    assertSucceeded(outcome);
    assert.equal(await outputText(outcome, 'result'), `${20 * MEBIBYTE}\n`);
    assertSucceeded(await run('true', { stdin: { hostPath } }));
    assertSucceeded(await run('[ "$(cat)" = "" ]'));
  });

  it('of a checkpoint stay, count, and may have been written by anybody before', async () => {
    const hostPath = join(given().settings.scratchDirectory, 'checkpoint-folder');
    await mkdir(join(hostPath, 'deep'), { recursive: true, mode: 0o700 });
    await writeFile(join(hostPath, 'deep', 'state'), '1', { mode: 0o600 });
    const outputs = [{ name: 'state', sandboxPath: '/checkpoint/deep/state' }];
    const outcome = await run('echo 2 >> /checkpoint/deep/state; echo 3 > /checkpoint/new', {
      checkpoint: { hostPath },
      outputs,
    });
    assertSucceeded(outcome);
    assert.equal(await outputText(outcome, 'state'), '12\n');
    assert.deepEqual((await readdir(hostPath)).sort(), ['deep', 'new']);
    assert.equal((await stat(join(hostPath, 'deep', 'state'))).size, 3);
    const limits = { ...STAGE_LIMITS, diskBytes: 4 };
    assertFailed(await run('true', { checkpoint: { hostPath }, limits }), 'output-too-large');
  });

  it('of volumes of the image are writable folders of the attempt, and are removed with it', async () => {
    await engine().build('fog-test:volume', ['VOLUME /vol']);
    const outcome = await run('echo x > /vol/x; cp /vol/x /out/result', {
      docker: { image: 'fog-test:volume' },
      outputs: result,
    });
    assertSucceeded(outcome);
    const { Volumes } = await engine().engine.client.json<{ Volumes: unknown[] | null }>({
      method: 'GET',
      path: '/volumes',
    });
    assert.deepEqual(Volumes ?? [], []);
  });

  it('cannot lie where the engine has its own', async () => {
    const outputs = [{ name: 'x', sandboxPath: '/proc/x' }];
    assertFailed(await run('true', { outputs }), 'output-invalid');
  });
}

function registerRunning({ run, started, result }: Subject): void {
  it('is nobody, without rights, network or a way to gain any', async () => {
    const script = [
      'id -u; grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status | tr "\\t" " "',
      'ls /sys/class/net; touch /x 2>/dev/null && echo writable',
      'ls /run/docker.sock /var/run/docker.sock 2>/dev/null; cat /proc/1/oom_score_adj',
    ].join('; ');
    const outcome = await run(`(${script}) > /out/result; true`, { outputs: result });
    assertSucceeded(outcome);
    const text = await outputText(outcome, 'result');
    const none = '0000000000000000';
    const expected = [/^65534$/, /^NoNewPrivs: *1$/, /^Seccomp: *2$/, /^lo$/, /^500$/];
    for (const line of [...expected, new RegExp(`^CapEff: *${none}$`), new RegExp(`^CapBnd: *${none}$`)]) {
      assert.match(text, new RegExp(line, 'm'));
    }
    assert.equal(text.trim().split('\n').length, 7, text);
  });

  it('keeps to its processor and its processes', async () => {
    const { attempt, host } = await started('for i in 1 2 3 4 5; do sleep 30 & done; echo all; wait');
    const allStarted = async (): Promise<void> => {
      while (!host.text('stdout').includes('all')) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await within(allStarted(), 'the last process');
    const sample = await attempt.sample?.();
    assert.ok((sample?.processes ?? 0) >= 6, JSON.stringify(sample));
    assert.ok((sample?.memoryBytes ?? 0) > 100_000 && (sample?.cpuMilliseconds ?? 0) > 0, JSON.stringify(sample));
    assert.deepEqual([sample?.networkReceivedBytes, sample?.networkSentBytes], [0, 0]);
    attempt.kill('cancelled', 'Enough.');
    const outcome = await attempt.outcome;
    assert.ok((outcome.usage.peakMemoryBytes ?? 0) > 100_000 && (outcome.usage.cpuMilliseconds ?? 0) > 0);
    assert.equal(await attempt.sample?.(), null);
  });

  it('is frozen by a pause, which does not count, and dies while paused', async () => {
    const limits = { ...STAGE_LIMITS, runMilliseconds: 1500 };
    const { attempt, host } = await started('while :; do echo .; sleep 0.02; done', { limits });
    assert.equal(await attempt.pause?.(), true);
    const before = host.text('stdout').length;
    await new Promise((resolve) => setTimeout(resolve, 1600));
    assert.ok(host.text('stdout').length - before <= 8, 'it went on');
    assert.equal(await attempt.resume?.(), true);
    const outcome = await within(attempt.outcome, 'the outcome');
    assertFailed(outcome, 'timeout');
    assert.ok(outcome.usage.wallMilliseconds < 1600, `${outcome.usage.wallMilliseconds}`);
    assert.ok(host.text('stdout').length > before + 8, 'it did not go on');
    const other = await started('sleep 30');
    assert.equal(await other.attempt.pause?.(), true);
    assert.equal(await other.attempt.pause?.(), true, 'as an earlier agent may have done');
    other.attempt.kill('cancelled', 'Enough.');
    assertFailed(await within(other.attempt.outcome, 'the outcome'), 'cancelled');
    assert.equal(await other.attempt.pause?.(), false);
  });

  it('is asked to end', async () => {
    const script = "trap 'echo asked; exit 85' TERM; echo begun; while :; do sleep 0.05; done";
    const { attempt, host } = await started(script);
    await host.waitForLog();
    await attempt.terminate?.();
    const outcome = await within(attempt.outcome, 'the outcome');
    assertFailed(outcome, 'exit-code');
    assert.equal(outcome.exitCode, 85);
    assert.match(host.text('stdout'), /asked/);
  });

  it('runs commands beside it, within their time', async () => {
    const { attempt } = await started('sleep 30');
    const exec = (command: string[], milliseconds = 5000) => attempt.exec?.(command, milliseconds);
    const answer = await exec(['/bin/sh', '-c', 'id -u; echo e >&2; exit 5']);
    assert.equal(answer?.exitCode, 5);
    assert.deepEqual(answer?.output.trim().split('\n').sort(), ['65534', 'e']);
    assert.deepEqual(await exec(['/bin/sleep', '25'], 300), { exitCode: null, output: '' });
    assert.doesNotMatch((await exec(['/bin/ps']))?.output ?? 'sleep 25', /sleep 25/);
    assert.equal((await exec(['/bin/nope']))?.exitCode, 126);
    assert.equal((await exec(['/bin/yes'], 300))?.output.length, 4096);
    attempt.kill('cancelled', 'Enough.');
    await attempt.outcome;
    await assert.rejects(async () => exec(['/bin/true']), { code: 'unavailable' });
  });
}

function registerWayIn({ engine, given, shell }: Subject): void {
  const docker = { network: { allow: [], inbound: true } };

  it('is refused as well where nobody can give it', () => {
    assert.match(given().runtime.refusal(shell('true', { docker })) ?? '', /network/);
  });

  it('changes nothing of how a program begins and ends', async () => {
    const folder = join(given().settings.scratchDirectory, 'compiled');
    const own = await dockerStage(engine(), { network: networkOpener(folder) });
    const ends = async (script: string, part: object = docker) => {
      const host = new HostRecord();
      const outcome = await runAttempt(own.runtime, shellRequest(own.stage, script, { docker: part }), host);
      const { reason, exitCode } = { reason: null, ...outcome };
      return [reason, exitCode, host.text('stdout')];
    };
    assert.deepEqual(await ends('echo early; exit 4'), ['exit-code', 4, 'early\n']);
    assert.deepEqual(await ends('kill -USR1 $$'), ['exit-code', 128 + constants.signals.SIGUSR1, '']);
    for (const command of [['/bin/nope'], ['nope'], ['/etc']]) {
      assert.equal((await ends('', { ...docker, command }))[0], 'command-not-found');
    }
    const child = 'sh -c "x=a; while :; do x=\\$x\\$x; done"';
    assert.equal((await ends(`${child}; exit 1`))[0], 'oom');
    const attempt = own.runtime.start(
      shellRequest(own.stage, "trap 'exit 9' TERM; echo; while :; do sleep 0.05; done", { docker }),
      new HostRecord(),
    );
    for (let tries = 0; tries < 100 && (await attempt.sample?.()) == null; tries += 1) await delay(50);
    await delay(300);
    await attempt.terminate?.();
    const outcome = await attempt.outcome;
    assert.ok(outcome.status === 'failed' && outcome.exitCode === 9);
    await own.end();
  });
}

function registerNetwork({ engine, given, shell }: Subject): void {
  it('is refused where nobody can give it', async () => {
    const network = { allow: ['example.org:443'], inbound: false };
    const request = shell('true', { docker: { network } });
    assert.match(given().runtime.refusal(request) ?? '', /network/);
    assertFailed(await runAttempt(given().runtime, request), 'rejected');
  });

  it('lets out what is allowed, and the agent in', async () => {
    const server = createServer((_request, response) => response.end('from outside')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const folder = join(given().settings.scratchDirectory, 'compiled');
    const own = await dockerStage(engine(), { network: networkOpener(folder) });
    const ask = (target: string) =>
      `printf 'GET http://${target}/ HTTP/1.0\\r\\nHost: ${target}\\r\\n\\r\\n' | nc 127.0.0.1 3128 | tail -n 1 > /out/`;
    const script = `${ask(`127.0.0.1:${port}`)}allowed; ${ask('127.0.0.1:1')}refused; echo hi | nc -l -p 8000`;
    const request = shellRequest(own.stage, script, {
      outputs: [{ name: 'out', sandboxPath: '/out' }],
      docker: { network: { allow: [`127.0.0.1:${port}`], inbound: true } },
    });
    const attempt = own.runtime.start(request, new HostRecord());
    let text = '';
    for (let tries = 0; text === '' && tries < 200; tries += 1) {
      await delay(50);
      const socket = await attempt.connect?.(8000).catch(() => null);
      for await (const chunk of socket ?? []) text += chunk;
    }
    const outcome = await attempt.outcome;
    await own.end();
    server.close();
    assertSucceeded(outcome);
    assert.equal(text, 'hi\n');
    assert.equal(await outputText(outcome, 'out', 'allowed'), 'from outside');
    assert.notEqual(await outputText(outcome, 'out', 'refused'), '');
  });

  it('is the folder, the environment and the program of the forwarder', async () => {
    const hostDirectory = join(given().settings.scratchDirectory, 'forwarder');
    await mkdir(hostDirectory);
    const forwarder = '#!/bin/sh\necho forwarder $1 > /out/forwarded\nshift 2\nexec "$@"\n';
    await writeFile(join(hostDirectory, 'forwarder'), forwarder, { mode: 0o755 });
    let closed = 0;
    const network: SandboxNetwork = {
      hostDirectory,
      sandboxDirectory: '/run/fog',
      env: { HTTP_PROXY: 'http://127.0.0.1:3128', KEY: 'weak' },
      forwarderCommand: ['/run/fog/forwarder', 'on'],
      connect: async (port) => new PassThrough().end(`port ${port}`),
      exec: async () => ({ exitCode: 0, output: '' }),
      startFailure: () => null,
      usage: () => ({ receivedBytes: 5, sentBytes: 6 }),
      close: async () => {
        closed += 1;
      },
    };
    const own = await dockerStage(engine(), { network: async () => network });
    const script =
      'echo $HTTP_PROXY $KEY; while ! [ -s /out/forwarded ]; do sleep 0.02; done; cat /out/forwarded; touch /run/fog/x || sleep 30';
    const request = shellRequest(own.stage, script, {
      env: { KEY: 'strong' },
      outputs: [{ name: 'forwarded', sandboxPath: '/out/forwarded' }],
      docker: { network: { allow: [], inbound: true } },
    });
    const host = new HostRecord();
    const attempt = own.runtime.start(request, host);
    while (!host.text('stdout').includes('forwarder on')) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.match(host.text('stdout'), /^http:\/\/127.0.0.1:3128 strong\n/);
    const sample = await attempt.sample?.();
    assert.deepEqual([sample?.networkReceivedBytes, sample?.networkSentBytes], [5, 6]);
    const connection = await attempt.connect?.(80);
    assert.equal(String(connection?.read()), 'port 80');
    attempt.kill('cancelled', 'Enough.');
    await attempt.outcome;
    await own.end();
    assert.equal(closed, 1);
  });
}
