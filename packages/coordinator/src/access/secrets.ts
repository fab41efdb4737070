/** Secrets of principals, sealed with AES-256-GCM. Values leave this file towards attempts alone, never in errors. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FogError, type Secret } from '@fog/contract';
import { HTTP_LIMITS } from '../limits.ts';
import type { Page, PageRequest } from '../service.ts';
import type { Database, Reader, Writer } from '../store/database.ts';
import { refusableWrite } from '../store/refusable-write.ts';
import { decodeCursor, encodeCursor } from './page-cursor.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

export const SECRETS_KEY_FILE = 'secrets.key';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface SecretStoreDependencies {
  database: Database;
  /** 32 bytes. */
  key: Buffer;
  now?: () => number;
}

/**
 * The key that seals secrets: of `keyFile` when given, otherwise DATA/secrets.key (0600), made when absent.
 * Throws `invalid-configuration` when the file is unreadable or holds anything but 32 bytes in hex.
 */
export async function loadSecretsKey(options: {
  dataDirectory: string;
  keyFile?: string | undefined;
}): Promise<Buffer> {
  if (options.keyFile !== undefined) {
    const text = await readFile(options.keyFile, 'utf8').catch((cause: Error) => {
      throw new FogError('invalid-configuration', `secretsKeyFile: cannot read it: ${cause.message}`, { cause });
    });
    return parseKey(text, options.keyFile);
  }
  const path = join(options.dataDirectory, SECRETS_KEY_FILE);
  const existing = await readPrivateFile(path);
  if (existing !== null) return parseKey(existing, path);
  await writePrivateFile(path, `${randomBytes(32).toString('hex')}\n`, { replace: false });
  return parseKey((await readPrivateFile(path)) ?? '', path);
}

function parseKey(text: string, path: string): Buffer {
  if (!/^[0-9a-f]{64}$/i.test(text.trim())) {
    throw new FogError('invalid-configuration', `${path} must hold 32 bytes as 64 hex digits`, {
      hint: 'make one with: openssl rand -hex 32',
    });
  }
  return Buffer.from(text.trim(), 'hex');
}

export class SecretStore {
  readonly #database: Database;
  readonly #key: Buffer;
  readonly #now: () => number;

  constructor(dependencies: SecretStoreDependencies) {
    this.#database = dependencies.database;
    this.#key = dependencies.key;
    this.#now = dependencies.now ?? Date.now;
  }

  /** Throws `too-many-requests` when the principal holds as many as it may. */
  async set(principal: string, name: string, value: string): Promise<Secret> {
    const updatedAt = this.#now();
    const row = { principal, name, sealed: this.#seal(principal, name, value), updated_at: updatedAt };
    await refusableWrite(this.#database, async (writer) => {
      await refuseTooMany(writer, principal, name);
      await writer
        .insertInto('secrets')
        .values(row)
        .onConflict((conflict) =>
          conflict.columns(['principal', 'name']).doUpdateSet({ sealed: row.sealed, updated_at: updatedAt }),
        )
        .execute();
    });
    return { principal, name, updatedAt };
  }

  /** By name. Throws `invalid-request` for a bad cursor. */
  async list(principal: string, request: PageRequest): Promise<Page<Secret>> {
    const after = decodeCursor(request.cursor, /^[A-Za-z0-9._-]{1,63}$/);
    let query = this.#database.read
      .selectFrom('secrets')
      .select(['name', 'principal', 'updated_at'])
      .where('principal', '=', principal)
      .orderBy('name');
    if (after !== undefined) query = query.where('name', '>', after);
    const rows = await query.limit(request.limit + 1).execute();
    const items = rows.slice(0, request.limit).map((row) => ({ ...namesOf(row), updatedAt: row.updated_at }));
    return { items, next: rows.length > request.limit ? encodeCursor(items.at(-1)?.name ?? '') : null };
  }

  /** Throws `not-found`. */
  async delete(principal: string, name: string): Promise<void> {
    const result = await this.#database.write((writer) =>
      writer.deleteFrom('secrets').where('principal', '=', principal).where('name', '=', name).executeTakeFirst(),
    );
    if (Number(result.numDeletedRows) === 0) throw new FogError('not-found', `there is no secret ${name}`);
  }

  /**
   * The values of the names. Throws `invalid-spec` naming what is not set, and `invalid-configuration` when a value
   * was sealed with another key.
   */
  async resolve(principal: string, names: readonly string[]): Promise<Record<string, string>> {
    if (names.length === 0) return {};
    const rows = await this.#rowsOf(this.#database.read, principal, names);
    const sealed = new Map(rows.map((row) => [row.name, row.sealed]));
    const missing = [...new Set(names)].filter((name) => !sealed.has(name));
    if (missing.length > 0) {
      throw new FogError('invalid-spec', `${principal} has no secret ${missing.join(', ')}`, {
        details: { missing },
        hint: `fog secret set ${missing[0]}`,
      });
    }
    return Object.fromEntries([...sealed].map(([name, text]) => [name, this.#unseal(principal, name, text)]));
  }

  /** Those of `names` that are not set; for the check at submit. */
  async missing(principal: string, names: readonly string[]): Promise<string[]> {
    if (names.length === 0) return [];
    const known = new Set((await this.#rowsOf(this.#database.read, principal, names)).map((row) => row.name));
    return [...new Set(names)].filter((name) => !known.has(name));
  }

  async #rowsOf(reader: Reader, principal: string, names: readonly string[]) {
    return await reader
      .selectFrom('secrets')
      .select(['name', 'sealed'])
      .where('principal', '=', principal)
      .where('name', 'in', [...new Set(names)])
      .execute();
  }

  #seal(principal: string, name: string, value: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES });
    // Bound to its owner and name: a row that was copied under another name does not open.
    cipher.setAAD(Buffer.from(`${principal}/${name}`));
    const ciphertext = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]).toString('base64');
  }

  #unseal(principal: string, name: string, sealed: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    try {
      const nonce = bytes.subarray(0, NONCE_BYTES);
      const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.from(`${principal}/${name}`));
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
      return Buffer.concat([text, decipher.final()]).toString('utf8');
    } catch {
      throw new FogError('invalid-configuration', `the secret ${name} of ${principal} does not open with this key`, {
        hint: 'coordinators of one database need the same secretsKeyFile; otherwise set the secret again',
      });
    }
  }
}

async function refuseTooMany(writer: Writer, principal: string, name: string): Promise<void> {
  const { others } = await writer
    .selectFrom('secrets')
    .select((expression) => expression.fn.countAll<number>().as('others'))
    .where('principal', '=', principal)
    .where('name', '!=', name)
    .executeTakeFirstOrThrow();
  if (Number(others) < HTTP_LIMITS.secretsPerPrincipal) return;
  throw new FogError('too-many-requests', `${principal} has ${HTTP_LIMITS.secretsPerPrincipal} secrets already`, {
    retryable: false,
    hint: 'delete some with "fog secret rm"',
  });
}

function namesOf(row: { name: string; principal: string }): { name: string; principal: string } {
  return { name: row.name, principal: row.principal };
}
