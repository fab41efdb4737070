import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  bubblewrapCommand,
  explainBubblewrapFailure,
  nodeReadOnlyPaths,
  probeBubblewrap,
} from '../../src/process/bubblewrap.ts';

const probe = await probeBubblewrap();
const skip = probe.available ? false : probe.reason;

describe('bubblewrap: command line', () => {
  const base = { command: '/bin/tool', args: ['a'], env: { A: '1' }, workingDirectory: '/' };

  it('separates everything, drops everything, writes nowhere', () => {
    const { command, args } = bubblewrapCommand({ ...base, readOnlyPaths: ['/b/c', '/b', '/b/c'] });
    assert.equal(command, 'bwrap');
    const line = args.join(' ');
    for (const part of [
      '--unshare-all',
      '--die-with-parent',
      '--new-session',
      '--cap-drop ALL',
      '--uid 65534 --gid 65534',
      '--clearenv --setenv A 1',
    ]) {
      assert.ok(line.includes(part), part);
    }
    assert.ok(line.includes('--ro-bind /b /b --ro-bind /b/c /b/c --remount-ro /'), line);
    assert.ok(line.endsWith('-- /bin/tool a'));
    assert.doesNotMatch(line, /--share-net|--bind |--tmpfs/);
  });

  it('offers a network, a bounded /tmp, other places and limits on request', () => {
    const { command, args } = bubblewrapCommand({
      ...base,
      readOnlyPaths: [],
      network: 'host',
      temporaryBytes: 1024,
      readOnlyBinds: [{ hostPath: '/x', sandboxPath: '/in' }],
      writableBinds: [{ hostPath: '/y', sandboxPath: '/out' }],
      limits: { openFiles: 64, processes: 8 },
    });
    assert.equal(command, 'prlimit');
    assert.deepEqual(args.slice(0, 5), ['--core=0', '--nofile=64', '--nproc=8', '--', 'bwrap']);
    const line = args.join(' ');
    for (const part of ['--share-net', '--size 1024 --tmpfs /tmp', '--ro-bind /x /in', '--bind /y /out'])
      assert.ok(line.includes(part), part);
  });

  it('says why it does not work and what helps', () => {
    const explain = (code: string | number, stderr: string, appArmor = false): string => {
      const result = explainBubblewrapFailure({ code }, stderr, appArmor);
      return result.available ? '' : `${result.reason} | ${result.hint}`;
    };
    assert.match(explain('ENOENT', ''), /not installed \| apt install bubblewrap/);
    assert.match(explain(1, 'bwrap: setting up uid map: Permission denied'), /AppArmor .* \| .*apparmor_parser/);
    assert.match(explain(1, 'bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted'), /AppArmor/);
    assert.match(explain(1, 'bwrap: No permissions to create new namespace'), /user namespaces here .* \| set sysctl/);
    assert.match(explain(1, 'something else'), /something else/);
  });
});

describe('bubblewrap: sandbox', { skip }, () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fog-bubblewrap-'));
    await writeFile(join(folder, 'readable.txt'), 'seen');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function start(script: string, stdio: ('pipe' | 'ignore')[]): ChildProcess {
    const { command, args } = bubblewrapCommand({
      command: process.execPath,
      args: ['-e', script],
      readOnlyPaths: [...nodeReadOnlyPaths(), folder],
      env: { ONLY: 'this' },
      workingDirectory: '/',
      temporaryBytes: 1 << 20,
    });
    return spawn(command, args, { env: { SECRET: 'of the host' }, stdio });
  }

  /** Runs a script inside and returns what it prints as JSON. */
  async function inside(script: string): Promise<unknown> {
    const child = start(script, ['ignore', 'pipe', 'pipe']);
    let output = '';
    let errors = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk;
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      errors += chunk;
    });
    await new Promise((resolve) => child.on('close', resolve));
    assert.notEqual(output, '', errors);
    return JSON.parse(output);
  }

  it('keeps the settings of the kernel from a root agent’s programs', async () => {
    // Written is what stands there already, should this fail.
    const seen = await inside(`
      const fs = require('node:fs');
      const written = ['/proc/sys/kernel/core_pattern', '/proc/sys/vm/swappiness'].filter((path) => {
        try { fs.writeFileSync(path, fs.readFileSync(path)); return true; } catch { return false; }
      });
      console.log(JSON.stringify(written));`);
    assert.deepEqual(seen, []);
  });

  it('shows neither the processes, the environment, the home nor the user of the host', async () => {
    const seen = await inside(`
      const fs = require('node:fs');
      const pids = fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
      let killed = 'no'; try { process.kill(${process.pid}, 0); killed = 'yes'; } catch (error) { killed = error.code; }
      console.log(JSON.stringify({ pids: pids.length, killed, env: Object.keys(process.env).filter((k) => k !== 'PWD'), uid: process.getuid(), gid: process.getgid(),
        host: require('node:os').hostname(), etc: fs.existsSync('/etc/passwd'), homes: fs.readdirSync('/').filter((name) => name === 'root' || name === 'home') }));`);
    const { pids, ...rest } = seen as { pids: number };
    assert.ok(pids <= 3, `${pids} processes`);
    assert.deepEqual(rest, {
      killed: 'ESRCH',
      env: ['ONLY'],
      uid: 65534,
      gid: 65534,
      host: 'fog',
      etc: false,
      homes: [],
    });
  });

  it('has no network', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const code = await inside(`
      const socket = require('node:net').connect(${address.port}, '127.0.0.1');
      socket.on('error', (error) => console.log(JSON.stringify(error.code))).on('connect', () => { console.log('"connected"'); socket.end(); });`);
    server.close();
    assert.match(String(code), /^(?:ECONNREFUSED|ENETUNREACH)$/);
  });

  it('can write to nothing of the host, and to a bounded /tmp', async () => {
    const results = await inside(`
      const fs = require('node:fs');
      const attempt = (path, bytes = 1) => { try { fs.writeFileSync(path, Buffer.alloc(bytes)); return 'written'; } catch (error) { return error.code; } };
      console.log(JSON.stringify([fs.readFileSync(${JSON.stringify(folder)} + '/readable.txt', 'utf8'), attempt(${JSON.stringify(folder)} + '/new'),
        attempt('/new'), attempt('/usr/lib/new'), attempt('/tmp/small'), attempt('/tmp/large', 4 << 20)]));`);
    assert.deepEqual(results, ['seen', 'EROFS', 'EROFS', 'EROFS', 'written', 'ENOSPC']);
  });

  it('lets further descriptors of the starter pass', async () => {
    const child = start(
      "const fs = require('node:fs'); const b = Buffer.alloc(4); fs.readSync(3, b); fs.writeSync(3, b.reverse());",
      ['ignore', 'ignore', 'pipe', 'pipe'],
    );
    const channel = child.stdio[3];
    assert.ok(channel !== undefined && channel !== null && 'write' in channel);
    channel.write('abcd');
    const answer = await new Promise((resolve) => channel.once('data', (data: Buffer) => resolve(data.toString())));
    assert.equal(answer, 'dcba');
    await new Promise((resolve) => child.once('close', resolve));
  });

  it('ends with its starter: killing bwrap kills what runs in it', async () => {
    const child = start("require('node:fs').writeSync(1, 'x'); for (;;);", ['ignore', 'pipe', 'ignore']);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const closed = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    // The pipe closes when the last process that holds it is gone.
    await closed;
  });
});
