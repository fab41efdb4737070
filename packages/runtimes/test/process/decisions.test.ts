/** The pure core of the process runtime: views, command lines, control groups, ends. */
import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PROCESS_LIMITS } from '../../src/limits.ts';
import {
  cgroupName,
  cgroupSettings,
  parseCgroupMounts,
  parseOwnCgroups,
  readKeyed,
  readNumber,
} from '../../src/process/cgroup-plan.ts';
import { explainEnd, parseStatus, type SandboxEnd } from '../../src/process/ending.ts';
import { attemptIdentity, launchCommand } from '../../src/process/launch.ts';
import { launcherPath } from '../../src/process/sandbox-process.ts';
import {
  existsIn,
  HOST_PARENTS,
  hostSource,
  planView,
  type RootEntry,
  ViewConflict,
  type ViewSource,
} from '../../src/process/sandbox-view.ts';
import { STAGE_LIMITS } from '../runtime-stage.ts';

const TREE: Readonly<Record<string, Readonly<Record<string, RootEntry['type']>>>> = {
  '/': {
    bin: 'symlink',
    usr: 'folder',
    etc: 'folder',
    home: 'folder',
    proc: 'folder',
    tmp: 'folder',
    init: 'file',
    fd: 'other',
  },
  '/usr': { bin: 'folder', share: 'folder' },
  '/usr/share': { doc: 'folder', x: 'file' },
  '/etc': { shadow: 'file', ssl: 'folder', 'ld.so.cache': 'file' },
  '/etc/ssl': { private: 'folder', certs: 'folder' },
  '/home': { user: 'folder' },
};
const source: ViewSource = {
  list: (folder) => Object.entries(TREE[folder] ?? {}).map(([name, type]) => ({ name, type })),
  readLink: () => 'usr/bin',
  typeOf: (path) => (path === '/' ? 'folder' : (TREE[posix.dirname(path)]?.[posix.basename(path)] ?? null)),
  hostPath: (path) => `/images/1${path}`,
};
const bound = (places: string[]) => planView(source, places).readOnlyBinds.map(({ sandboxPath }) => sandboxPath);

describe('what a sandbox sees', () => {
  it('binds the entries of a root whole, but for its own folders and what is no file', () => {
    const view = planView(source, []);
    assert.deepEqual(bound([]), ['/usr', '/etc', '/home', '/init']);
    assert.deepEqual(view.symlinks, [{ target: 'usr/bin', sandboxPath: '/bin' }]);
    assert.equal(view.readOnlyBinds[0]?.hostPath, '/images/1/usr');
  });

  it('goes as deep as the places of the job need', () => {
    assert.deepEqual(bound(['/usr/share/data/in.txt']), [
      '/usr/bin',
      '/usr/share/doc',
      '/usr/share/x',
      '/etc',
      '/home',
      '/init',
    ]);
    assert.deepEqual(planView(source, ['/usr/share/data/in.txt']).folders, ['/usr', '/usr/share']);
    assert.deepEqual(bound(['/usr/share/x']).includes('/usr/share/x'), false, 'an input takes the place');
    for (const place of ['/bin/x', '/init/x', '/bin']) assert.throws(() => planView(source, [place]), ViewConflict);
  });

  it('has a bound, however many entries the root has', () => {
    const list = () => Array.from({ length: PROCESS_LIMITS.viewEntries + 1 }, (_, index) => `f${index}`);
    const wide: ViewSource = { ...source, list: () => list().map((name) => ({ name, type: 'file' })) };
    assert.throws(() => planView(wide, []), /more than 2048 entries beside them in \/$/);
    const links: ViewSource = { ...source, list: () => list().map((name) => ({ name, type: 'symlink' })) };
    assert.throws(() => planView(links, []), ViewConflict);
  });

  it('looks for a path as a program would: links stay in the root', () => {
    const links: Readonly<Record<string, string>> = {
      '/bin': '../../usr/bin',
      '/usr/up': '..',
      '/etc/out': '/home/user',
      '/host': '/root',
      '/loop': '/loop',
    };
    const linked: ViewSource = {
      ...source,
      typeOf: (path) => (Object.hasOwn(links, path) ? 'symlink' : source.typeOf(path)),
      readLink: (path) => links[path] ?? '',
    };
    const there = ['/', '/usr/share', '/bin', '/bin/../share/x', '/usr/up/etc/out', '/usr/up/usr/up/home'];
    for (const path of there) assert.equal(existsIn(linked, path), true, path);
    for (const path of ['/srv', '/bin/x', '/init/x', '/host', '/host/x', '/loop', '/loop/x']) {
      assert.equal(existsIn(linked, path), false, path);
    }
  });

  it('of the host shows programs and harmless settings alone', () => {
    const view = planView(hostSource(source), [], HOST_PARENTS);
    assert.deepEqual(
      view.readOnlyBinds.map(({ sandboxPath }) => sandboxPath),
      ['/usr', '/etc/ssl/certs', '/etc/ld.so.cache'],
    );
  });
});

describe('launching', () => {
  it('joins the groups, stages as root, sets limits, drops the id, in this order', () => {
    const { command, args } = launchCommand({
      joinFiles: ['/cg/memory/cgroup.procs'],
      identity: { id: 1_879_048_200, stages: [{ name: 'attempt', hostPath: '/data/a b' }] },
      limits: { fileBytes: 10 },
      command: ['prog', '--args', ''],
    });
    assert.equal(command, '/bin/sh');
    const line = args.filter((arg) => !arg.includes('\n'));
    const text = line.join('|');
    assert.match(text, /^-c\|sh\|1\|\/cg\/memory\/cgroup\.procs\|unshare\|--mount\|/);
    assert.match(
      text,
      /\|sh\|1\|attempt\|\/data\/a b\|prlimit\|--core=0\|--fsize=10\|--\|setpriv\|--reuid\|1879048200\|/,
    );
    assert.match(text, /\|--bounding-set=-all\|--\|bwrap\|--args\|4\|--\|prog\|--args\|$/);
  });

  it('gives each attempt an id of its own, where there are as many', () => {
    const all = '         0          0 4294967295\n';
    const ids = new Set(Array.from({ length: 50 }, (_, index) => attemptIdentity(`a${index}`, all)));
    assert.ok(ids.size >= 48);
    for (const id of ids) assert.ok(id >= 0x70_00_00_00 && id < 0x70_01_00_00);
    assert.equal(attemptIdentity('a', '0 100000 65536\n'), 65534);
    assert.equal(attemptIdentity('a', ''), 65534);
  });

  it('shows programs only the folders of the launchers', () => {
    const path = launcherPath('/secret/bin:relative:/usr/bin:/bin');
    assert.ok(path.includes('/usr/bin') && !path.includes('secret') && !path.includes('relative'));
  });
});

describe('control groups', () => {
  const V1 = [
    '30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:8 - cgroup cgroup rw,cpu,cpuacct',
    '31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
    '32 25 0:28 / /sys/fs/cgroup/with\\040space rw - cgroup2 cgroup2 rw,nsdelegate',
    'nonsense',
  ].join('\n');

  it('are found in the mounts of either version', () => {
    const { unified, controllers } = parseCgroupMounts(V1);
    assert.equal(unified, '/sys/fs/cgroup/with space');
    assert.equal(controllers.get('cpuacct'), '/sys/fs/cgroup/cpu,cpuacct');
    assert.equal(controllers.get('memory'), '/sys/fs/cgroup/memory');
    const own = parseOwnCgroups('4:memory:/a/b\n3:cpu,cpuacct:/\n0::/user.slice/c:d\n');
    assert.deepEqual([own.get('memory'), own.get('cpuacct'), own.get('')], ['/a/b', '/', '/user.slice/c:d']);
  });

  it('get the same limits in both versions, no swap, and room for our own processes', () => {
    const limits = { memoryBytes: 1 << 26, milliCpu: 250, processes: 5, hasNetwork: false };
    const values = (version: 1 | 2) =>
      Object.fromEntries(cgroupSettings(version, limits).map(({ file, value }) => [file, value]));
    assert.deepEqual(values(2), {
      'memory.max': '67108864',
      'memory.swap.max': '0',
      'memory.oom.group': '1',
      'cpu.max': '25000 100000',
      'pids.max': '7',
    });
    assert.deepEqual(values(1), {
      'memory.limit_in_bytes': '67108864',
      'memory.memsw.limit_in_bytes': '67108864',
      'cpu.cfs_period_us': '100000',
      'cpu.cfs_quota_us': '25000',
      'pids.max': '7',
    });
    assert.equal(
      cgroupSettings(2, { ...limits, milliCpu: 1 }).find(({ controller }) => controller === 'cpu')?.value,
      '1000 100000',
    );
    assert.equal(cgroupSettings(2, { ...limits, hasNetwork: true }).at(-1)?.value, '16');
  });

  it('have names that are one folder, whatever an attempt is called', () => {
    assert.notEqual(cgroupName('a/b'), cgroupName('a.b'));
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        assert.match(cgroupName(name), /^[A-Za-z0-9_.-]+$/);
        assert.ok(cgroupName(name) !== '.' && cgroupName(name) !== '..');
      }),
    );
    assert.notEqual(cgroupName('..'), '..');
  });

  it('are read as numbers or not at all', () => {
    assert.equal(readKeyed('low 0\noom_kill 3\noom_kill_group 9\n', 'oom_kill'), 3);
    assert.equal(readKeyed('a 1\n', 'b'), null);
    assert.equal(readKeyed(null, 'b'), null);
    assert.deepEqual(
      [readNumber('12\n'), readNumber('max\n'), readNumber(''), readNumber('-1')],
      [12, null, null, null],
    );
  });
});

describe('ends', () => {
  const end: SandboxEnd = {
    exitCode: 0,
    began: true,
    outOfMemoryKills: 0,
    startErrno: null,
    diagnostic: '',
    command: 'prog',
    limits: STAGE_LIMITS,
  };
  const reason = (part: Partial<SandboxEnd>) => explainEnd({ ...end, ...part })?.reason ?? 'success';

  it('become outcomes', () => {
    assert.equal(reason({}), 'success');
    assert.equal(reason({ exitCode: 3 }), 'exit-code');
    assert.equal(reason({ exitCode: 153 }), 'output-too-large');
    assert.equal(reason({ outOfMemoryKills: 1 }), 'oom');
    assert.equal(reason({ startErrno: 2, exitCode: 127 }), 'command-not-found');
    assert.equal(reason({ exitCode: null }), 'sandbox');
    const execFailure = 'bwrap: execvp prog: No such file or directory\n';
    assert.equal(reason({ exitCode: null, diagnostic: execFailure }), 'command-not-found');
    assert.equal(reason({ exitCode: 1, diagnostic: execFailure }), 'exit-code');
    assert.equal(
      reason({ exitCode: null, diagnostic: "bwrap: Can't chdir to /x: No such file or directory\n" }),
      'command-not-found',
    );
    const broken = explainEnd({ ...end, exitCode: null, began: false, diagnostic: 'a\nbwrap: no way\n' });
    assert.match(broken?.message ?? '', /could not be set up \(bwrap: no way\)/);
  });

  it('are read from the status of bubblewrap, whatever else is there', () => {
    assert.deepEqual(parseStatus('{ "child-pid": 7, "net-namespace": 4 }\n{ "exit-code": 3 }\n'), {
      childPid: 7,
      exitCode: 3,
    });
    assert.deepEqual(parseStatus('{ "child-pid": 7'), { childPid: null, exitCode: null });
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const { childPid, exitCode } = parseStatus(text);
        assert.ok(childPid === null || typeof childPid === 'number');
        assert.ok(exitCode === null || typeof exitCode === 'number');
      }),
    );
  });
});
