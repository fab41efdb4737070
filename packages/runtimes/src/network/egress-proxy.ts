/**
 * The agent's HTTP proxy for one sandbox: requests in absolute form and CONNECT, to listed targets only.
 *
 * Its connections come from the sandbox by way of the forwarder. Names are resolved here, once, and the address that
 * was looked at is the one that is connected to, so that a name cannot change its address in between.
 */
import { lookup } from 'node:dns/promises';
import {
  createServer,
  type IncomingMessage,
  request as requestOrigin,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { HOP_HEADERS } from '@fog/contract';
import { NETWORK_LIMITS } from '../limits.ts';
import { isListed, parseAbsoluteForm, parseAuthority, permittedAddress, type Target } from './target-policy.ts';

export interface EgressProxyOptions {
  allow: readonly string[];
  /** Addresses of a name; tests replace it. */
  resolve?: (host: string) => Promise<readonly string[]>;
}

interface Refusal {
  status: 400 | 403 | 502;
  sentence: string;
}

export class EgressProxy {
  readonly #allow: readonly string[];
  readonly #resolve: (host: string) => Promise<readonly string[]>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: EgressProxyOptions) {
    this.#allow = options.allow;
    this.#resolve = options.resolve ?? resolveName;
    this.#server = createServer({
      maxHeaderSize: NETWORK_LIMITS.headerBytes,
      headersTimeout: NETWORK_LIMITS.headerMilliseconds,
      requestTimeout: 0,
      keepAliveTimeout: NETWORK_LIMITS.idleMilliseconds,
      connectionsCheckingInterval: NETWORK_LIMITS.headerMilliseconds,
      insecureHTTPParser: false,
    });
    // A client that has said all it has to say still waits for the answer; Node's types leave this out.
    Object.assign(this.#server, { httpAllowHalfOpen: true });
    this.#server.on('request', (request, response) => void this.#forward(request, response));
    this.#server.on('connect', (request, socket, head) => void this.#tunnel(request, socket as Socket, head));
    this.#server.on('upgrade', (_request, socket) => socket.destroy());
    this.#server.on('clientError', (_error, socket) => {
      if (socket.writable) socket.end(plain({ status: 400, sentence: 'This is no HTTP request for a proxy.' }));
      else socket.destroy();
    });
  }

  /** Takes over a connection from the sandbox. */
  accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.setTimeout(NETWORK_LIMITS.idleMilliseconds, () => socket.destroy());
    this.#server.emit('connection', socket);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  /** The address to connect to, or why not. */
  async #decide(target: Target): Promise<{ address: string } | Refusal> {
    const name = `${target.host}:${target.port}`;
    if (!isListed(target, this.#allow)) {
      return { status: 403, sentence: `The job's network.allow does not list ${name}.` };
    }
    let addresses: readonly string[];
    try {
      addresses = isIP(target.host) !== 0 ? [target.host] : await this.#resolve(target.host);
    } catch {
      return { status: 502, sentence: `The name ${target.host} cannot be resolved on the node.` };
    }
    const address = permittedAddress(target, addresses, this.#allow);
    if (address !== null) return { address };
    const sentence = `${name} is an address of the node's own networks, which network.allow must list as an address.`;
    return { status: 403, sentence };
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parsed = parseAbsoluteForm(request.url ?? '');
    if (parsed === null) {
      answer(response, {
        status: 400,
        sentence: 'A proxy takes http:// addresses and CONNECT; for https use CONNECT.',
      });
      return;
    }
    const decision = await this.#decide(parsed.target);
    if ('status' in decision) {
      answer(response, decision);
      return;
    }
    const headers = endToEnd(request.headers);
    headers.host = parsed.authority;
    if (request.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked';
    const origin = requestOrigin({
      host: decision.address,
      port: parsed.target.port,
      method: request.method ?? 'GET',
      path: parsed.path,
      headers,
      agent: false,
      setHost: false,
      timeout: NETWORK_LIMITS.idleMilliseconds,
    });
    const connecting = setTimeout(() => origin.destroy(), NETWORK_LIMITS.connectMilliseconds);
    origin.once('socket', (socket) => socket.once('connect', () => clearTimeout(connecting)));
    origin.once('timeout', () => origin.destroy());
    origin.once('error', () => {
      clearTimeout(connecting);
      if (!response.headersSent) answer(response, unreachable(parsed.target));
      else response.destroy();
    });
    origin.once('response', (reply) => {
      response.writeHead(reply.statusCode ?? 502, endToEnd(reply.headers));
      pipeline(reply, response, () => {});
    });
    response.once('close', () => origin.destroy());
    pipeline(request, origin, () => {});
  }

  async #tunnel(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy());
    const target = parseAuthority(request.url ?? '');
    const decision: { address: string } | Refusal =
      target === null ? { status: 400, sentence: 'CONNECT names no HOST:PORT.' } : await this.#decide(target);
    if (target === null || 'status' in decision) {
      socket.end(plain(decision as Refusal));
      return;
    }
    const origin = connect({ host: decision.address, port: target.port, allowHalfOpen: true });
    const connecting = setTimeout(() => origin.destroy(new Error('slow')), NETWORK_LIMITS.connectMilliseconds);
    let isOpen = false;
    origin.once('connect', () => {
      clearTimeout(connecting);
      isOpen = true;
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) origin.write(head);
      socket.pipe(origin);
      origin.pipe(socket);
    });
    origin.setTimeout(NETWORK_LIMITS.idleMilliseconds, () => origin.destroy());
    origin.once('error', () => {
      if (!isOpen && socket.writable) socket.end(plain(unreachable(target)));
      else socket.destroy();
    });
    origin.once('close', () => {
      clearTimeout(connecting);
      if (isOpen && !origin.readableEnded) socket.destroy();
    });
    socket.once('close', () => origin.destroy());
  }
}

async function resolveName(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function unreachable({ host, port }: Target): Refusal {
  return { status: 502, sentence: `${host}:${port} cannot be reached from the node.` };
}

/** Without what concerns this hop alone, also by the sender's own word. */
function endToEnd(headers: IncomingMessage['headers']): Record<string, string | string[]> {
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()));
  const kept = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || HOP_HEADERS.has(name) || named.has(name) ? [] : [[name, value] as const],
  );
  return Object.fromEntries(kept);
}

function answer(response: ServerResponse, { status, sentence }: Refusal): void {
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(sentence) + 1,
    // The rest of the request is of no interest.
    connection: 'close',
  };
  response.writeHead(status, headers).end(`${sentence}\n`);
}

function plain({ status, sentence }: Refusal): string {
  const reason = { 400: 'Bad Request', 403: 'Forbidden', 502: 'Bad Gateway' }[status];
  const length = Buffer.byteLength(sentence) + 1;
  const headers = `content-type: text/plain; charset=utf-8\r\ncontent-length: ${length}\r\nconnection: close`;
  return `HTTP/1.1 ${status} ${reason}\r\n${headers}\r\n\r\n${sentence}\n`;
}
