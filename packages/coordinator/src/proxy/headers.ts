/**
 * Which headers pass between a client and the program of a service, and how they change. Pure.
 *
 * The program belongs to a tenant, and its answers come from the coordinator's address: so nothing of the caller's
 * rights goes to it, and nothing of what it answers has an effect on that address beyond its own paths.
 */
import { HOP_HEADERS } from '@fog/contract';

/** As `IncomingMessage.headersDistinct` has them: lower-case names. */
export type ReceivedHeaders = Readonly<Record<string, readonly string[] | undefined>>;
export type SentHeaders = Record<string, string | string[]>;

/** Names the coordinator that passed the request on to this one; it is not passed on once more. */
export const PASSED_ON_HEADER = 'fog-passed-on';

/** What proves who the caller is, what only a proxy may say of a caller, and what the coordinator does itself. */
const NOT_FOR_PROGRAMS: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'expect',
  'host',
  'forwarded',
  'x-real-ip',
  PASSED_ON_HEADER,
]);
const FORWARDED = 'x-forwarded-';

/** What would change how a client treats the coordinator's address for other requests as well. */
const NOT_FOR_CLIENTS: ReadonlySet<string> = new Set([
  'set-cookie',
  'set-cookie2',
  'clear-site-data',
  'strict-transport-security',
  'public-key-pins',
  'service-worker-allowed',
  'alt-svc',
  'nel',
  'report-to',
  'reporting-endpoints',
  'refresh',
  'www-authenticate',
]);

/** What is known of the request that a program gets. */
export interface ForwardedRequest {
  /** Where the program listens. */
  port: number;
  clientAddress: string;
  scheme: 'http' | 'https';
  /** The host that the client asked for. */
  host: string;
  /** Path of the published port, without a slash at the end. */
  prefix: string;
}

/** Without what concerns this hop alone, also by the sender's own word. */
export function endToEnd(headers: ReceivedHeaders): SentHeaders {
  const named = new Set((headers.connection ?? []).flatMap((value) => value.split(',')).map(trimmed));
  const kept: SentHeaders = {};
  for (const [name, values] of Object.entries(headers)) {
    if (values === undefined || HOP_HEADERS.has(name) || named.has(name)) continue;
    kept[name] = values.length === 1 ? (values[0] as string) : [...values];
  }
  return kept;
}

/** Of a body whose length is not known: without it the body of a DELETE would be sent as if it were another request. */
function framing(headers: ReceivedHeaders): SentHeaders {
  return headers['transfer-encoding'] === undefined ? {} : { 'transfer-encoding': 'chunked' };
}

export function towardsProgram(headers: ReceivedHeaders, request: ForwardedRequest): SentHeaders {
  const kept = Object.entries(endToEnd(headers)).filter(
    ([name]) => !NOT_FOR_PROGRAMS.has(name) && !name.startsWith(FORWARDED),
  );
  return {
    ...Object.fromEntries(kept),
    ...framing(headers),
    host: `127.0.0.1:${request.port}`,
    [`${FORWARDED}for`]: request.clientAddress,
    [`${FORWARDED}proto`]: request.scheme,
    [`${FORWARDED}host`]: request.host,
    [`${FORWARDED}prefix`]: request.prefix,
  };
}

/** `target` is what the program was asked for. */
export function fromProgram(headers: ReceivedHeaders, request: ForwardedRequest, target: string): SentHeaders {
  const kept = Object.fromEntries(Object.entries(endToEnd(headers)).filter(([name]) => !NOT_FOR_CLIENTS.has(name)));
  const location = headers.location?.[0];
  delete kept.location;
  const redirect = location === undefined ? null : locationFor(location, request, target);
  return {
    ...kept,
    ...(redirect === null ? {} : { location: redirect }),
    // In a browser its pages have an origin of their own, and run no scripts; each policy in the list is enforced.
    'content-security-policy': [...(headers['content-security-policy'] ?? []), 'sandbox'],
    'x-content-type-options': 'nosniff',
  };
}

/**
 * A client sends its token along when it follows a redirect on the same host. So whatever the program says, a redirect
 * that stays on this host leads back to the program. Null for what is no address of the web.
 */
function locationFor(location: string, { port, host, prefix }: ForwardedRequest, target: string): string | null {
  const own = `127.0.0.1:${port}`;
  const url = URL.parse(location, `http://${own}${target}`);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null;
  if ([own, `localhost:${port}`].includes(url.host) || isHost(url, host))
    return `${prefix}${url.pathname}${url.search}${url.hash}`;
  url.username = '';
  url.password = '';
  return url.href;
}

/** A default port may be written or not. */
function isHost(url: URL, host: string): boolean {
  return URL.parse(`${url.protocol}//${host}`)?.host === url.host;
}

/** Towards the coordinator that holds the link of the replica's node; it checks the caller again. */
export function towardsCoordinator(headers: ReceivedHeaders, host: string, passedOnBy: string): SentHeaders {
  return { ...endToEnd(headers), ...framing(headers), host, [PASSED_ON_HEADER]: passedOnBy };
}

function trimmed(name: string): string {
  return name.trim().toLowerCase();
}
