/**
 * A real engine for tests: Debian's dockerd, started by hand on folders of its own, with images of a static busybox.
 *
 * Where docker.io or busybox-static is not installed, or the user is not root, the tests are skipped with the reason;
 * FOG_REQUIRE_DOCKER=1 makes that a failure.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Engine } from '../../packages/runtimes/src/docker/engine.ts';

const READY_MILLISECONDS = 30_000;
export const TEST_IMAGE = 'fog-test:shell';

function programPath(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

function missing(programs: readonly string[]): string | false {
  const absent = programs.filter((name) => programPath(name) === null);
  if (absent.length > 0) return `${absent.join(', ')} not installed (Debian: docker.io docker-registry busybox-static)`;
  if (process.getuid?.() !== 0) return 'only root can start dockerd';
  try {
    accessSync('/sys/fs/cgroup', constants.W_OK);
  } catch {
    return 'control groups cannot be written here';
  }
  return false;
}

/** The `skip` of a test that needs an engine, and perhaps a registry. */
export function skipWithoutDocker(...others: readonly string[]): string | false {
  const reason = missing(['dockerd', 'containerd', 'runc', 'busybox', 'tar', ...others]);
  if (reason !== false && process.env.FOG_REQUIRE_DOCKER === '1')
    throw new Error(`FOG_REQUIRE_DOCKER=1, but ${reason}`);
  return reason;
}

export class TestEngine {
  readonly root: string;
  readonly socketPath: string;
  readonly engine: Engine;
  readonly #arguments: readonly string[];
  #process: ChildProcess | null = null;
  /** The last of its own log. */
  words = '';

  private constructor(root: string, more: readonly string[]) {
    this.root = root;
    this.socketPath = join(root, 'engine.sock');
    this.engine = new Engine(this.socketPath);
    const folders = [
      '--data-root',
      join(root, 'data'),
      '--exec-root',
      join(root, 'exec'),
      '--pidfile',
      join(root, 'pid'),
    ];
    const network = ['--bridge=none', '--iptables=false', '--ip-forward=false', '--ip-masq=false'];
    this.#arguments = [...folders, '-H', `unix://${this.socketPath}`, ...network, '--shutdown-timeout=1', ...more];
  }

  /** With the image TEST_IMAGE. `more` are arguments of dockerd. */
  static async start(...more: readonly string[]): Promise<TestEngine> {
    const test = new TestEngine(await mkdtemp(join(tmpdir(), 'fog-engine-')), more);
    process.on('exit', () => test.#process?.kill('SIGKILL'));
    await test.launch();
    await test.build(TEST_IMAGE);
    return test;
  }

  async launch(): Promise<void> {
    // Of a daemon that was killed. dockerd takes a containerd for alive that nobody has reaped yet, and waits for it.
    await rm(join(this.root, 'pid'), { force: true });
    await rm(join(this.root, 'exec', 'containerd', 'containerd.pid'), { force: true });
    const child = spawn(programPath('dockerd') ?? 'dockerd', this.#arguments, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    child.stderr?.on('data', (data: Buffer) => {
      this.words = (this.words + data.toString('utf8')).slice(-20_000);
    });
    const until = performance.now() + READY_MILLISECONDS;
    for (;;) {
      assert.equal(child.exitCode, null, `dockerd ended: ${this.words.slice(-2000)}`);
      this.engine.client.forgetVersion();
      const ready = await this.engine.client.apiVersion().then(
        () => true,
        () => false,
      );
      if (ready) return;
      assert.ok(performance.now() < until, `dockerd does not answer: ${this.words.slice(-2000)}`);
      await delay(50);
    }
  }

  /** As `kill -9` does it; what ran in it is left to itself. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    // Its containerd gets the same signal from the kernel, and must have released its database.
    const pidPath = join(this.root, 'exec', 'containerd', 'containerd.pid');
    const containerd = (await readFile(pidPath, 'utf8').catch(() => '')).trim();
    const isAlive = async (): Promise<boolean> =>
      /^State:\s+[^Z]/m.test(await readFile(`/proc/${containerd}/status`, 'utf8').catch(() => ''));
    while (containerd !== '' && (await isAlive())) await delay(10);
    this.#process = null;
  }

  async stop(): Promise<void> {
    // What still runs can only be ended by an engine.
    if (this.#process === null) await this.launch();
    for (const { Id } of await this.engine.listContainers({})) await this.engine.removeContainer(Id);
    this.engine.close();
    const child = this.#process;
    if (child !== null && child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
    }
    this.#process = null;
    // A daemon that was killed in the middle of a start leaves a shim that nobody knows, and mounts.
    await killShims(this.root);
    for (const path of await mountsBelow(this.root)) await promisify(execFile)('umount', ['-l', path]).catch(() => {});
    await rm(this.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  /**
   * FROM scratch: busybox with its applets. `changes` are lines of a Dockerfile; `fill` may put more into the root
   * before it is packed.
   */
  async build(name: string, changes: readonly string[] = [], fill?: (root: string) => Promise<void>): Promise<void> {
    const [repo = '', tag = ''] = [name.slice(0, name.lastIndexOf(':')), name.slice(name.lastIndexOf(':') + 1)];
    const query = { fromSrc: '-', repo, tag, changes };
    const body = await (fill === undefined ? busyboxTar() : makeTar(fill));
    await this.engine.client.text({ method: 'POST', path: '/images/create', query, body });
  }

  /** The same image, whose description says that it is for another architecture. */
  async loadForeign(name: string): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'fog-foreign-'));
    const layer = await busyboxTar();
    const digest = createHash('sha256').update(layer).digest('hex');
    const rootfs = { type: 'layers', diff_ids: [`sha256:${digest}`] };
    const description = { architecture: 's390x', os: 'linux', config: {}, rootfs, history: [] };
    await writeFile(join(folder, 'layer.tar'), layer);
    await writeFile(join(folder, 'config.json'), JSON.stringify(description));
    const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }];
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
    const options = { encoding: 'buffer', maxBuffer: 64 << 20 } as const;
    const { stdout } = await promisify(execFile)('tar', ['-C', folder, '-c', '.'], options);
    await this.engine.client.text({ method: 'POST', path: '/images/load', body: stdout });
    await rm(folder, { recursive: true });
  }

  async containers(): Promise<number> {
    return (await this.engine.listContainers({})).length;
  }
}

let tarBytes: Promise<Uint8Array> | null = null;

function busyboxTar(): Promise<Uint8Array> {
  tarBytes ??= makeTar();
  return tarBytes;
}

const APPLETS = ['sh', 'cat', 'cp', 'dd', 'env', 'id', 'ln', 'ls', 'mkdir', 'mkfifo', 'mknod', 'rm', 'sleep', 'stat'];
const MORE_APPLETS = [
  'mount',
  'od',
  'ps',
  'seq',
  'touch',
  'tr',
  'true',
  'wc',
  'yes',
  'grep',
  'nc',
  'kill',
  'head',
  'chmod',
];

async function makeTar(fill: (root: string) => Promise<void> = async () => {}): Promise<Uint8Array> {
  const root = await mkdtemp(join(tmpdir(), 'fog-image-'));
  await mkdir(join(root, 'bin'));
  await mkdir(join(root, 'etc'));
  await copyFile(programPath('busybox') ?? '', join(root, 'bin', 'busybox'));
  for (const applet of [...APPLETS, ...MORE_APPLETS]) await symlink('busybox', join(root, 'bin', applet));
  await fill(root);
  const options = { encoding: 'buffer', maxBuffer: 64 << 20 } as const;
  const { stdout } = await promisify(execFile)('tar', ['-C', root, '-c', '.'], options);
  await rm(root, { recursive: true, force: true });
  return stdout;
}

/** Those of an engine's containers, with what runs below them. */
async function killShims(root: string): Promise<void> {
  const numbers = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const read = (number: string, file: string) => readFile(`/proc/${number}/${file}`, 'utf8').catch(() => '');
  const shims = new Set<string>();
  for (const number of numbers) {
    const command = await read(number, 'cmdline');
    if (command.includes('containerd-shim') && command.includes(`${root}/`)) shims.add(number);
  }
  if (shims.size === 0) return;
  for (const number of numbers) {
    const parent = /^PPid:\s+(\d+)/m.exec(await read(number, 'status'))?.[1] ?? '';
    if (shims.has(number) || shims.has(parent)) process.kill(Number(number), 'SIGKILL');
  }
}

async function mountsBelow(folder: string): Promise<string[]> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8');
  const paths = mounts.split('\n').map((line) => line.split(' ')[4] ?? '');
  return paths.filter((path) => path.startsWith(`${folder}/`)).reverse();
}
