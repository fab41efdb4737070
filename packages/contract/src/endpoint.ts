/**
 * How programs on this machine find the coordinator, and how tokens look.
 *
 * `DATA/endpoint.json` tells the address and certificate of a running coordinator; `DATA/admin.token` (0600) holds
 * its admin token. A token is `fog_<scope>_<id>_<secret>`; of a coordinator that made its own certificate it ends in
 * `.<fingerprint>`, the SHA-256 of the certificate in hex, which programs pin instead of trusting authorities.
 */
import { z } from 'zod';
import { FogError } from './errors.ts';
import { SCOPES, type Scope } from './resources.ts';

export const ENDPOINT_FILE = 'endpoint.json';
export const ADMIN_TOKEN_FILE = 'admin.token';

export const endpointSchema = z.strictObject({
  url: z.string(),
  pid: z.int(),
  /** SHA-256 of the coordinator's own certificate, lower-case hex; null where there is none. */
  fingerprint: z.string().nullable(),
});
export type Endpoint = z.infer<typeof endpointSchema>;

export interface TokenParts {
  scope: Scope;
  id: string;
  secret: string;
  fingerprint: string | null;
}

const TOKEN = new RegExp(`^fog_(${SCOPES.join('|')})_(t[0-9a-z]{18})_([A-Za-z0-9_-]{43})(?:\\.([0-9a-f]{64}))?$`);

export function formatToken({ scope, id, secret, fingerprint }: TokenParts): string {
  return `fog_${scope}_${id}_${secret}${fingerprint === null ? '' : `.${fingerprint}`}`;
}

/** Throws `unauthenticated` when the text has not the form of a token. The text itself is never in the message. */
export function parseToken(text: string): TokenParts {
  const match = TOKEN.exec(text.trim());
  if (match === null) throw new FogError('unauthenticated', 'this is not a fog token', { hint: 'fog token create' });
  return { scope: match[1] as Scope, id: match[2] ?? '', secret: match[3] ?? '', fingerprint: match[4] ?? null };
}
