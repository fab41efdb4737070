/**
 * Passes one HTTP request on, and its answer back, both as they come: nothing is kept in memory but what the slower
 * side has not taken yet. Where to, and with which headers, the caller says.
 */
import { type IncomingMessage, request as plainRequest, type RequestOptions, type ServerResponse } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';
import type { FogError } from '@fog/contract';
import { relay } from '@fog/contract/node';
import { HTTP_LIMITS, PROXY_LIMITS } from '../limits.ts';
import { PROBLEM_CONTENT_TYPE } from '../routes/problem.ts';
import type { ReceivedHeaders, SentHeaders } from './headers.ts';

export interface Upstream {
  /** Over TLS, to another coordinator. */
  isSecure: boolean;
  /** How to connect: `createConnection`, or host and port. */
  connection: RequestOptions;
  path: string;
  headers: SentHeaders;
  /** Of its answers. */
  answerHeaders(headers: ReceivedHeaders): SentHeaders;
  /** What to tell the client when there is no answer. */
  fault(cause: Error): FogError;
}

/** Answers a request that Fastify has let go of. Resolves when the answer is over, in whichever way. */
export function forwardRequest(incoming: IncomingMessage, outgoing: ServerResponse, upstream: Upstream): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // How long both may be silent is watched where the connection to the program ends.
  incoming.socket.setTimeout(0);
  const asked = ask(incoming, upstream, upstream.headers);
  const fail = (cause: Error): void => {
    if (outgoing.headersSent || outgoing.destroyed) return;
    const problem = upstream.fault(cause).toProblem();
    outgoing
      .writeHead(problem.status, { 'content-type': PROBLEM_CONTENT_TYPE, connection: 'close' })
      .end(JSON.stringify(problem));
  };
  outgoing.once('close', () => {
    asked.destroy();
    incoming.socket.setTimeout(HTTP_LIMITS.stallMilliseconds);
    dropRest(incoming);
    resolve();
  });
  asked.once('response', (answer) => {
    const { statusCode = 0 } = answer;
    if (isFinalStatus(statusCode)) {
      outgoing.writeHead(statusCode, upstream.answerHeaders(answer.headersDistinct));
      // An answer that breaks off breaks off for the client, too.
      pipeline(answer, outgoing, () => {});
    } else {
      fail(new Error(`${statusCode} is no status of an answer`));
    }
  });
  asked.on('error', fail);
  // A program may answer before it has read everything, so the end of one direction is not that of the other.
  incoming.pipe(asked);
  return promise;
}

/** Passes a request for a WebSocket on; `head` is what the client has sent behind it. Resolves when it is over. */
export async function forwardUpgrade(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  upstream: Upstream,
): Promise<void> {
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
  const asked = ask(incoming, upstream, { ...upstream.headers, ...upgrade });
  socket.once('close', () => asked.destroy());
  const { promise, resolve } = Promise.withResolvers<void>();
  asked.once('upgrade', (answer, connection, firstBytes) => {
    socket.write(headText(answer, { ...upstream.answerHeaders(answer.headersDistinct), ...upgrade }));
    if (head.length > 0) socket.unshift(head);
    if (firstBytes.length > 0) connection.unshift(firstBytes);
    resolve(relay(socket, connection));
  });
  asked.once('response', (answer) => {
    if (!isFinalStatus(answer.statusCode ?? 0)) {
      asked.destroy(new Error(`${answer.statusCode} is no status of an answer`));
      return;
    }
    socket.write(headText(answer, { ...upstream.answerHeaders(answer.headersDistinct), connection: 'close' }));
    pipeline(answer, socket, () => resolve());
  });
  asked.on('error', (cause) => {
    refuseUpgrade(socket, upstream.fault(cause));
    resolve();
  });
  asked.end();
  await promise;
}

/** Answers an upgrade with a problem document. */
export function refuseUpgrade(socket: Duplex, fault: FogError): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(fault.toProblem());
  socket.end(
    `HTTP/1.1 ${fault.status} ${fault.code}\r\ncontent-type: ${PROBLEM_CONTENT_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

function ask({ method = 'GET' }: IncomingMessage, { isSecure, connection, path }: Upstream, headers: SentHeaders) {
  const start = isSecure ? secureRequest : plainRequest;
  return start({ ...connection, method, path, headers, setHost: false });
}

/** Bytes of a body that nobody wants are dropped for a moment, so that the client gets to see the answer. */
function dropRest(incoming: IncomingMessage): void {
  if (incoming.complete || incoming.destroyed) return;
  incoming.resume();
  setTimeout(() => {
    if (!incoming.complete) incoming.destroy();
  }, HTTP_LIMITS.lingerMilliseconds).unref();
}

/** Node reads any three digits, and writes only some. */
function isFinalStatus(status: number): boolean {
  return status >= 200 && status <= 999;
}

/** The beginning of an answer, as HTTP/1.1 writes it. Values come from Node's own parser, which lets no line end through. */
function headText({ statusCode, statusMessage }: IncomingMessage, headers: SentHeaders): string {
  const lines = Object.entries(headers).flatMap(([name, values]) => [values].flat().map((it) => `${name}: ${it}\r\n`));
  return `HTTP/1.1 ${statusCode} ${statusMessage}\r\n${lines.join('')}\r\n`;
}

/** Ends a long connection when the token of the one who asked for it is no longer good. Answers what ends the checks. */
export function whileAllowed(check: () => Promise<unknown>, end: () => void): () => void {
  const timer = setInterval(() => void check().catch(end), PROXY_LIMITS.recheckMilliseconds);
  return () => clearInterval(timer);
}
