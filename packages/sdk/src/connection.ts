/**
 * Finds the coordinator and the token to talk to it.
 *
 *     address   option, FOG_URL, DATA/endpoint.json
 *     token     option, FOG_TOKEN, DATA/admin.token
 *
 * The admin token of the data folder is sent only to the address that the same folder names: a token must never
 * travel to a machine it was not made for.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  ADMIN_TOKEN_FILE,
  ENDPOINT_FILE,
  type Endpoint,
  endpointSchema,
  FogClient,
  FogError,
  parseToken,
} from '@fog/contract';
import { pinnedConnection } from '@fog/contract/node';

export interface ConnectOptions {
  /** e.g. `http://127.0.0.1:7070`. */
  url?: string | undefined;
  token?: string | undefined;
  /** Where `fog up` keeps its data. */
  dataDirectory?: string | undefined;
  /** Default: that of the process. */
  environment?: Readonly<Record<string, string | undefined>>;
}

export interface CoordinatorAddress {
  url: string;
  token: string;
  fingerprint: string | null;
}

/** `FOG_DATA`, else `~/.local/share/fog`. */
export function defaultDataDirectory(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  return resolve(environment.FOG_DATA || join(homedir(), '.local', 'share', 'fog'));
}

/** Throws `unavailable` when nothing tells an address, `unauthenticated` when nothing tells a token for it. */
export async function findCoordinator(options: ConnectOptions = {}): Promise<CoordinatorAddress> {
  const environment = options.environment ?? process.env;
  const dataDirectory = resolve(options.dataDirectory ?? defaultDataDirectory(environment));
  const givenUrl = (options.url ?? environment.FOG_URL) || undefined;
  const givenToken = (options.token ?? environment.FOG_TOKEN) || undefined;
  if (givenUrl !== undefined) checkUrl(givenUrl);
  const endpoint = await readEndpoint(dataDirectory);
  if (givenUrl === undefined && endpoint === null) {
    throw new FogError('unavailable', `no fog is running: there is no ${join(dataDirectory, ENDPOINT_FILE)}`, {
      hint: 'start one with "fog up", or set FOG_URL and FOG_TOKEN',
    });
  }
  const url = givenUrl ?? (endpoint as Endpoint).url;
  const isLocal = endpoint !== null && sameOrigin(endpoint.url, url);
  const token = givenToken ?? (isLocal ? await readAdminToken(dataDirectory) : undefined);
  if (token === undefined) {
    throw new FogError('unauthenticated', `no token for ${url}`, {
      hint: 'set FOG_TOKEN; its operator makes one with "fog token create --scope submit"',
    });
  }
  const fingerprint = parseToken(token).fingerprint ?? (isLocal ? endpoint.fingerprint : null);
  return { url, token: token.trim(), fingerprint };
}

/** A client for the coordinator that `findCoordinator` finds; the certificate is pinned where the token names one. */
export async function connectClient(options: ConnectOptions = {}): Promise<FogClient> {
  const { url, token, fingerprint } = await findCoordinator(options);
  const { fetch } = await pinnedConnection(url, fingerprint);
  return new FogClient({ url, token, fetch });
}

/** The address that a running coordinator left in its data folder; null where there is none. */
export async function readEndpoint(dataDirectory: string): Promise<Endpoint | null> {
  const text = await readIfPresent(join(dataDirectory, ENDPOINT_FILE));
  if (text === undefined) return null;
  try {
    return endpointSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new FogError('data-directory', `${join(dataDirectory, ENDPOINT_FILE)} is not readable as an address`, {
      cause,
      hint: 'remove the file and start fog again',
    });
  }
}

async function readAdminToken(dataDirectory: string): Promise<string | undefined> {
  return (await readIfPresent(join(dataDirectory, ADMIN_TOKEN_FILE)))?.trim();
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new FogError('data-directory', `cannot read ${path}: ${(cause as Error).message}`, {
      cause,
      hint: 'it belongs to the user who runs "fog up"; set FOG_URL and FOG_TOKEN to use a token of your own',
    });
  }
}

function checkUrl(url: string): void {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new FogError('invalid-request', `"${url}" is not the address of a coordinator`, {
      hint: 'write http://127.0.0.1:7070 or https://fog.example.org',
    });
  }
}

function sameOrigin(left: string, right: string): boolean {
  return URL.canParse(left) && URL.canParse(right) && new URL(left).origin === new URL(right).origin;
}
