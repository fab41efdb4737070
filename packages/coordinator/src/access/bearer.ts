/** From the Authorization header to the caller. */
import { FogError, type Scope } from '@fog/contract';
import type { Caller } from '../service.ts';

/** A token of a node's session, good for blobs alone. */
export const BLOB_TOKEN_PREFIX = 'fogblob_';
/** No token is longer; nothing longer is looked at. */
const LONGEST_HEADER = 512;

export interface BearerDependencies {
  tokens: { authenticate(text: string): Promise<Caller> };
  /** Checks the token of a node's session. */
  authenticateBlobToken?: (text: string) => Promise<Caller>;
}

export type Authenticate = (authorization: string | undefined) => Promise<Caller>;

/** Throws `unauthenticated`. */
export function bearerAuthentication(dependencies: BearerDependencies): Authenticate {
  return async (authorization) => {
    const text = bearerToken(authorization);
    if (!text.startsWith(BLOB_TOKEN_PREFIX)) return dependencies.tokens.authenticate(text);
    if (dependencies.authenticateBlobToken === undefined) throw needsToken('the token is not known here');
    return dependencies.authenticateBlobToken(text);
  };
}

/** Throws `unauthenticated`. */
export function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined) throw needsToken('the request has no Authorization header');
  const match = authorization.length > LONGEST_HEADER ? null : /^Bearer +(\S+) *$/i.exec(authorization);
  if (match?.[1] === undefined) throw needsToken('the Authorization header is not "Bearer <token>"');
  return match[1];
}

function needsToken(message: string): FogError {
  return new FogError('unauthenticated', message, { hint: 'send "Authorization: Bearer <token>" with a fog token' });
}

/** Admin may everything. Throws `forbidden` naming the scopes that would do. */
export function requireScope(caller: Caller, scopes: readonly Scope[]): void {
  if (caller.scope === 'admin' || scopes.includes(caller.scope)) return;
  const needed = ['admin', ...scopes];
  throw new FogError('forbidden', `this needs a token of scope ${needed.join(' or ')}, not ${caller.scope}`, {
    details: { needed, scope: caller.scope },
    hint: `an admin creates one with "fog token create --scope ${scopes[0] ?? 'admin'}"`,
  });
}
