/**
 * How the API server of a cluster is reached and who we are there: the service account of the pod that the agent runs
 * in, or a kubeconfig file.
 *
 * What would run foreign programs (`exec`, `auth-provider`) or give up the identity of the server
 * (`insecure-skip-tls-verify`, plain HTTP) is refused.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FogError } from '@fog/contract';
import { parse as parseYaml } from 'yaml';
import { KUBERNETES_LIMITS } from '../limits.ts';
import { type Fields, oneLine, record, records, text } from './fields.ts';

export interface ClusterAccess {
  /** `https://HOST:PORT`, perhaps with a path. */
  server: URL;
  /** Name that the server's certificate must carry, if not that of the URL. */
  serverName: string | null;
  /** PEM; null is the certificates that Node trusts. */
  authority: string | null;
  clientCertificate: { certificate: string; key: string } | null;
  /** The token, or the file it is read from again and again, since clusters rotate it; null without one. */
  token: { value: string } | { path: string } | null;
  namespace: string;
}

export type AccessSource =
  /** Defaults: KUBERNETES_SERVICE_HOST and _PORT, and where a cluster puts its files. */
  | { kind: 'in-cluster'; serviceAccountPath?: string; host?: string; port?: string }
  | { kind: 'kubeconfig'; path: string; context?: string };

const SERVICE_ACCOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Throws `invalid-configuration` that names the file and the field. */
export function readAccess(source: AccessSource): Promise<ClusterAccess> {
  return source.kind === 'in-cluster' ? inCluster(source) : fromKubeconfig(source);
}

async function inCluster(source: Extract<AccessSource, { kind: 'in-cluster' }>): Promise<ClusterAccess> {
  const folder = source.serviceAccountPath ?? SERVICE_ACCOUNT_PATH;
  const host = source.host ?? process.env.KUBERNETES_SERVICE_HOST ?? '';
  const port = source.port ?? process.env.KUBERNETES_SERVICE_PORT ?? '443';
  if (host === '') {
    throw fault('KUBERNETES_SERVICE_HOST is not set: this agent does not run in a pod', 'Give it a kubeconfig file.');
  }
  const hint = 'The pod of the agent needs a service account with automountServiceAccountToken: true.';
  const authority = await readText(join(folder, 'ca.crt'), 'the certificate authority', hint);
  const namespace = await readText(join(folder, 'namespace'), 'the namespace', hint);
  const token = { path: join(folder, 'token') };
  await readToken(token);
  return {
    server: serverUrl(`https://${host.includes(':') ? `[${host}]` : host}:${port}`, 'KUBERNETES_SERVICE_HOST'),
    serverName: null,
    authority: checkedCertificate(authority, join(folder, 'ca.crt')),
    clientCertificate: null,
    token,
    namespace: namespace.trim(),
  };
}

async function fromKubeconfig({
  path,
  context: wanted,
}: Extract<AccessSource, { kind: 'kubeconfig' }>): Promise<ClusterAccess> {
  const config = parseConfig(
    await readText(path, 'the kubeconfig', 'Give the path of a file that kubectl works with.'),
    path,
  );
  const contextName = wanted ?? text(config['current-context']);
  if (contextName === '') throw fault(`${path}: current-context is not set`, 'Set it, or name a context.');
  const context = entry(config, 'contexts', contextName, 'context', path);
  const clusterName = text(context.cluster);
  const cluster = entry(config, 'clusters', clusterName, 'cluster', path);
  const userName = text(context.user);
  const user = userName === '' ? {} : entry(config, 'users', userName, 'user', path);
  refuseForeignPrograms(user, `${path}: user ${userName}`);
  if (cluster['insecure-skip-tls-verify'] === true) {
    throw fault(
      `${path}: cluster ${clusterName} has insecure-skip-tls-verify, so anybody could pose as it`,
      'Set certificate-authority or certificate-authority-data instead.',
    );
  }
  const reader = new ConfigReader(path);
  const authority = await reader.pem(cluster, 'certificate-authority', `cluster ${clusterName}`);
  const token = tokenOf(user, path);
  if (token !== null) await readToken(token);
  return {
    server: serverUrl(text(cluster.server), `${path}: server of cluster ${clusterName}`),
    serverName: text(cluster['tls-server-name']) || null,
    authority: authority === null ? null : checkedCertificate(authority, `${path}: cluster ${clusterName}`),
    clientCertificate: await reader.clientCertificate(user, `user ${userName}`),
    token,
    namespace: text(context.namespace) || 'default',
  };
}

/** Reads contents that stand in the file itself (`…-data`, base64) or in another one, named relative to it. */
class ConfigReader {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async pem(holder: Fields, field: string, where: string): Promise<string | null> {
    const data = text(holder[`${field}-data`]);
    if (data !== '') {
      const decoded = Buffer.from(data, 'base64').toString('latin1');
      if (/-----BEGIN /.test(decoded)) return decoded;
      throw fault(`${this.#path}: ${field}-data of ${where} is not base64 of a PEM file`, 'Write it again.');
    }
    const file = text(holder[field]);
    if (file === '') return null;
    return readText(resolve(dirname(this.#path), file), `${field} of ${where}`, `It is named in ${this.#path}.`);
  }

  async clientCertificate(user: Fields, where: string): Promise<ClusterAccess['clientCertificate']> {
    const certificate = await this.pem(user, 'client-certificate', where);
    const key = await this.pem(user, 'client-key', where);
    if (certificate === null && key === null) return null;
    if (certificate === null || key === null) {
      const absent = certificate === null ? 'client-certificate' : 'client-key';
      throw fault(`${this.#path}: ${where} has no ${absent}`, 'client-certificate and client-key go together.');
    }
    return { certificate: checkedCertificate(certificate, `${this.#path}: ${where}`), key };
  }
}

function parseConfig(written: string, path: string): Fields {
  let document: unknown;
  try {
    document = parseYaml(written, { maxAliasCount: 100 });
  } catch (cause) {
    // The message of the parser quotes the line, which may hold a token.
    throw fault(`${path} is not well-formed YAML`, 'kubectl config view shows what kubectl makes of it.', cause);
  }
  const config = record(document);
  if (text(config.kind) === 'Config') return config;
  throw fault(`${path} is no kubeconfig: its kind is not Config`, 'Give the path of a file that kubectl works with.');
}

function entry(config: Fields, list: string, name: string, field: string, path: string): Fields {
  const found = records(config[list]).find((candidate) => candidate.name === name);
  if (found !== undefined) return record(found[field]);
  const names = records(config[list]).map((candidate) => text(candidate.name));
  throw fault(
    `${path} has no ${field} named "${oneLine(name)}"`,
    names.length === 0 ? `Its ${list} are empty.` : oneLine(`It has: ${names.join(', ')}.`),
  );
}

function refuseForeignPrograms(user: Fields, where: string): void {
  for (const field of ['exec', 'auth-provider']) {
    if (user[field] === undefined) continue;
    throw fault(
      `${where} uses ${field}, which would run another program on this machine for each login`,
      'Use a service account: kubectl create token, or a tokenFile that something renews.',
    );
  }
  if (user.username !== undefined) {
    throw fault(`${where} uses a password, which Kubernetes no longer takes`, 'Use a token or a client certificate.');
  }
}

function tokenOf(user: Fields, path: string): ClusterAccess['token'] {
  const file = text(user.tokenFile);
  // As kubectl does it: the file goes before the text.
  if (file !== '') return { path: resolve(dirname(path), file) };
  const value = text(user.token);
  return value === '' ? null : { value };
}

/** Reads the token anew where it lies in a file. */
export async function readToken(token: NonNullable<ClusterAccess['token']>): Promise<string> {
  const hint = 'A token is one line of printable characters; a cluster renews the file before it expires.';
  const value = 'value' in token ? token.value : (await readText(token.path, 'the token', hint)).trim();
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  throw fault(`the token${'path' in token ? ` in ${token.path}` : ''} is empty or has strange characters`, hint);
}

function serverUrl(written: string, where: string): URL {
  const url = URL.parse(written);
  if (url === null) throw fault(`${where} is not a URL`, 'Write https://HOST:PORT.');
  if (url.protocol !== 'https:')
    throw fault(`${where} does not begin with https://`, 'Use the TLS port of the server.');
  return url;
}

/** The first certificate is parsed, so that a wrong file is named here and not as a failed handshake. */
function checkedCertificate(pem: string, where: string): string {
  try {
    new X509Certificate(pem);
    return pem;
  } catch (cause) {
    throw fault(`the certificate of ${where} cannot be read`, 'It has to be a PEM file that begins with one.', cause);
  }
}

async function readText(path: string, what: string, hint: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw fault(`cannot read ${what} at ${path} (${(cause as NodeJS.ErrnoException).code})`, hint, cause);
  }
  if (bytes.byteLength <= KUBERNETES_LIMITS.configBytes) return bytes.toString('utf8');
  throw fault(`${what} at ${path} is larger than ${KUBERNETES_LIMITS.configBytes} bytes`, hint);
}

function fault(message: string, hint: string, cause?: unknown): FogError {
  return new FogError('invalid-configuration', message, { hint, ...(cause === undefined ? {} : { cause }) });
}
