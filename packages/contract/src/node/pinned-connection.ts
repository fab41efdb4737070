/**
 * Connections to a coordinator that made its own certificate.
 *
 * No authority vouches for such a certificate; the token carries its fingerprint instead. The certificate is fetched
 * once, compared with the fingerprint, and from then on trusted as the only authority for this coordinator, whatever
 * name it is reached by. Nothing is sent before the comparison.
 */
import { X509Certificate } from 'node:crypto';
import { connect, type SecureContextOptions } from 'node:tls';
import type { Fetch } from '../client.ts';
import { FogError } from '../errors.ts';
import { httpFetch } from './http-fetch.ts';

export interface PinnedConnection {
  fetch: Fetch;
  /** For `ws` and other TLS clients; undefined where nothing is pinned. */
  tls: PinnedTls | undefined;
}

export type PinnedTls = SecureContextOptions & { checkServerIdentity: () => undefined };

const CONNECT_MILLISECONDS = 10_000;

/**
 * `fingerprint` is the SHA-256 of the certificate in lower-case hex; null uses the authorities of the system.
 * Throws `unavailable` when nobody answers and `unauthenticated` when the certificate is another one.
 */
export async function pinnedConnection(url: string, fingerprint: string | null): Promise<PinnedConnection> {
  if (fingerprint !== null && !url.startsWith('https:')) {
    throw new FogError('unauthenticated', `the token names a certificate, and ${url} would show none`, {
      hint: `write https: ${url.replace(/^http:/, 'https:')}`,
    });
  }
  if (fingerprint === null) {
    return { fetch: httpFetch(), tls: undefined };
  }
  const certificate = await presentedCertificate(new URL(url));
  const presented = certificateFingerprint(certificate);
  if (presented !== fingerprint) {
    throw new FogError(
      'unauthenticated',
      `the coordinator at ${url} presents another certificate than the token names`,
      {
        details: { expected: fingerprint, presented },
        hint: 'ask its operator for a new token; if its certificate did not change, somebody stands between',
      },
    );
  }
  const tls: PinnedTls = { ca: certificate.toString(), checkServerIdentity: () => undefined };
  return { fetch: httpFetch(tls), tls };
}

/** SHA-256 of the DER bytes, lower-case hex. */
export function certificateFingerprint(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

function presentedCertificate(url: URL): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const socket = connect({ host, port: Number(url.port || 443), rejectUnauthorized: false });
    const fail = (cause: unknown) => {
      socket.destroy();
      reject(new FogError('unavailable', `cannot reach the coordinator at ${url.origin}`, { cause }));
    };
    socket.setTimeout(CONNECT_MILLISECONDS, () => fail(new Error('no answer')));
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      const raw = socket.getPeerX509Certificate();
      socket.destroy();
      if (raw === undefined) fail(new Error('no certificate'));
      else resolve(new X509Certificate(raw.raw));
    });
  });
}
