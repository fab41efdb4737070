/** What the process runtime does beyond the compliance suite: kernel limits, networks, pauses, leftovers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { findCgroups, releaseCgroups } from '../../src/process/cgroups.ts';
import { createProcessRuntime } from '../../src/process/index.ts';
import type { AttemptRequest, ProcessProgram, RunningAttempt, TaskRuntime } from '../../src/runtime.ts';
import {
  assertFailed,
  assertSucceeded,
  createStage,
  HostRecord,
  MEBIBYTE,
  outputText,
  runAttempt,
  STAGE_LIMITS,
  type TestStage,
  within,
} from '../runtime-stage.ts';
import { compile, NO_NETWORK, processProgram, RESULT, shell, skipCompiler, skipProcess } from './programs.ts';

const hierarchy = findCgroups('n-look');
if (hierarchy !== null) releaseCgroups(hierarchy);
const skipGroups = hierarchy === null ? 'control groups cannot be written here' : false;

describe('process runtime', { skip: skipProcess }, () => {
  let stage: TestStage;
  let runtime: TaskRuntime;
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fog-process-'));
    stage = await createStage();
    runtime = createProcessRuntime(stage.settings(2), { forwarderCacheDirectory: join(folder, 'forwarder') });
  });
  after(async () => {
    await runtime.close();
    await stage[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function run(script: string, part: Partial<AttemptRequest> = {}, program: Partial<ProcessProgram> = {}) {
    const host = new HostRecord();
    const outcome = await runAttempt(runtime, shell(stage, script, part, program), host);
    return { outcome, stdout: host.text('stdout'), stderr: host.text('stderr') };
  }

  describe('starting', () => {
    it('tells what it found', async () => {
      const probe = await runtime.probe();
      assert.ok(probe.available);
      assert.match(probe.features.limits ?? '', /^(cgroup-v[12]|prlimit)$/);
      assert.match(probe.features.freezer ?? '', /^(cgroup-v[12]|signals)$/);
    });

    it('command-not-found: no such program, no program, no such folder', async () => {
      const file = await stage.write('text', 'no program');
      const inputs = [{ sandboxPath: '/in/text', hostPath: file, bytes: 10 }];
      for (const program of [
        processProgram(['no-such-program']),
        processProgram(['/in/text']),
        processProgram(['true'], { workingDirectory: '/usr/no/such' }),
      ]) {
        const outcome = await runAttempt(runtime, stage.request({ program, inputs }));
        assertFailed(outcome, 'command-not-found');
        assert.equal(outcome.exitCode, null);
      }
      const { stderr, outcome } = await run('echo "bwrap: execvp no: No such file or directory" >&2; exit 1');
      assertFailed(outcome, 'exit-code');
      assert.equal(outcome.exitCode, 1);
      assert.match(stderr, /^bwrap: execvp/);
    });

    it('command-not-found also where the forwarder starts the program', { skip: skipCompiler }, async () => {
      const program = processProgram(['no-such-program'], { network: { allow: [], inbound: true } });
      assertFailed(await runAttempt(runtime, stage.request({ program })), 'command-not-found');
      assertFailed((await run('exit 127', {}, { network: { allow: [], inbound: true } })).outcome, 'exit-code');
    });

    it('has a standard output and error that can be opened again', async () => {
      const { stdout, stderr, outcome } = await run('echo out > /dev/stdout; echo err > /dev/stderr; echo end');
      assertSucceeded(outcome);
      assert.deepEqual([stdout, stderr], ['out\nend\n', 'err\n']);
    });

    it('tells a signal from an exit code', async () => {
      const { outcome } = await run('kill -SEGV $$');
      assertFailed(outcome, 'exit-code');
      assert.equal(outcome.exitCode, 139);
      assert.match(outcome.message, /SIGSEGV/);
    });

    it('runs a given root, and puts inputs, outputs and folders into it', { skip: skipCompiler }, async () => {
      const root = join(folder, 'root');
      await mkdir(join(root, 'bin'), { recursive: true });
      await mkdir(join(root, 'data/inner'), { recursive: true });
      await writeFile(join(root, 'data/own.txt'), 'of the root');
      await compile(folder, 'join', JOIN_PROGRAM);
      await copyFile(join(folder, 'join'), join(root, 'bin/join'));
      await chmod(join(root, 'bin/join'), 0o755);
      const hostPath = await stage.write('data.txt', 'of the job');
      const request = stage.request({
        program: processProgram(['join'], { rootPath: root, workingDirectory: '/data' }),
        args: ['own.txt', '/data/inner/job.txt', '/out/result'],
        inputs: [{ sandboxPath: '/data/inner/job.txt', hostPath, bytes: 10 }],
        outputs: RESULT,
      });
      const outcome = await runAttempt(runtime, request);
      assertSucceeded(outcome);
      assert.equal(await outputText(outcome, 'result'), 'of the rootof the job');
      assert.deepEqual((await readdir(root)).sort(), ['bin', 'data']);
    });

    it('rejects places that the root has no room for', async () => {
      const hostPath = await stage.write('x', 'x');
      const { outcome } = await run('true', { inputs: [{ sandboxPath: '/etc/localtime/x', hostPath, bytes: 1 }] });
      assertFailed(outcome, 'rejected');
    });

    it('refuses programs of other runtimes and too little memory', () => {
      const program = processProgram(['true']);
      assert.match(
        runtime.refusal({ program, trusted: true, limits: { ...STAGE_LIMITS, memoryBytes: 1024 } }) ?? '',
        /memory/,
      );
      const script = { runtime: 'javascript', scriptPath: '/x', engine: 'auto' } as const;
      assert.match(runtime.refusal({ program: script, trusted: true, limits: STAGE_LIMITS }) ?? '', /javascript/);
    });
  });

  describe('files', () => {
    it('keeps a checkpoint, counts it, and lets the next attempt go on from it', async () => {
      const hostPath = join(folder, 'checkpoint');
      await mkdir(hostPath, { recursive: true, mode: 0o700 });
      const script = 'cat /checkpoint/a 2>/dev/null; echo more >> /checkpoint/a';
      const checkpoint = { hostPath };
      assertSucceeded((await run(script, { checkpoint })).outcome);
      assert.equal((await run(script, { checkpoint })).stdout, 'more\n');
      assert.equal(await readFile(join(hostPath, 'a'), 'utf8'), 'more\nmore\n');
      const limits = { ...STAGE_LIMITS, diskBytes: 2 * MEBIBYTE };
      const flood = 'i=0; while :; do head -c 500000 /dev/zero > /checkpoint/$i; i=$((i + 1)); done';
      assertFailed((await run(flood, { checkpoint, limits })).outcome, 'output-too-large');
    });

    it('returns large outputs as files that are the caller’s, and inputs that lie in an output', async () => {
      const hostPath = await stage.write('given.txt', 'given');
      const outputs = [{ name: 'tree', sandboxPath: '/out' }];
      const inputs = [{ sandboxPath: '/out/given.txt', hostPath, bytes: 5 }];
      const { outcome } = await run('head -c 5000000 /dev/zero > /out/large; mkdir /out/empty', { outputs, inputs });
      assertSucceeded(outcome);
      assert.equal(await outputText(outcome, 'tree', 'given.txt'), 'given');
      assert.deepEqual(
        outcome.outputs[0]?.files.map((file) => file.relativePath),
        ['given.txt', 'large'],
      );
      const large = outcome.outputs[0]?.files[1]?.content;
      assert.ok(large !== undefined && 'hostPath' in large && large.bytes === 5_000_000);
      assert.equal((await stat(large.hostPath)).size, 5_000_000);
      await rm(large.hostPath);
    });

    it('passes on a flood of logs without holding it', async () => {
      const before = process.memoryUsage().rss;
      let bytes = 0;
      const host = new HostRecord();
      host.log = (_stream, data) => {
        bytes += data.length;
      };
      const flood = Number(process.env.FOG_FLOOD_MEBIBYTES ?? 200) * MEBIBYTE;
      const outcome = await within(
        runtime.start(shell(stage, `head -c ${flood} /dev/zero`), host).outcome,
        'the outcome',
      );
      assertSucceeded(outcome);
      assert.equal(bytes, flood);
      assert.ok(process.memoryUsage().rss - before < 150 * MEBIBYTE);
    });
  });

  describe('network', { skip: skipCompiler }, () => {
    it('without a policy there is loopback and nothing else', async () => {
      const { stdout, outcome } = await run(
        'cat /proc/net/dev | tail -n +3 | cut -d: -f1; env | grep -i proxy; ls -A /.fog 2>&1',
      );
      assertSucceeded({ ...outcome, status: 'succeeded' } as typeof outcome);
      assert.equal(stdout.split('\n')[0]?.trim(), 'lo');
      assert.doesNotMatch(stdout, /proxy|agent\.sock/);
    });

    it('reaches what is allowed, through the proxy of its environment, and is counted', async (context) => {
      const origin = createServer((socket) => {
        socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nreached\n'));
      });
      context.after(() => origin.close());
      await once(origin.listen(0, '127.0.0.1'), 'listening');
      const { port } = origin.address() as AddressInfo;
      const network = { allow: [`127.0.0.1:${port}`], inbound: false };
      const script = `[ "$http_proxy$no_proxy" = http://127.0.0.1:3128 ] || exit 9
        for target in 127.0.0.1:${port} 127.0.0.1:1; do exec 3<>/dev/tcp/127.0.0.1/3128
        printf "GET http://$target/ HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n" >&3; cat <&3; done; sleep 0.5`;
      const host = new HostRecord();
      const program = processProgram(['bash', '-c', script], { network });
      const attempt = runtime.start(stage.request({ program }), host);
      await host.waitForLog();
      const sample = await attempt.sample?.();
      assertSucceeded(await attempt.outcome);
      assert.match(host.text('stdout'), /200 OK.*reached\n.*403 Forbidden.*does not list 127\.0\.0\.1:1\./s);
      assert.ok(
        (sample?.networkReceivedBytes ?? 0) > 20 && (sample?.networkSentBytes ?? 0) > 20,
        JSON.stringify(sample),
      );
    });

    it('lets the agent in: ports and commands, not after its end', async () => {
      await compile(folder, 'server', SERVER_PROGRAM);
      const hostPath = await stage.write('server', await readFile(join(folder, 'server')));
      const inputs = [{ sandboxPath: '/in/server', hostPath, bytes: (await stat(hostPath)).size }];
      const network = { allow: [], inbound: true };
      const host = new HostRecord();
      const script = 'cp /in/server /tmp/s; chmod 700 /tmp/s; exec /tmp/s';
      const attempt = runtime.start(shell(stage, script, { inputs, env: { WHO: 'me' } }, { network }), host);
      await host.waitForLog();
      assert.equal(await text((await attempt.connect?.(8080)) ?? assert.fail()), 'hello from inside\n');
      await assert.rejects(attempt.connect?.(8081) ?? assert.fail(), { code: 'unavailable' });
      assert.deepEqual(await attempt.exec?.(['sh', '-c', 'echo $WHO; id -u; exit 4'], 2000), {
        exitCode: 4,
        output: 'me\n65534\n',
      });
      assert.deepEqual(await attempt.exec?.(['sleep', '5'], 100), { exitCode: null, output: '' });
      attempt.kill('cancelled', 'Done.');
      assertFailed(await attempt.outcome, 'cancelled');
      await assert.rejects(attempt.connect?.(8080) ?? assert.fail(), { code: 'unavailable' });
    });
  });

  for (const cgroups of ['if-possible', 'never'] as const) {
    describe(`watching and pausing, control groups ${cgroups}`, () => {
      let own: TaskRuntime;
      before(() => {
        own = createProcessRuntime(stage.settings(2), { cgroups });
      });
      after(() => own.close());

      const ticking = (limits = STAGE_LIMITS): { attempt: RunningAttempt; ticks: () => number; host: HostRecord } => {
        const host = new HostRecord();
        const script = '(while :; do sleep 0.02; echo tick; done) & while :; do sleep 0.02; echo tick; done';
        const attempt = own.start(shell(stage, script, { limits }), host);
        return { attempt, host, ticks: () => host.text('stdout').length };
      };

      it('samples what an attempt uses', async () => {
        const host = new HostRecord();
        const script =
          'head -c 3000000 /dev/zero > /tmp/x; x=$(yes | head -c 1000000); echo written; while :; do :; done';
        const attempt = own.start(shell(stage, script), host);
        await host.waitForLog();
        await sleep(500);
        const sample = (await attempt.sample?.()) ?? assert.fail();
        attempt.kill('cancelled', 'Seen.');
        const { usage } = await attempt.outcome;
        assert.ok((sample.cpuMilliseconds ?? 0) > 50, JSON.stringify(sample));
        assert.ok((sample.memoryBytes ?? 0) > 10_000 && (sample.processes ?? 0) >= 1, JSON.stringify(sample));
        assert.equal(sample.diskBytes, 3_000_000);
        assert.ok((usage.cpuMilliseconds ?? 0) > 50 && (usage.peakMemoryBytes ?? 0) > 10_000, JSON.stringify(usage));
        assert.equal(await attempt.sample?.(), null);
      });

      it('freezes all processes and goes on; the limit of the run does not count meanwhile', async () => {
        const { attempt, ticks, host } = ticking({ ...STAGE_LIMITS, runMilliseconds: 1500 });
        await host.waitForLog();
        assert.equal(await attempt.pause?.(), true);
        await sleep(50);
        const frozen = ticks();
        await sleep(1600);
        assert.equal(ticks(), frozen);
        assert.equal(await Promise.race([attempt.outcome, 'still there']), 'still there');
        assert.equal(await attempt.resume?.(), true);
        await sleep(200);
        assert.ok(ticks() > frozen);
        const outcome = await within(attempt.outcome, 'the outcome');
        assertFailed(outcome, 'timeout');
        assert.ok(outcome.usage.wallMilliseconds < 1800, `${outcome.usage.wallMilliseconds} ms`);
        assert.equal(await attempt.pause?.(), false);
        assert.equal(await attempt.resume?.(), false);
      });

      it('asks the program to end, with a network as without', async () => {
        const script = "trap 'echo asked; exit 85' TERM; echo begun; while :; do sleep 0.05; done";
        const network = skipCompiler === false ? { allow: ['example.com:443'], inbound: false } : NO_NETWORK;
        for (const part of [{}, { network }]) {
          const host = new HostRecord();
          const attempt = own.start(shell(stage, script, {}, part), host);
          await host.waitForLog();
          await attempt.terminate?.();
          const outcome = await within(attempt.outcome, 'the outcome');
          assertFailed(outcome, 'exit-code');
          assert.equal(outcome.exitCode, 85);
          assert.equal(host.text('stdout'), 'begun\nasked\n');
        }
      });

      it('kills what is frozen', async () => {
        const { attempt, host } = ticking();
        await host.waitForLog();
        assert.equal(await attempt.pause?.(), true);
        const begin = performance.now();
        attempt.kill('cancelled', 'Enough.');
        assertFailed(await within(attempt.outcome, 'the outcome'), 'cancelled');
        assert.ok(performance.now() - begin < 300, `${performance.now() - begin} ms`);
      });
    });
  }

  it('holds a program to its share of a processor', { skip: skipGroups }, async () => {
    const limits = { ...STAGE_LIMITS, milliCpu: 200, runMilliseconds: 1000 };
    const { outcome } = await run('while :; do :; done', { limits });
    assertFailed(outcome, 'timeout');
    assert.ok((outcome.usage.cpuMilliseconds ?? 1000) < 400, `${outcome.usage.cpuMilliseconds} ms`);
  });

  it('a child that is killed for memory fails the whole attempt', { skip: skipGroups }, async () => {
    const { outcome } = await run('(tail /dev/zero) 2>/dev/null; echo survived; sleep 8; exit 0');
    assertFailed(outcome, 'oom');
    // At once, and not when it ends by itself.
    assert.ok(outcome.usage.wallMilliseconds < 7000, `${outcome.usage.wallMilliseconds} ms`);
  });
});

/** Writes its first two files into the third. */
const JOIN_PROGRAM = `
  #include <stdio.h>
  int main(int count, char **words) {
    FILE *out = fopen(words[3], "w");
    for (int at = 1; at < 3; at += 1) {
      FILE *in = fopen(words[at], "r");
      if (in == NULL || out == NULL || count < 4) return 1;
      for (int c; (c = fgetc(in)) != EOF;) fputc(c, out);
    }
    return fclose(out);
  }
`;

/** Greets whoever connects to port 8080. */
const SERVER_PROGRAM = `
  #include <arpa/inet.h>
  #include <stdio.h>
  #include <unistd.h>
  int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 8) != 0) return 1;
    puts("listening");
    fflush(stdout);
    for (;;) {
      int client = accept(fd, NULL, NULL);
      if (write(client, "hello from inside\\n", 18) < 0) return 1;
      close(client);
    }
  }
`;
