/** What a hostile container tries. Each case has its row in docs/security.md, "Sandbox attacks". */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { skipWithoutDocker, TestEngine } from '../../../../test/support/docker-engine.ts';
import { networkOpener } from '../../src/network/network-opener.ts';
import type { AttemptRequest } from '../../src/runtime.ts';
import { compile, skipCompiler } from '../process/programs.ts';
import {
  assertFailed,
  assertSucceeded,
  HostRecord,
  largestSample,
  MEBIBYTE,
  runAttempt,
  STAGE_LIMITS,
  within,
} from '../runtime-stage.ts';
import { dockerStage, shellRequest } from './docker-stage.ts';

const TRAPPED_IMAGE = 'fog-test:trapped';

describe('attacks on the docker runtime', { skip: skipWithoutDocker() || skipCompiler }, () => {
  let folder = '';
  let engine: TestEngine;
  let given: Awaited<ReturnType<typeof dockerStage>>;
  let attacker: AttemptRequest['inputs'] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fog-attacks-'));
    const source = await readFile(join(import.meta.dirname, '../process/attacker.c'), 'utf8');
    const program = await compile(folder, 'attacker', source);
    engine = await TestEngine.start();
    await engine.build(TRAPPED_IMAGE, [], (root) => setTraps(root, program));
    given = await dockerStage(engine, { network: networkOpener(join(folder, 'forwarder')) });
    const hostPath = await given.stage.write('attacker', await readFile(program));
    attacker = [{ sandboxPath: '/in/attacker', hostPath, bytes: (await stat(hostPath)).size }];
  });
  after(async () => {
    await given.end().finally(() => engine.stop());
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs a script and returns what it wrote. */
  async function seen(script: string, part: Parameters<typeof shellRequest>[2] = {}) {
    const host = new HostRecord();
    const outcome = await runAttempt(given.runtime, shellRequest(given.stage, script, part), host);
    return { outcome, text: host.text('stdout'), errors: host.text('stderr') };
  }

  /** Runs the attacker program, each line of words in turn, and returns its lines. */
  async function attack(lines: string[]): Promise<string[]> {
    const script = lines.map((line) => `/in/attacker ${line}`).join('; ');
    const { text, errors } = await seen(script, { inputs: attacker });
    assert.equal(errors, '');
    return text.trim().split('\n');
  }

  describe('reading', () => {
    it('host files: nothing but the image, its own folders and what the engine makes is there', async () => {
      const secret = await given.stage.write('secret.txt', 'of another job');
      const others = [secret, given.settings.scratchDirectory, engine.socketPath, '/var/run/docker.sock', '/root'];
      const { text } = await seen('for f in "$@"; do [ -e "$f" ] && echo "$f"; done; ls -A /', { args: others });
      assert.deepEqual(text.trim().split('\n'), ['.dockerenv', 'bin', 'dev', 'etc', 'proc', 'sbin', 'sys', 'tmp']);
    });

    it('/proc: only its own processes', async () => {
      const { text } = await seen('ls /proc | grep -c "^[0-9]"; cat /proc/[0-9]*/cmdline | tr "\\0" " "');
      const [processes = ''] = text.split('\n');
      assert.ok(Number(processes) <= 8, `${processes} processes`);
      assert.ok(!text.includes(engine.root), text);
    });

    it('environment and tokens: neither the host’s inside, nor the job’s on the command lines of the host', async () => {
      process.env.FOG_TOKEN_OF_TEST = 'host-secret';
      const host = new HostRecord();
      const request = shellRequest(given.stage, 'env; cat /proc/*/environ; sleep 5', { env: { TOKEN: 'job-secret' } });
      const attempt = given.runtime.start(request, host);
      await host.waitForLog();
      const numbers = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
      const lines = numbers.map(commandLine);
      attempt.kill('cancelled', 'Seen enough.');
      await attempt.outcome;
      delete process.env.FOG_TOKEN_OF_TEST;
      assert.match(host.text('stdout'), /TOKEN=job-secret/);
      assert.doesNotMatch(host.text('stdout'), /host-secret|FOG_REQUIRE|NODE_|DOCKER_/);
      assert.ok(!lines.some((line) => line.includes('job-secret')));
    });
  });

  describe('writing', () => {
    it('settings of the kernel: /proc/sys and /sys are read-only', async () => {
      const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
      const { text } = await seen(
        `for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/vm/drop_caches /proc/sysrq-trigger \
           /proc/1/oom_score_adj /proc/irq/default_smp_affinity /sys/fs/cgroup/memory/memory.limit_in_bytes \
           /sys/fs/cgroup/memory.max /sys/kernel/uevent_helper; do (echo x > $f) 2>/dev/null && echo "wrote $f"; done; exit 0`,
      );
      assert.equal(text, '');
      assert.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), pattern);
    });

    it('the image, inputs, /dev and mounts are read-only', async () => {
      const hostPath = await given.stage.write('data.txt', 'as it was');
      const script = `for f in /x /bin/x /etc/x /dev/x /dev/sda /in/data.txt; do (echo x > $f) 2>/dev/null && echo "wrote $f"
        done; rm -f /in/data.txt 2>/dev/null; mount -o remount,rw / 2>/dev/null && echo remounted; exit 0`;
      const { text } = await seen(script, { inputs: [{ sandboxPath: '/in/data.txt', hostPath, bytes: 9 }] });
      assert.equal(text, '');
      assert.equal(await readFile(hostPath, 'utf8'), 'as it was');
    });

    it('what a container writes to /tmp cannot be run, and is gone with it', async () => {
      const { text } = await seen(
        'cp /bin/busybox /tmp/b; chmod 755 /tmp/b; /tmp/b true 2>/dev/null && echo ran; exit 0',
      );
      assert.equal(text, '');
    });
  });

  describe('reaching out', () => {
    it('sockets: neither abstract ones of the host, nor its loopback, nor any network', async (context) => {
      const name = `fog-attack-docker-${process.pid}`;
      const abstract = createServer((socket) => socket.destroy());
      const loopback = createServer((socket) => socket.destroy());
      context.after(() => [abstract, loopback].map((server) => server.close()));
      await once(abstract.listen(`\0${name}`), 'listening');
      await once(loopback.listen(0, '127.0.0.1'), 'listening');
      const { port } = loopback.address() as AddressInfo;
      const dials = [`abstract ${name}`, `dial 127.0.0.1 ${port}`, 'dial 169.254.169.254 80', 'dial 1.1.1.1 80', 'raw'];
      assert.deepEqual(await attack(dials), [
        'refused: Connection refused',
        'refused: Connection refused',
        'refused: Network is unreachable',
        'refused: Network is unreachable',
        'refused: Operation not permitted',
      ]);
    });

    it('metadata addresses: the proxy lets through neither the address nor a name for it', async () => {
      const targets = ['169.254.169.254:80', '[::ffff:169.254.169.254]:80', '2852039166:80', '127.0.0.1:22'];
      const ask = (target: string) =>
        `printf 'CONNECT ${target} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' | nc -w 5 127.0.0.1 3128 | head -n 1`;
      const network = { allow: ['2852039166:*', 'example.com:443'], inbound: false };
      const { text, outcome } = await seen(targets.map(ask).join('; '), { docker: { network } });
      assertSucceeded(outcome);
      assert.deepEqual(
        text
          .trim()
          .split('\r\n')
          .map((line) => line.trim()),
        targets.map(() => 'HTTP/1.1 403 Forbidden'),
      );
    });

    it('the socket of its network can be dialled, but not replaced', async () => {
      const script = `rm -f /.fog/agent.sock 2>/dev/null; (echo > /.fog/x) 2>/dev/null && echo wrote
        mv /.fog /tmp/fog 2>/dev/null && echo moved; ls -A /.fog; exit 0`;
      const { text } = await seen(script, { docker: { network: { allow: [], inbound: true } } });
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
      assert.deepEqual([lines.length, ids], [5, '65534 65534 65534']);
    });

    it('setuid programs of the image do not get their owner’s rights', async () => {
      const { text } = await seen('/bin/attacker ids; /bin/attacker root', { docker: { image: TRAPPED_IMAGE } });
      assert.equal(text, '65534 65534 65534\nrefused: Operation not permitted\n');
    });

    it('device nodes that came with the image cannot be opened', async () => {
      const { text, errors } = await seen('for d in memory disk; do head -c 1 /$d && echo "read $d"; done; exit 0', {
        docker: { image: TRAPPED_IMAGE },
      });
      assert.equal(text, '');
      assert.equal(errors.match(/Operation not permitted/g)?.length, 2, errors);
    });

    it('inputs and programs cannot be linked into an output', async () => {
      const outputs = [{ name: 'result', sandboxPath: '/out/result' }];
      const script =
        'for f in /in/attacker /bin/busybox /proc/self/exe; do ln $f /out/result 2>/dev/null && echo $f; done; exit 0';
      const { text, outcome } = await seen(script, { inputs: attacker, outputs });
      assert.equal(text, '');
      assertFailed(outcome, 'output-missing');
    });
  });

  it('memory: in many processes, and in /dev/shm', async () => {
    const script = 'for i in 1 2 3 4; do (head -c 20000000 /dev/zero; sleep 1) | sort & done; wait';
    const host = new HostRecord();
    const limits = { ...STAGE_LIMITS, memoryBytes: 48 * MEBIBYTE, runMilliseconds: 8000 };
    const attempt = given.runtime.start(shellRequest(given.stage, script, { limits }), host);
    const most = await within(largestSample(attempt, 'memoryBytes'), 'the outcome');
    assert.ok(most <= limits.memoryBytes, `${most} bytes`);
    const { text } = await seen('head -c 200000000 /dev/zero > /dev/shm/x 2>/dev/null; stat -c %s /dev/shm/x', {
      limits,
    });
    assert.ok(Number(text || 0) <= limits.memoryBytes, text);
  });
});

/** A root file system whose author meant harm: a setuid program, the memory of the machine, a disk of it. */
async function setTraps(root: string, program: string): Promise<void> {
  await copyFile(program, join(root, 'bin', 'attacker'));
  await chmod(join(root, 'bin', 'attacker'), 0o6755);
  for (const [name, ...device] of [
    ['memory', 'c', '1', '1'],
    ['disk', 'b', '254', '0'],
  ] as const) {
    await promisify(execFile)('mknod', ['-m', '666', join(root, name), ...device]);
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
