/** Native programs with a root file system of their own, through a whole fog: from a tar file to what they print. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { skipProcess } from '../../packages/runtimes/test/process/programs.ts';
import { type FogProcess, fog, startFog, temporaryFolder } from '../support/fog-process.ts';

const BUSYBOX = '/bin/busybox';
const skipBusybox = existsSync(BUSYBOX) ? false : 'busybox is not installed (Debian: busybox-static)';

describe('roots of native programs', { skip: skipProcess || skipBusybox }, () => {
  const data = temporaryFolder('roots');
  const archive = join(data, 'rootfs.tar.gz');
  let running: FogProcess;
  before(async () => {
    const root = join(data, 'rootfs');
    for (const folder of ['bin', 'etc', 'data']) mkdirSync(join(root, folder), { recursive: true });
    copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
    symlinkSync('busybox', join(root, 'bin/sh'));
    symlinkSync('bin', join(root, 'sbin'));
    writeFileSync(join(root, 'etc/greeting'), 'from inside\n', { mode: 0o600 });
    execFileSync('tar', ['-C', root, '-czf', archive, '.']);
    running = await startFog(data, ['--nodes', '1']);
  });
  after(() => running.interrupt());

  function write(name: string, spec: object, metadata: object = {}): string {
    const path = join(data, name);
    writeFileSync(path, JSON.stringify({ kind: 'Job', metadata, spec }));
    return path;
  }
  const program = (root: string, script: string, task: object = {}) => ({
    runtime: 'process',
    process: { root, command: ['/bin/sh', '-c', script] },
    ...task,
  });
  const roots = () => {
    const folders = readdirSync(join(data, 'nodes')).map((node) => join(data, 'nodes', node, 'roots'));
    return folders
      .filter((folder) => existsSync(folder))
      .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  };

  test('a program runs in its root, with its inputs and outputs, and sees nothing of the node', async () => {
    writeFileSync(join(data, 'words.txt'), 'pear\napple\n');
    const script = [
      '/bin/busybox cat /etc/greeting',
      '/bin/busybox ls / | /bin/busybox tr "\\n" " "',
      'test -e /usr && echo the programs of the node',
      'echo evil > /etc/greeting',
      '/bin/busybox sort /data/words.txt > /out/sorted',
    ].join('; ');
    const job = write('job.json', {
      task: program('./rootfs.tar.gz', script, {
        inputs: [{ source: 'words.txt', path: '/data/words.txt' }],
        outputs: [{ name: 'result', path: '/out/sorted' }],
      }),
    });
    const ran = await fog(data, 'run', job);
    assert.deepEqual([ran.code, ran.stdout], [0, 'apple\npear\n'], ran.stderr);
    const log = await fog(data, 'job', 'logs', /job (j\w+)/.exec(ran.stderr)?.[1] ?? '');
    assert.match(log.stdout, /^from inside\nbin data dev etc out proc sbin tmp \n$/);
    assert.match(log.stderr, /can't create \/etc\/greeting: Read-only file system/);
    const more = write('more.json', { count: 3, task: program('./rootfs.tar.gz', 'true') });
    assert.equal((await fog(data, 'run', more)).code, 0);
    const [root, ...others] = roots();
    assert.deepEqual(others, [], 'one root for all of them');
    assert.equal(readFileSync(join(root ?? '', 'tree/etc/greeting'), 'utf8'), 'from inside\n');
  });

  test('a service is started again in the same root', async () => {
    const task = program('./rootfs.tar.gz', '/bin/busybox cat /etc/greeting; /bin/busybox sleep 0.2; exit 3');
    const service = write('service.json', { type: 'service', restart: { delay: '50ms' }, task }, { name: 'again' });
    const deployed = await fog(data, 'deploy', service, '--detach', '--json');
    const id = JSON.parse(deployed.stdout).revisions[0].job;
    const greetings = async () => (await fog(data, 'job', 'logs', id)).stdout.match(/from inside/g)?.length ?? 0;
    for (let tries = 0; (await greetings()) < 2 && tries < 100; tries += 1) await pause(100);
    assert.ok((await greetings()) >= 2);
    assert.equal(roots().length, 1);
    assert.equal((await fog(data, 'rollout', 'remove', 'again')).code, 0);
  });

  test('a damaged archive, and one that leads out, fail the job and tell where', async () => {
    const bytes = readFileSync(archive);
    writeFileSync(join(data, 'cut.tar.gz'), bytes.subarray(0, bytes.length / 2));
    const cut = await fog(data, 'run', write('cut.json', { task: program('cut.tar.gz', 'true') }));
    assert.notEqual(cut.code, 0);
    assert.match(cut.stderr, /input-missing.*the root: the archive is damaged after \d+ bytes/s);
    execFileSync('tar', [
      '-C',
      data,
      '-cPf',
      join(data, 'out.tar'),
      '--transform',
      's,^words,../../words,',
      'words.txt',
    ]);
    const out = await fog(data, 'run', write('out.json', { task: program('out.tar', 'true') }));
    assert.match(out.stderr, /input-missing.*names an entry by "\.\.": "\.\.\/\.\.\/words\.txt"/s);
    assert.equal(roots().length, 1, 'nothing is left of them');
  });

  test('what the root has no room for is told', async () => {
    const inputs = [{ source: 'words.txt', path: '/sbin/words.txt' }];
    const job = write('room.json', { task: program('./rootfs.tar.gz', 'true', { inputs }) });
    assert.match(
      (await fog(data, 'run', job)).stderr,
      /rejected.*nothing can be put below \/sbin, which is a link here/s,
    );
  });
});
