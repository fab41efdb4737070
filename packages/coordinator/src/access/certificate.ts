/**
 * How the listener is protected:
 *
 *     tlsCert and tlsKey given          -> that certificate, on any address
 *     loopback                          -> plain HTTP
 *     another address, plainHttp        -> plain HTTP, because somebody said so
 *     another address                   -> a certificate of our own; its fingerprint is part of every token
 */
import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type CoordinatorSettings, FogError } from '@fog/contract';
import { certificateFingerprint, isLoopback } from '@fog/contract/node';
import { readPrivateFile, writePrivateFile } from './private-file.ts';

export type Tls =
  | { kind: 'plain' }
  /** `fingerprint` is the SHA-256 of the certificate in lower-case hex. */
  | { kind: 'own'; cert: string; key: string; fingerprint: string }
  | { kind: 'given'; cert: string; key: string };

export type TlsSettings = Pick<CoordinatorSettings, 'listen' | 'tlsCert' | 'tlsKey' | 'plainHttp'>;

const YEARS = 10;

/** `127.0.0.1:7070` -> host and port; the brackets of an IPv6 address are taken off. */
export function splitListen(listen: string): { host: string; port: number } {
  const colon = listen.lastIndexOf(':');
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(listen.slice(colon + 1)) };
}

/** Throws `invalid-configuration` when files are missing, unreadable or do not belong together. */
export async function tlsFor(settings: TlsSettings, dataDirectory: string): Promise<Tls> {
  const { tlsCert, tlsKey } = settings;
  if (tlsCert !== undefined || tlsKey !== undefined) return givenCertificate(tlsCert, tlsKey);
  const { host } = splitListen(settings.listen);
  if (isLoopback(host) || settings.plainHttp) return { kind: 'plain' };
  return ownCertificate(host, dataDirectory);
}

async function givenCertificate(certPath: string | undefined, keyPath: string | undefined): Promise<Tls> {
  if (certPath === undefined || keyPath === undefined) {
    const absent = certPath === undefined ? 'tlsCert' : 'tlsKey';
    throw faulty(`${absent} is not set; tlsCert and tlsKey go together`);
  }
  const cert = await readSetting('tlsCert', certPath);
  const key = await readSetting('tlsKey', keyPath);
  const certificate = parse('tlsCert', certPath, () => new X509Certificate(cert));
  const privateKey = parse('tlsKey', keyPath, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw faulty(`the key in tlsKey (${keyPath}) does not belong to the first certificate in tlsCert (${certPath})`);
  }
  if (certificate.validToDate.getTime() <= Date.now()) {
    throw faulty(`the certificate in tlsCert (${certPath}) expired on ${certificate.validToDate.toISOString()}`);
  }
  return { kind: 'given', cert, key };
}

/** DATA/tls/own.pem; made once, because every token names their fingerprint. */
async function ownCertificate(host: string, dataDirectory: string): Promise<Tls> {
  const path = join(dataDirectory, 'tls', 'own.pem');
  const existing = await readPrivateFile(path);
  const kept = existing === null ? null : usable(existing);
  if (kept !== null) return kept;
  // Key and certificate stand in one file: no crash leaves one without the other.
  const made = await makeCertificate(host);
  await writePrivateFile(path, made, { replace: existing !== null });
  const tls = usable((await readPrivateFile(path)) ?? '');
  if (tls === null) throw new FogError('data-directory', `${path} does not hold the certificate just written`);
  return tls;
}

/** Null when the file is damaged or the certificate has expired: another one is made then. */
function usable(pem: string): Tls | null {
  try {
    const certificate = new X509Certificate(pem);
    const privateKey: KeyObject = createPrivateKey(pem);
    if (!certificate.checkPrivateKey(privateKey) || certificate.validToDate.getTime() <= Date.now()) return null;
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    return { kind: 'own', cert: certificate.toString(), key, fingerprint: certificateFingerprint(certificate) };
  } catch {
    return null;
  }
}

async function makeCertificate(host: string): Promise<string> {
  const names = new Set(['localhost', hostname(), '127.0.0.1', '::1', host]);
  // Loaded here alone: it is large, and most coordinators never make a certificate.
  const { generate } = await import('selfsigned');
  const now = new Date();
  const end = new Date(now);
  end.setUTCFullYear(end.getUTCFullYear() + YEARS);
  const made = await generate([{ name: 'commonName', value: `fog coordinator ${randomBytes(4).toString('hex')}` }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    // A clock that is a little slow must not refuse a certificate made just now.
    notBeforeDate: new Date(now.getTime() - 3_600_000),
    notAfterDate: end,
    extensions: [
      // Its own authority: clients trust this one certificate and nothing it might sign.
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [...names]
          .filter((name) => name !== '0.0.0.0' && name !== '::')
          .map((name) => (isIP(name) === 0 ? { type: 2 as const, value: name } : { type: 7 as const, ip: name })),
      },
    ],
  });
  return `${made.private.trim()}\n${made.cert.trim()}\n`;
}

async function readSetting(name: string, path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((cause: Error) => {
    throw faulty(`${name}: cannot read it: ${cause.message}`, cause);
  });
}

function parse<Result>(name: string, path: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    // The message of the parser is left out: it may quote the file.
    throw faulty(`${name}: ${path} is not a PEM file of the expected kind`, cause);
  }
}

function faulty(message: string, cause?: unknown): FogError {
  return new FogError('invalid-configuration', message, cause === undefined ? {} : { cause });
}
