/** The token with which the nodes of `fog up` join: made once, kept in the data folder for its owner alone. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type CreatedToken, type FogClient, FogError, parseToken } from '@fog/contract';
import { allPages } from '../commands/command-context.ts';

/**
 * Writes a token that is valid now to `file`, the one that is there where it still is. A new one a start would fill
 * the list of tokens.
 */
export async function provideNodeToken(
  file: string,
  coordinator: {
    client: FogClient;
    fingerprint: string | null;
    createToken(input: { scope: 'node'; principal: string; trusted: true }): Promise<CreatedToken>;
  },
): Promise<void> {
  const present = await readFile(file, 'utf8').catch(() => null);
  if (present !== null && (await isValid(present, coordinator))) return;
  const { token } = await coordinator.createToken({ scope: 'node', principal: 'admin', trusted: true });
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `${token}\n`, { mode: 0o600 });
    await chmod(file, 0o600);
  } catch (cause) {
    throw new FogError('data-directory', `cannot write ${file}: ${(cause as Error).message}`, { cause });
  }
}

async function isValid(
  text: string,
  { client, fingerprint }: { client: FogClient; fingerprint: string | null },
): Promise<boolean> {
  let id: string;
  try {
    const parts = parseToken(text);
    if (parts.fingerprint !== fingerprint) return false;
    id = parts.id;
  } catch {
    return false;
  }
  const tokens = allPages((cursor) => client.call('listTokens', { query: cursor === undefined ? {} : { cursor } }));
  for await (const token of tokens) {
    if (token.id === id) return token.revokedAt === null && (token.expiresAt === null || token.expiresAt > Date.now());
  }
  return false;
}
