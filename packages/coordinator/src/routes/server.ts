/**
 * The HTTP server of a coordinator.
 *
 *     request -> token -> scope -> body -> validation -> handler -> JSON
 *
 * in this order: nobody makes the server read a body, or look at a database, before the token was found good.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { FogError, isRecord, issueText, oneLine, ROUTES, type RouteDefinition, type RouteName } from '@fog/contract';
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifySchema,
  type FastifyServerOptions,
} from 'fastify';
import { z } from 'zod';
import { type Authenticate, requireScope } from '../access/bearer.ts';
import type { Tls } from '../access/certificate.ts';
import { type BlobRouteDependencies, registerBlobRoutes } from '../blobs/blob-routes.ts';
import { HTTP_LIMITS } from '../limits.ts';
import type { PortProxy } from '../proxy/port-proxy.ts';
import { registerPortRoutes } from '../proxy/port-routes.ts';
import type { Caller } from '../service.ts';
import { EventStreams } from './event-stream.ts';
import {
  type HandlerDependencies,
  plainHandlers,
  type StreamRouteName,
  type StreamSource,
  streamHandlers,
} from './handlers.ts';
import { type HealthDependencies, registerHealthRoutes } from './health.ts';
import type { HttpMetrics } from './metrics.ts';
import { registerOpenApi, routeSchema } from './openapi.ts';
import { faultsOf, invalidRequest, type Logger, PROBLEM_CONTENT_TYPE, sendProblem } from './problem.ts';

export interface ServerDependencies extends HandlerDependencies, HealthDependencies {
  /** Who calls; throws `unauthenticated`. See access/bearer.ts. */
  authenticate: Authenticate;
  blobs: BlobRouteDependencies['blobs'];
  ports: Pick<PortProxy, 'request'>;
  metrics: HttpMetrics;
  logger: Logger;
  tls: Tls;
  /** Shown in the OpenAPI document. */
  version: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | null;
  }
}

const NOSNIFF = { 'x-content-type-options': 'nosniff' } as const;

/**
 * Builds the server with every route; `listen` is left to the caller, and so is the `upgrade` event of
 * `server.server`. `close` cuts event streams at once and gives transfers `shutdownMilliseconds`.
 */
export async function buildServer(dependencies: ServerDependencies): Promise<FastifyInstance> {
  const server = fastify(serverOptions(dependencies));
  server.server.maxConnections = HTTP_LIMITS.connections;
  server.decorateRequest('caller', null);
  server.removeContentTypeParser('text/plain');
  // A schema compiler a part: the zod schemas of the contract validate, and JSON.stringify writes. Answers are made by
  // our own typed code; to validate them again would cost more than to make them.
  server.setValidatorCompiler<z.ZodType>(({ schema, httpPart }) => validator(schema, httpPart ?? 'request'));
  server.setSerializerCompiler(() => JSON.stringify);
  server.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, dependencies.logger));
  server.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0];
    const fault = new FogError('not-found', `there is no route ${request.method} ${path}`, {
      hint: 'see /openapi.json',
    });
    return sendProblem(fault, request, reply, dependencies.logger);
  });
  limitSlowBodies(server);
  observeRequests(server, dependencies.metrics);
  closeGently(server);

  await registerOpenApi(server, dependencies.version);
  const streams = new EventStreams({
    subscribe: (stream, wake) => dependencies.service.subscribe(stream, wake),
    logger: dependencies.logger,
    count: (change) => dependencies.metrics.eventStreams.inc(change),
  });
  server.addHook('preClose', async () => streams.close());
  await server.register(async (routes) => {
    registerTableRoutes(routes, dependencies, streams);
  });
  await registerBlobRoutes(server, {
    blobs: dependencies.blobs,
    authenticate: dependencies.authenticate,
    transferred: (direction, bytes) => dependencies.metrics.blobTransferBytes.inc({ direction }, bytes),
  });
  await registerPortRoutes(server, dependencies.ports);
  registerHealthRoutes(server, dependencies);
  await server.ready();
  return server;
}

function serverOptions({ tls, logger }: ServerDependencies): FastifyServerOptions {
  const limits = {
    headersTimeout: HTTP_LIMITS.headersMilliseconds,
    connectionsCheckingInterval: HTTP_LIMITS.connectionCheckMilliseconds,
  };
  const secure = tls.kind === 'plain' ? undefined : { key: tls.key, cert: tls.cert, minVersion: 'TLSv1.2' as const };
  const transport =
    secure === undefined
      ? { http: limits }
      : { https: { ...limits, ...secure, handshakeTimeout: HTTP_LIMITS.tlsHandshakeMilliseconds } };
  return {
    ...transport,
    logger: false,
    bodyLimit: HTTP_LIMITS.jsonBodyBytes,
    keepAliveTimeout: HTTP_LIMITS.keepAliveMilliseconds,
    connectionTimeout: HTTP_LIMITS.stallMilliseconds,
    // Node's limit counts the whole request, which would cut long uploads; `limitSlowBodies` does it for JSON.
    requestTimeout: 0,
    return503OnClosing: false,
    exposeHeadRoutes: false,
    genReqId: requestIds(),
    frameworkErrors: (error, request, reply) => {
      sendProblem(error, request as FastifyRequest, reply as FastifyReply, logger);
    },
    clientErrorHandler: (error, socket) => answerBrokenRequest(error, socket),
  } as FastifyServerOptions;
}

function requestIds(): () => string {
  const start = Date.now().toString(36);
  let count = 0;
  return () => {
    count += 1;
    return `${start}-${count.toString(36)}`;
  };
}

/** Bytes that are no HTTP request never reach Fastify; they too get a problem document. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const large = error.code === 'HPE_HEADER_OVERFLOW';
  const [status, reason] = late ? [408, 'Request Timeout'] : large ? [431, 'Headers Too Large'] : [400, 'Bad Request'];
  const fault = late
    ? new FogError('timed-out', 'the request took too long to arrive')
    : new FogError('invalid-request', large ? 'the headers are too large' : 'this is not an HTTP request');
  const body = JSON.stringify({ ...fault.toProblem(), status });
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: ${PROBLEM_CONTENT_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `connection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

const PLACES: Readonly<Record<string, string>> = { querystring: 'query', params: 'path' };

function validator(schema: z.ZodType, part: string) {
  const place = PLACES[part] ?? part;
  return (data: unknown) => {
    const result = schema.safeParse(data, { error: issueText });
    if (result.success) return { value: result.data };
    const faults = faultsOf(result.error);
    // A part of the path is known to the caller by what stands there: `"x" is not a job id`.
    const given = part === 'params' && isRecord(data) ? data[faults[0]?.path ?? ''] : undefined;
    const subject = typeof given === 'string' ? `"${oneLine(given)}"` : undefined;
    return { error: invalidRequest(place, faults, subject) };
  };
}

/** Cuts requests whose JSON body trickles in. */
function limitSlowBodies(server: FastifyInstance): void {
  const awaited = new Map<IncomingMessage, number>();
  server.addHook('preParsing', (request, _reply, payload, done) => {
    if (!request.raw.complete && request.routeOptions.config.streams !== true)
      awaited.set(request.raw, performance.now());
    done(null, payload);
  });
  server.addHook('preValidation', (request, _reply, done) => {
    awaited.delete(request.raw);
    done();
  });
  const timer = setInterval(() => {
    const oldest = performance.now() - HTTP_LIMITS.jsonBodyMilliseconds;
    for (const [raw, since] of awaited) {
      if (since > oldest && !raw.destroyed) continue;
      awaited.delete(raw);
      if (!raw.complete) raw.destroy();
    }
  }, HTTP_LIMITS.connectionCheckMilliseconds);
  timer.unref();
  server.addHook('onClose', async () => clearInterval(timer));
}

function observeRequests(server: FastifyInstance, metrics: HttpMetrics): void {
  server.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    const labels = { method: request.method, route, status: String(reply.statusCode) };
    metrics.requestSeconds.observe(labels, reply.elapsedTime / 1000);
    done();
  });
}

/** The first hook of every request, and what happens to them when the server stops. */
function closeGently(server: FastifyInstance): void {
  let closing = false;
  server.addHook('onRequest', (_request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff');
    done(closing ? new FogError('unavailable', 'the coordinator is stopping') : undefined);
  });
  server.addHook('preClose', async () => {
    closing = true;
    setTimeout(() => server.server.closeAllConnections(), HTTP_LIMITS.shutdownMilliseconds).unref();
  });
}

type UntypedCall = { caller: Caller; params: never; query: never; body: never };

function registerTableRoutes(server: FastifyInstance, dependencies: ServerDependencies, streams: EventStreams): void {
  const plain = plainHandlers(dependencies);
  const streamed = streamHandlers(dependencies);
  for (const name of Object.keys(ROUTES) as RouteName[]) {
    const route: RouteDefinition = ROUTES[name];
    const source = Object.hasOwn(streamed, name)
      ? (streamed[name as StreamRouteName] as (call: UntypedCall) => StreamSource)
      : undefined;
    const answer =
      source === undefined ? (plain[name as keyof typeof plain] as (call: UntypedCall) => Promise<unknown>) : undefined;
    server.route({
      method: route.method,
      url: route.path,
      schema: routeSchema(name, route) as FastifySchema,
      onRequest: async (request) => {
        request.caller = await dependencies.authenticate(request.headers.authorization);
        requireScope(request.caller, route.scopes);
      },
      handler: async (request, reply) => {
        const call = callOf(request);
        if (source !== undefined) return answerStream(request, reply, source(call), { streams, dependencies });
        const result = await answer?.(call);
        if (route.response === null) return reply.code(204).send();
        return reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(result));
      },
    });
  }
}

function callOf(request: FastifyRequest): UntypedCall {
  const { caller, params, query, body } = request;
  if (caller === null) throw new FogError('internal', 'a handler ran before its caller was known');
  return { caller, params, query, body } as UntypedCall;
}

const lastEventIdSchema = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a sequence number')
  .transform(Number);

async function answerStream(
  request: FastifyRequest,
  reply: FastifyReply,
  source: StreamSource,
  { streams, dependencies }: { streams: EventStreams; dependencies: ServerDependencies },
): Promise<FastifyReply> {
  const query = request.query as { after: number; limit: number };
  if (!acceptsEventStream(request.headers.accept)) {
    const page = await source.read({ after: query.after, limit: query.limit });
    return reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(page));
  }
  // A browser reconnects to the same address, so its header is newer than the query.
  const header = request.headers['last-event-id'];
  const last =
    header === undefined || header === '' ? undefined : lastEventIdSchema.safeParse(header, { error: issueText });
  if (last?.success === false) throw invalidRequest('Last-Event-ID', faultsOf(last.error));
  await streams.run(
    {
      source,
      after: last?.data ?? query.after,
      principal: request.caller?.principal ?? '',
      response: reply.raw,
      headers: { ...NOSNIFF, 'cache-control': 'no-store' },
      recheck: () => dependencies.authenticate(request.headers.authorization),
    },
    () => reply.hijack(),
  );
  return reply;
}

function acceptsEventStream(accept: string | undefined): boolean {
  return accept?.includes('text/event-stream') ?? false;
}
