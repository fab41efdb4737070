/** Debian's docker-registry on loopback, open or with a password. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestEngine } from '../../../../test/support/docker-engine.ts';
import { registryAuthorization } from '../../src/docker/image-reference.ts';

export const CREDENTIALS = { username: 'fog', password: 'pässword-of-the-test' };

export class TestRegistry {
  readonly folder: string;
  readonly port: number;
  #process: ChildProcess | null = null;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
  }

  static async start(): Promise<TestRegistry> {
    const registry = new TestRegistry(await mkdtemp(join(tmpdir(), 'fog-registry-')), await freePort());
    const { username, password } = CREDENTIALS;
    const htpasswd = execFileSync('htpasswd', ['-Bbn', username, password], { encoding: 'utf8' });
    await writeFile(join(registry.folder, 'htpasswd'), htpasswd.trim());
    const settings = [
      'version: 0.1',
      'log: {level: error}',
      `storage: {filesystem: {rootdirectory: ${join(registry.folder, 'data')}}}`,
      `http: {addr: "127.0.0.1:${registry.port}"}`,
      `auth: {htpasswd: {realm: test, path: ${join(registry.folder, 'htpasswd')}}}`,
    ];
    await writeFile(join(registry.folder, 'config.yml'), settings.join('\n'));
    await registry.launch();
    return registry;
  }

  image(name: string): string {
    return `127.0.0.1:${this.port}/${name}`;
  }

  async launch(): Promise<void> {
    this.#process = spawn('docker-registry', ['serve', join(this.folder, 'config.yml')], { stdio: 'ignore' });
    process.on('exit', () => this.#process?.kill('SIGKILL'));
    for (let tries = 0; ; tries += 1) {
      const answers = await fetch(`http://127.0.0.1:${this.port}/v2/`).then(
        () => true,
        () => false,
      );
      if (answers) return;
      assert.ok(tries < 200, 'the registry does not answer');
      await delay(50);
    }
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    this.#process = null;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Sends an image of the engine to the registry, and takes it from the engine. Answers its digest. */
  async push(test: TestEngine, source: string, name: string): Promise<string> {
    const image = this.image(name);
    const [repo = '', tag = ''] = [image.slice(0, image.lastIndexOf(':')), image.slice(image.lastIndexOf(':') + 1)];
    const { client } = test.engine;
    await client.text({ method: 'POST', path: `/images/${source}/tag`, query: { repo, tag } });
    const headers = { 'X-Registry-Auth': registryAuthorization(image, CREDENTIALS) ?? '' };
    const report = await client.text({ method: 'POST', path: `/images/${repo}/push`, query: { tag }, headers });
    const digest = /sha256:[0-9a-f]{64}(?= size)/.exec(report)?.[0];
    assert.ok(digest !== undefined, report);
    await client.text({ method: 'DELETE', path: `/images/${image}` });
    return digest;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
