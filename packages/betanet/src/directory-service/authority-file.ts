/** The state of an authority on the disk. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { FogError } from '@fog/contract';
import { type AuthorityState, authorityStateSchema, NEW_AUTHORITY } from '../directory/authority-state.ts';

/** Nothing there: a new authority. */
export async function readState(path: string): Promise<AuthorityState> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return NEW_AUTHORITY;
  const parsed = authorityStateSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new FogError('data-directory', `${path} is no state of an authority of this version`, {
    hint: 'move the file away; the authority then starts anew and takes part from the next round on',
  });
}

/** It holds the value of a commitment until that is revealed, so it is the owner's alone. */
export async function writeState(path: string, state: AuthorityState): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(state), { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
}
