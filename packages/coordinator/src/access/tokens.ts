/**
 * Bearer tokens. Of a token the database knows the SHA-256 of its secret part alone; with 256 random bits nothing
 * slower is needed.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import {
  ADMIN_TOKEN_FILE,
  type CreatedToken,
  FogError,
  formatToken,
  newId,
  parseToken,
  type Scope,
  type Token,
} from '@fog/contract';
import { HTTP_LIMITS } from '../limits.ts';
import type { Caller, Page, PageRequest } from '../service.ts';
import type { Database } from '../store/database.ts';
import type { TokenRow } from '../store/tables.ts';
import { decodeCursor, encodeCursor } from './page-cursor.ts';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

export interface TokenStoreDependencies {
  database: Database;
  /** SHA-256 of the coordinator's own certificate; null where it has none. Part of every token's text. */
  fingerprint: string | null;
  /** Milliseconds since 1970. */
  now?: () => number;
}

export interface NewToken {
  scope: Scope;
  /** Default: for `submit` a principal of its own, named as the token; `admin` for the others. */
  principal?: string | undefined;
  lifeMilliseconds?: number | undefined;
  /** Nodes that join with it are trusted. */
  trusted?: boolean | undefined;
}

interface CachedToken {
  row: TokenRow;
  secretHash: Buffer;
  readAt: number;
}

export class TokenStore {
  readonly #database: Database;
  readonly #fingerprint: string | null;
  readonly #now: () => number;
  /** Tokens that exist, oldest read first. What is not known is never kept: forged ids must not push out good ones. */
  readonly #cache = new Map<string, CachedToken>();
  /** Revocations made here; a row that was read before one of them is not remembered. */
  #revocations = 0;

  constructor(dependencies: TokenStoreDependencies) {
    this.#database = dependencies.database;
    this.#fingerprint = dependencies.fingerprint;
    this.#now = dependencies.now ?? Date.now;
  }

  /** The text of the token is in the answer and nowhere else. */
  async create(request: NewToken): Promise<CreatedToken> {
    const now = this.#now();
    const secret = randomBytes(32).toString('base64url');
    const id = newId('t', now, randomBytes(9));
    const row: TokenRow = {
      id,
      scope: request.scope,
      // Whoever gets a token to submit with is a stranger until the operator says otherwise: nodes trust `admin`.
      principal: request.principal ?? (request.scope === 'submit' ? id : 'admin'),
      trusted: request.trusted === true ? 1 : 0,
      secret_hash: hashOf(secret).toString('hex'),
      created_at: now,
      expires_at: request.lifeMilliseconds === undefined ? null : now + request.lifeMilliseconds,
      revoked_at: null,
    };
    await this.#database.write((writer) => writer.insertInto('tokens').values(row).execute());
    const { scope } = request;
    return { ...toToken(row), token: formatToken({ scope, id: row.id, secret, fingerprint: this.#fingerprint }) };
  }

  /**
   * Who holds this token. Throws `unauthenticated`: with the reason for the holder of a genuine token that expired
   * or was revoked, and with one and the same message for everything else, so that guesses learn nothing.
   */
  async authenticate(text: string): Promise<Caller> {
    const { scope, principal } = await this.#genuine(text);
    return { scope: scope as Scope, principal };
  }

  /**
   * Whose the nodes are that join with this token, and whether they are trusted. Throws what `authenticate` throws, and
   * `forbidden` for a token of another scope.
   */
  async authenticateJoin(text: string): Promise<{ owner: string; trusted: boolean }> {
    const { scope, principal: owner, trusted } = await this.#genuine(text);
    if (scope === 'admin') return { owner, trusted: true };
    if (scope === 'node') return { owner, trusted: trusted === 1 };
    throw new FogError('forbidden', `a token of scope ${scope} cannot join nodes`, {
      hint: 'fog token create --scope node',
    });
  }

  async #genuine(text: string): Promise<TokenRow> {
    const { id, secret, scope } = parseToken(text);
    const known = await this.#find(id);
    // The comparison is made for unknown ids too: an answer takes the same time for them.
    const secretMatches = timingSafeEqual(hashOf(secret), known?.secretHash ?? ABSENT_HASH);
    if (known === null || !secretMatches || known.row.scope !== scope) throw unknownToken();
    const { row } = known;
    if (row.revoked_at !== null) throw refused('the token was revoked');
    if (row.expires_at !== null && row.expires_at <= this.#now()) throw refused('the token has expired');
    return row;
  }

  /** Newest first. Throws `invalid-request` for a bad cursor. */
  async list(request: PageRequest): Promise<Page<Token>> {
    const before = decodeCursor(request.cursor, /^t[0-9a-z]{18}$/);
    let query = this.#database.read.selectFrom('tokens').selectAll().orderBy('id', 'desc');
    if (before !== undefined) query = query.where('id', '<', before);
    const rows = await query.limit(request.limit + 1).execute();
    const items = rows.slice(0, request.limit).map(toToken);
    return { items, next: rows.length > request.limit ? encodeCursor(items.at(-1)?.id ?? '') : null };
  }

  /** Takes effect here at once, on other coordinators within `tokenCacheMilliseconds`. Throws `not-found`. */
  async revoke(id: string): Promise<Token> {
    const now = this.#now();
    const row = await this.#database.write(async (writer) => {
      await writer
        .updateTable('tokens')
        .set({ revoked_at: now })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .execute();
      return await writer.selectFrom('tokens').selectAll().where('id', '=', id).executeTakeFirst();
    });
    this.#revocations += 1;
    this.#cache.delete(id);
    if (row === undefined) throw new FogError('not-found', `there is no token ${id}`, { hint: 'fog token ls' });
    return toToken(row);
  }

  async #find(id: string): Promise<CachedToken | null> {
    const cached = this.#cache.get(id);
    const now = this.#now();
    if (cached !== undefined && now - cached.readAt < HTTP_LIMITS.tokenCacheMilliseconds) return cached;
    this.#cache.delete(id);
    const revocations = this.#revocations;
    const row = await this.#database.read.selectFrom('tokens').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) return null;
    const entry = { row, secretHash: Buffer.from(row.secret_hash, 'hex'), readAt: now };
    if (row.revoked_at === null && revocations === this.#revocations) this.#remember(id, entry);
    return entry;
  }

  #remember(id: string, entry: CachedToken): void {
    const oldest = this.#cache.keys().next();
    if (this.#cache.size >= HTTP_LIMITS.tokenCacheEntries && !oldest.done) this.#cache.delete(oldest.value);
    this.#cache.set(id, entry);
  }
}

/**
 * The admin token of this machine: DATA/admin.token (0600), made once. When the database does not accept what stands
 * there (another database, expired, revoked), or it names another certificate than the present one, it is replaced.
 * Returns the text. Throws `data-directory`.
 */
export async function ensureAdminToken(
  tokens: TokenStore,
  options: { dataDirectory: string; fingerprint: string | null },
): Promise<string> {
  const path = join(options.dataDirectory, ADMIN_TOKEN_FILE);
  const text = (await readPrivateFile(path))?.trim();
  if (text !== undefined && (await isAdmin(tokens, text))) {
    const parts = parseToken(text);
    if (parts.fingerprint === options.fingerprint) return text;
    const renewed = formatToken({ ...parts, fingerprint: options.fingerprint });
    await writePrivateFile(path, `${renewed}\n`, { replace: true });
    return renewed;
  }
  const { token } = await tokens.create({ scope: 'admin' });
  await writePrivateFile(path, `${token}\n`, { replace: true });
  return token;
}

async function isAdmin(tokens: TokenStore, text: string): Promise<boolean> {
  try {
    return (await tokens.authenticate(text)).scope === 'admin';
  } catch (error) {
    if (error instanceof FogError && error.code === 'unauthenticated') return false;
    throw error;
  }
}

const ABSENT_HASH = Buffer.alloc(32);

function hashOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

function unknownToken(): FogError {
  return refused('the token is not known here');
}

function refused(message: string): FogError {
  return new FogError('unauthenticated', message, { hint: 'create one with "fog token create", or set FOG_TOKEN' });
}

function toToken(row: TokenRow): Token {
  return {
    id: row.id,
    scope: row.scope as Scope,
    principal: row.principal,
    trusted: row.trusted === 1,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  };
}
