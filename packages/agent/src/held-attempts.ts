/**
 * Attempts that may outlive the agent, such as containers: what the next agent needs to take them over. Values of
 * secrets are not in it. Files need no sync: what ends the machine ends the attempts too.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type AttemptName, type LeaseGroup, leaseGroupSchema } from '@fog/contract';
import { attemptId } from './attempt-id.ts';

export interface HeldAttemptFile {
  name: AttemptName;
  group: LeaseGroup;
}

export class HeldAttempts {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async open(folder: string): Promise<HeldAttempts> {
    await mkdir(folder, { mode: 0o700, recursive: true });
    return new HeldAttempts(folder);
  }

  async remember(group: LeaseGroup, { job, partition, fence }: AttemptName): Promise<void> {
    const path = this.#path({ job, partition, fence });
    const text = JSON.stringify({ ...group, secrets: {}, leases: [{ partition, fence }] });
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  async forget(name: AttemptName): Promise<void> {
    await rm(this.#path(name), { force: true });
  }

  /** What earlier agents left. A file that cannot be read, such as one of another version, is removed. */
  async load(): Promise<HeldAttemptFile[]> {
    const held: HeldAttemptFile[] = [];
    for (const file of await readdir(this.#folder)) {
      const path = join(this.#folder, file);
      const read = leaseGroupSchema.safeParse(parse(await readFile(path, 'utf8')));
      const lease = read.data?.leases[0];
      if (!file.endsWith('.json') || read.data === undefined || lease === undefined) {
        await rm(path, { recursive: true, force: true });
        continue;
      }
      const { partition, fence } = lease;
      held.push({ group: read.data, name: { job: read.data.job, partition, fence } });
    }
    return held;
  }

  #path(name: AttemptName): string {
    return join(this.#folder, `${attemptId(name)}.json`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
