/** What a hostile native program tries. Each case has its row in docs/security.md, "Sandbox attacks". */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { forwarderBinary } from '../../src/network/forwarder-binary.ts';
import { createProcessRuntime } from '../../src/process/index.ts';
import type { AttemptRequest, ProcessProgram, TaskRuntime } from '../../src/runtime.ts';
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
} from '../runtime-stage.ts';
import { compile, processProgram, RESULT, shell, skipCompiler, skipProcess } from './programs.ts';

describe('attacks on the process runtime', { skip: skipProcess }, () => {
  let folder = '';
  let stage: TestStage;
  let runtime: TaskRuntime;
  let attacker: AttemptRequest['inputs'] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fog-attacks-'));
    stage = await createStage();
    runtime = createProcessRuntime(stage.settings(2), { forwarderCacheDirectory: join(folder, 'forwarder') });
    if (skipCompiler !== false) return;
    const source = await readFile(join(import.meta.dirname, 'attacker.c'), 'utf8');
    const hostPath = await stage.write('attacker', await readFile(await compile(folder, 'attacker', source)));
    attacker = [{ sandboxPath: '/in/attacker', hostPath, bytes: (await stat(hostPath)).size }];
  });
  after(async () => {
    await runtime.close();
    await stage[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs a script and returns what it wrote. */
  async function seen(script: string, part: Partial<AttemptRequest> = {}, program: Partial<ProcessProgram> = {}) {
    const host = new HostRecord();
    const outcome = await runAttempt(runtime, shell(stage, script, part, program), host);
    return { outcome, text: host.text('stdout'), errors: host.text('stderr') };
  }

  /** Runs the attacker program, each line of words in turn, and returns its lines. */
  async function attack(lines: string[], program: Partial<ProcessProgram> = {}): Promise<string[]> {
    const script = `cp /in/attacker /tmp/a; chmod 700 /tmp/a; ${lines.map((line) => `/tmp/a ${line}`).join('; ')}`;
    const { text, errors } = await seen(script, { inputs: attacker }, program);
    assert.equal(errors, '');
    return text.trim().split('\n');
  }

  describe('reading', () => {
    it('host files: nothing of users, services, other attempts or the blob cache is there', async () => {
      const secret = await stage.write('secret.txt', 'of another job');
      const others = [secret, stage.settings(1).scratchDirectory, import.meta.filename, process.execPath];
      const { text } = await seen(
        `for f in "$@"; do [ -e "$f" ] && echo "$f"; done; ls -A / /etc | grep -v :; cat /etc/passwd`,
        {
          args: [
            ...others,
            '/root',
            '/home',
            '/var',
            '/run',
            '/etc/shadow',
            '/etc/hostname',
            '/etc/ssl/private',
            '/boot',
          ],
        },
      );
      const lines = text.trim().split('\n');
      assert.equal(lines.at(-1), 'nobody:x:65534:65534:nobody:/tmp:/bin/sh');
      const allowed =
        /^(bin|sbin|lib\w*|usr|etc|dev|proc|tmp|nix|passwd|group|hosts|nsswitch\.conf|ld\.so\.\w+(\.d)?|ssl|alternatives|localtime|protocols|services|mime\.types|ca-certificates|pki|nobody:.*)$/;
      assert.deepEqual(
        lines.filter((line) => line !== '' && !allowed.test(line)),
        [],
      );
    });

    it('/proc: only its own processes, and no environment of ours', async () => {
      const { text } = await seen(
        'echo $$; ls /proc | grep -c "^[0-9]"; cat /proc/[0-9]*/environ | tr "\\0" "\\n"; cat /proc/[0-9]*/cmdline',
      );
      const [, processes = ''] = text.split('\n');
      assert.ok(Number(processes) <= 8, `${processes} processes`);
      assert.doesNotMatch(text, /NODE_|HOME=|FOG_REQUIRE|SHELL=|token|node_modules|OLDPWD=\/./i);
      assert.ok(!text.includes(stage.settings(1).scratchDirectory) && !text.includes('/blobs'), text);
    });

    it('environment and tokens: neither the host’s inside, nor the job’s on the command lines of the host', async () => {
      process.env.FOG_TOKEN_OF_TEST = 'host-secret';
      const host = new HostRecord();
      const request = shell(stage, 'env; cat /proc/*/environ; echo; sleep 5', { env: { JOB_TOKEN: 'job-secret' } });
      const attempt = runtime.start(request, host);
      await host.waitForLog();
      const lines = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(commandLine);
      attempt.kill('cancelled', 'Seen enough.');
      await attempt.outcome;
      delete process.env.FOG_TOKEN_OF_TEST;
      assert.match(host.text('stdout'), /JOB_TOKEN=job-secret/);
      assert.doesNotMatch(host.text('stdout'), /host-secret/);
      assert.deepEqual(
        lines.filter((line) => line.includes('job-secret')),
        [],
      );
    });

    it('descriptors are not inherited: neither the agent’s, nor those that the agent was started with', async () => {
      const program = shell(stage, 'for fd in /proc/self/fd/*; do echo "$fd $(readlink $fd)"; done');
      const agent = spawn(process.execPath, ['--input-type=module', '-e', AGENT_PROGRAM], {
        env: { ...process.env, FOG_TEST: JSON.stringify({ settings: stage.settings(1), program, index: INDEX }) },
        // Two more pipes, which a careless starter left open.
        stdio: ['ignore', 'pipe', 'inherit', 'ignore', 'ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      });
      const output = await text(agent.stdout as Readable);
      const lines = output.trim().split('\n');
      // The shell's own, while it lists them, is gone when its link is read.
      const harmless = /\/fd\/(?:[0-2] .*|\d+ (?:\/dev\/null|\/proc\/\d+\/fd)|\d+)$/;
      const others = lines.map((line) => line.trim()).filter((line) => !harmless.test(line));
      assert.deepEqual(others, []);
      assert.ok(lines.length >= 3, output);
    });
  });

  describe('writing', () => {
    it('settings of the kernel: /proc/sys and the like are read-only, /sys is not there', async () => {
      const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
      const { text } = await seen(
        `for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/vm/drop_caches /proc/sysrq-trigger \
           /proc/1/oom_score_adj /proc/irq/default_smp_affinity; do (echo x > $f) 2>/dev/null && echo "wrote $f"; done
         find /proc/sys -writable -type f 2>/dev/null | head; [ -e /sys ] && echo sys; exit 0`,
      );
      assert.doesNotMatch(text, /core_pattern|drop_caches|sysrq|irq|^sys$/m);
      assert.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), pattern);
    });

    it('programs and inputs are read-only, /dev and mounts too', async () => {
      const hostPath = await stage.write('data.txt', 'as it was');
      const script = `for f in /usr/x /bin/x /etc/x2/x /etc/passwd /dev/x /in/data.txt; do
          (echo x > $f) 2>/dev/null && echo "wrote $f"; done; rm -f /in/data.txt 2>/dev/null && echo removed; exit 0`;
      const { text } = await seen(script, { inputs: [{ sandboxPath: '/in/data.txt', hostPath, bytes: 9 }] });
      assert.equal(text, '');
      assert.equal(await readFile(hostPath, 'utf8'), 'as it was');
    });
  });

  describe('reaching out', { skip: skipCompiler }, () => {
    it('sockets: neither abstract ones of the host, nor its loopback, nor any network', async (context) => {
      const name = `fog-attack-${process.pid}`;
      const abstract = createServer((socket) => socket.destroy());
      const loopback = createServer((socket) => socket.destroy());
      context.after(() => [abstract, loopback].map((server) => server.close()));
      await once(abstract.listen(`\0${name}`), 'listening');
      await once(loopback.listen(0, '127.0.0.1'), 'listening');
      const { port } = loopback.address() as AddressInfo;
      const lines = await attack([
        `abstract ${name}`,
        `dial 127.0.0.1 ${port}`,
        'dial 169.254.169.254 80',
        'dial 1.1.1.1 80',
        'raw',
      ]);
      assert.deepEqual(lines, [
        'refused: Connection refused',
        'refused: Connection refused',
        'refused: Network is unreachable',
        'refused: Network is unreachable',
        'refused: Operation not permitted',
      ]);
    });

    it('metadata addresses: the proxy lets through neither the address nor a name for it', async () => {
      const binary = await forwarderBinary(join(folder, 'forwarder'));
      assert.ok(binary.available);
      const ask = (target: string) =>
        `exec 3<>/dev/tcp/127.0.0.1/3128; printf 'CONNECT ${target} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3; head -n 1 <&3; exec 3>&-`;
      const targets = [
        '169.254.169.254:80',
        '[::ffff:169.254.169.254]:80',
        '2852039166:80',
        '0xa9.254.43518:80',
        '127.0.0.1:22',
        'localhost:22',
      ];
      const network = { allow: ['2852039166:*', 'localhost:*', '0xa9.254.43518:*', 'example.com:443'], inbound: false };
      const program = processProgram(['bash', '-c', targets.map(ask).join('\n')], { network });
      const host = new HostRecord();
      assertSucceeded(await runAttempt(runtime, stage.request({ program }), host));
      const answers = host.text('stdout').trim().split('\r\n');
      assert.deepEqual(
        answers.map((line) => line.trim()),
        targets.map(() => 'HTTP/1.1 403 Forbidden'),
      );
    });

    it('the socket of its network can be dialled, but not replaced, and leads nowhere else', async () => {
      const network = { allow: [], inbound: true };
      const script = `rm -f /.fog/agent.sock 2>/dev/null && echo removed; (echo > /.fog/x) 2>/dev/null && echo wrote
        mv /.fog /tmp/fog 2>/dev/null && echo moved; ls -A /.fog; exit 0`;
      const { text, outcome } = await seen(script, {}, { network });
      assertSucceeded(outcome);
      assert.equal(text, 'agent.sock\nforwarder\n');
    });

    it('signals and ptrace: processes of the host are not there', async () => {
      const lines = await attack([`signal ${process.pid}`, `ptrace ${process.pid}`, `signal ${process.ppid}`]);
      assert.deepEqual(lines, Array(3).fill('refused: No such process'));
    });

    it('rights: no namespace, mount, device, root', async () => {
      const lines = await attack(['namespace', 'mount', 'remount', 'device', 'root', 'ids']);
      const ids = lines.pop();
      for (const line of lines) assert.match(line, /^refused: /);
      assert.equal(lines.length, 5);
      assert.equal(ids, '65534 65534 65534');
    });

    it('to the kernel it is not the user of a root agent', {
      skip: process.getuid?.() === 0 ? false : 'not root',
    }, async () => {
      const host = new HostRecord();
      const attempt = runtime.start(shell(stage, 'echo here; while :; do :; done', { args: ['marked-by-test'] }), host);
      await host.waitForLog();
      const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
      const marked = pids.filter((pid) => /^sh\0-c\0.*marked-by-test/s.test(commandLine(pid)));
      const users = marked.map((pid) => /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
      attempt.kill('cancelled', 'Seen enough.');
      await attempt.outcome;
      assert.ok(users.length >= 1);
      for (const user of users) assert.ok(Number(user) >= 65534, `user ${user}`);
    });

    it('setuid programs do not get their owner’s rights', {
      skip: process.getuid?.() === 0 ? false : 'needs root',
    }, async () => {
      const root = join(folder, 'setuid-root');
      await mkdir(join(root, 'bin'), { recursive: true });
      await copyFile(join(folder, 'attacker'), join(root, 'bin/a'));
      await chmod(join(root, 'bin/a'), 0o6755);
      const host = new HostRecord();
      const program = processProgram(['/bin/a', 'ids'], { rootPath: root, workingDirectory: '/' });
      assertSucceeded(await runAttempt(runtime, stage.request({ program }), host));
      assert.equal(host.text('stdout'), '65534 65534 65534\n');
    });
  });

  it('links of a root that lead to the host tell nothing of it', async () => {
    const root = join(folder, 'linked-root');
    await mkdir(root);
    await symlink('/etc', join(root, 'host'));
    await symlink('../../../../../../../etc', join(root, 'up'));
    const messages = new Set<string>();
    for (const workingDirectory of ['/host/ssl', '/host/no-such-folder', '/up/ssl', '/up/no-such-folder']) {
      const program = processProgram(['/bin/a'], { rootPath: root, workingDirectory });
      const outcome = await runAttempt(runtime, stage.request({ program }));
      assertFailed(outcome, 'rejected');
      messages.add(outcome.message.replace(/\/(host|up)/, '/LINK'));
    }
    assert.deepEqual([...messages].length, 1);
  });

  describe('outputs that lead elsewhere', () => {
    const tree = [{ name: 'tree', sandboxPath: '/out/tree' }];
    const cases: [string, string, typeof tree][] = [
      ['a link to a file of the host', 'ln -s /etc/hostname /out/result', RESULT],
      ['a link to a folder of the host', 'ln -s /root /out/result', RESULT],
      ['a link among files', 'mkdir /out/tree; ln -s /etc/shadow /out/tree/x', tree],
      ['a hard link', 'mkdir /out/tree; echo a > /tmp/a; ln /tmp/a /out/tree/a', tree],
      ['a fifo', 'mkfifo /out/result', RESULT],
      ['a fifo among files', 'mkdir /out/tree; mkfifo /out/tree/x', tree],
      ['a fifo above the output', 'rmdir /out; mkfifo /out', tree],
      ['a name with a line break', 'mkdir /out/tree; touch "/out/tree/a\nb"', tree],
      ['a name that is no text', 'mkdir /out/tree; touch "$(printf \'/out/tree/\\377\')"', tree],
    ];
    for (const [what, script, outputs] of cases) {
      it(`${what} is output-invalid`, async () => {
        assertFailed((await seen(script, { outputs })).outcome, 'output-invalid');
      });
    }

    it('a link above the output is output-invalid, and what it leads to is not taken', async () => {
      await mkdir(join(folder, 'elsewhere'), { recursive: true });
      await copyFile(import.meta.filename, join(folder, 'elsewhere/secret'));
      await chmod(folder, 0o755);
      const outputs = [{ name: 'tree', sandboxPath: '/out/elsewhere' }];
      assertFailed((await seen(`rmdir /out; ln -s ${folder} /out`, { outputs })).outcome, 'output-invalid');
    });

    it('inputs and programs cannot be linked into an output', { skip: skipCompiler }, async () => {
      const lines = await attack(['link /in/attacker /tmp/b', 'link /usr/bin/env /tmp/c', 'link /etc/passwd /tmp/d']);
      assert.deepEqual(lines, Array(3).fill('refused: Invalid cross-device link'));
    });

    it('a folder that is replaced by a link again and again does not lead the watch outside', async () => {
      const script = `cd /tmp; mkdir d; i=0; while [ $i -lt 400 ]; do mv d e; ln -s / d; rm d; mv e d; i=$((i + 1)); done`;
      const { outcome } = await seen(script, { limits: { ...STAGE_LIMITS, files: 50 } });
      assertSucceeded(outcome);
    });

    it('files without any rights are collected, and rights are not kept', async () => {
      const script =
        'mkdir /out/tree; echo a > /out/tree/a; head -c 3000000 /dev/zero > /out/tree/b; chmod 4777 /out/tree/b; chmod 0 /out/tree/a /out/tree';
      const { outcome } = await seen(script, { outputs: tree });
      assertSucceeded(outcome);
      assert.equal(await outputText(outcome, 'tree', 'a'), 'a\n');
      const large = outcome.outputs[0]?.files.find((file) => file.relativePath === 'b')?.content;
      assert.ok(large !== undefined && 'hostPath' in large);
      const stats = await stat(large.hostPath);
      assert.deepEqual([stats.mode & 0o7777, stats.uid, stats.nlink], [0o600, process.getuid?.(), 1]);
      await rm(large.hostPath);
    });
  });

  for (const cgroups of ['if-possible', 'never'] as const) {
    describe(`taking too much, control groups ${cgroups}`, { skip: skipCompiler }, () => {
      let own: TaskRuntime;
      before(() => {
        own = createProcessRuntime(stage.settings(2), { cgroups });
      });
      after(() => own.close());

      const take = (words: string, part: Partial<AttemptRequest> = {}) =>
        shell(stage, `cp /in/attacker /tmp/a; chmod 700 /tmp/a; ${words}`, { inputs: attacker, ...part });

      it('a fork bomb makes no more processes than it may have, and is ended', async () => {
        const host = new HostRecord();
        const limits = { ...STAGE_LIMITS, processes: 20, runMilliseconds: 1500 };
        const attempt = own.start(take('exec /tmp/a fork', { limits }), host);
        await host.waitForStart();
        await sleep(400);
        const sample = await attempt.sample?.();
        const outcome = await attempt.outcome;
        assert.ok(outcome.status === 'failed' && ['timeout', 'exit-code'].includes(outcome.reason));
        assert.ok((sample?.processes ?? 0) <= 40, `${sample?.processes}`);
        const made = Number(/made (\d+)/.exec(host.text('stdout'))?.[1] ?? 0);
        assert.ok(made <= 35, `${made} processes`);
      });

      it('memory: in one process, in many, and in /dev/shm', async () => {
        assertFailed(await runAttempt(own, take('/tmp/a memory')), 'oom');
        assertFailed(
          await runAttempt(own, take('for i in 1 2 3 4; do (head -c 20000000 /dev/zero; sleep 5) | tail & done; wait')),
          'oom',
        );
        const { text } = await (async () => {
          const host = new HostRecord();
          const limits = { ...STAGE_LIMITS, diskBytes: 1024 * MEBIBYTE };
          await runAttempt(own, take('cat /dev/zero > /dev/shm/x; ls -l /dev/shm/x', { limits }), host);
          return { text: host.text('stdout') };
        })();
        const bytes = Number(/ (\d+) \w+ +\d+ [\d:]+ \/dev\/shm\/x/.exec(text)?.[1] ?? 0);
        assert.ok(bytes <= 64 * MEBIBYTE, `${bytes} bytes`);
      });

      it('the disk: in one file, in many, in a hole, in files without a name', async () => {
        const fill = (script: string, diskBytes = 8 * MEBIBYTE) =>
          runAttempt(own, take(script, { limits: { ...STAGE_LIMITS, diskBytes, memoryBytes: 256 * MEBIBYTE } }));
        assertFailed(await fill('cat /dev/zero > /tmp/x'), 'output-too-large');
        assertFailed(
          await fill('i=0; while :; do head -c 1000000 /dev/zero > /tmp/$i; i=$((i + 1)); done'),
          'output-too-large',
        );
        assertFailed(await fill('truncate -s 1T /tmp/x'), 'output-too-large');
        assertFailed(await fill('truncate -s 7M /tmp/x; truncate -s 7M /tmp/y; sleep 5'), 'output-too-large');
        assertFailed(await fill('/tmp/a nameless 4'), 'output-too-large');
      });
    });
  }
});

const INDEX = join(import.meta.dirname, '../../src/index.ts');
/** An agent that runs one attempt and prints its log. */
const AGENT_PROGRAM = `
  const { settings, program, index } = JSON.parse(process.env.FOG_TEST);
  const { createProcessRuntime } = await import(index);
  const runtime = createProcessRuntime({ ...settings, nodeId: settings.nodeId + '-agent' });
  const host = { started() {}, log: (_stream, data) => process.stdout.write(data), progress() {} };
  await runtime.start({ ...program, seed: new Uint8Array(32) }, host).outcome;
  await runtime.close();
`;

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
