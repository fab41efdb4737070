/** A folder in which archives are unpacked, and a look at what came of it. */
import assert from 'node:assert/strict';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach } from 'node:test';
import { ARCHIVE_LIMITS } from '../../src/limits.ts';
import type { ArchiveLimits } from '../../src/process/archive-entries.ts';
import { ArchiveFault, unpackArchive } from '../../src/process/unpack-archive.ts';

export const RUNS = Number(process.env.FOG_MODEL_RUNS ?? 60);

/** Every path below a folder, with all that a program could tell of it. */
export function listing(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stats = lstatSync(path);
    const mode = (stats.mode & 0o7777).toString(8);
    const seconds = Math.floor(stats.mtimeMs / 1000);
    if (stats.isSymbolicLink()) found[name] = `link ${readlinkSync(path)}`;
    else if (stats.isDirectory()) {
      found[name] = `folder ${mode} ${seconds}`;
      for (const [below, what] of Object.entries(listing(path))) found[join(name, below)] = what;
    } else if (stats.isFile()) found[name] = `file ${mode} ${seconds} ${readFileSync(path, 'latin1')}`;
    else found[name] = 'something else';
  }
  return found;
}

/** Fresh for each test of the file that makes it. */
export class UnpackingStage {
  base = '';
  archivePath = '';
  target = '';
  claimed = 0;

  constructor() {
    before(async () => {
      this.base = await mkdtemp(join(tmpdir(), 'fog-unpack-'));
      await mkdir(join(this.base, 'roots'));
      await writeFile(join(this.base, 'outside'), 'outside');
      this.archivePath = join(this.base, 'archive');
      this.target = join(this.base, 'roots', 'root');
    });
    after(() => rm(this.base, { recursive: true, force: true }));
    beforeEach(() => this.clear());
  }

  async clear(): Promise<void> {
    await rm(this.target, { recursive: true, force: true });
    this.claimed = 0;
  }

  async unpack(archive: Uint8Array, limits: Partial<ArchiveLimits> = {}): Promise<Record<string, string>> {
    await writeFile(this.archivePath, archive);
    const claim = (bytes: number) => {
      this.claimed += bytes;
    };
    const { archivePath, target } = this;
    const { signal } = new AbortController();
    await unpackArchive({ archivePath, folder: target, signal, claim }, { ...ARCHIVE_LIMITS, ...limits });
    return listing(target);
  }

  /** Nothing is left behind, and nothing else than the target was touched. */
  assertUntouched(): void {
    assert.deepEqual(Object.keys(listing(this.base)).sort(), ['archive', 'outside', 'roots']);
    assert.equal(readFileSync(join(this.base, 'outside'), 'utf8'), 'outside');
  }

  async assertRefused(archive: Uint8Array, message: RegExp, limits: Partial<ArchiveLimits> = {}): Promise<void> {
    await assert.rejects(this.unpack(archive, limits), (error: unknown) => {
      assert.ok(error instanceof ArchiveFault, String(error));
      assert.match(error.message, message);
      return true;
    });
    this.assertUntouched();
  }
}
