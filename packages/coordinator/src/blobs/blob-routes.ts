/** HEAD, PUT and GET of blobs: bytes, not JSON. The protocol is described at BLOB_PATH in the contract. */
import {
  BLOB_PATH,
  blobParamsSchema,
  blobQuerySchema,
  blobSchema,
  emptySchema,
  FogError,
  type Scope,
  UPLOAD_OFFSET_HEADER,
} from '@fog/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import { z } from 'zod';
import { type Authenticate, requireScope } from '../access/bearer.ts';
import { HTTP_LIMITS } from '../limits.ts';
import { describeRoute } from '../routes/openapi.ts';
import { dropRestOfBody, PROBLEM_CONTENT_TYPE } from '../routes/problem.ts';
import type { BlobStore } from './blob-store.ts';
import { parseByteRange } from './byte-range.ts';

export interface BlobRouteDependencies {
  blobs: Pick<BlobStore, 'stat' | 'open' | 'receive' | 'uploadOffset'>;
  authenticate: Authenticate;
  transferred(direction: 'received' | 'sent', bytes: number): void;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The handler reads the body itself, however long that takes. */
    streams?: boolean;
  }
}

const READERS: readonly Scope[] = ['submit', 'node', 'read'];
const WRITERS: readonly Scope[] = ['submit', 'node'];
const OCTETS = 'application/octet-stream';
const octetsSchema = z.string().meta({ description: 'The bytes of the blob' });

export async function registerBlobRoutes(server: FastifyInstance, dependencies: BlobRouteDependencies): Promise<void> {
  await server.register(async (routes) => {
    // Bytes of whatever content type go to the handler unread.
    routes.removeAllContentTypeParsers();
    routes.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined));
    const allow = (scopes: readonly Scope[]) => async (request: FastifyRequest) => {
      request.caller = await dependencies.authenticate(request.headers.authorization);
      requireScope(request.caller, scopes);
    };
    const transfers = new Transfers();
    routes.route({
      method: 'HEAD',
      url: BLOB_PATH,
      schema: blobRoute('headBlob', 'Whether a blob is here, or how much of it', READERS),
      config: { swagger: { exposeHeadRoute: true } },
      onRequest: allow(READERS),
      handler: (request, reply) => answerHead(request, reply, dependencies),
    });
    routes.route({
      method: 'GET',
      url: BLOB_PATH,
      schema: blobRoute('getBlob', 'The bytes of a blob; Range and If-Range are understood', READERS),
      onRequest: allow(READERS),
      handler: (request, reply) => transfers.run(reply, () => answerGet(request, reply, dependencies)),
    });
    routes.route({
      method: 'PUT',
      url: BLOB_PATH,
      schema: {
        ...blobRoute('putBlob', 'Store a blob, or the rest of one; answered when it is verified and on disk', WRITERS),
        querystring: blobQuerySchema,
      },
      config: { streams: true },
      onRequest: allow(WRITERS),
      handler: (request, reply) => transfers.run(reply, () => answerPut(request, reply, dependencies)),
    });
  });
}

function blobRoute(operationId: string, summary: string, scopes: readonly Scope[]): FastifySchema {
  const isPut = operationId === 'putBlob';
  const described = describeRoute(operationId, {
    summary,
    tag: 'blobs',
    scopes,
    response: isPut ? blobSchema : octetsSchema,
    ...(isPut ? { status: 201 } : { contentType: OCTETS }),
  });
  return { ...described, params: blobParamsSchema, querystring: emptySchema } as FastifySchema;
}

/** Bounds the transfers in progress. */
class Transfers {
  #count = 0;

  async run(reply: FastifyReply, work: () => Promise<FastifyReply>): Promise<FastifyReply> {
    if (this.#count >= HTTP_LIMITS.blobTransfers) {
      throw new FogError('too-many-requests', `${HTTP_LIMITS.blobTransfers} transfers of blobs are in progress`);
    }
    this.#count += 1;
    // A download goes on after its handler has returned; it ends with the answer, in whichever way.
    reply.raw.once('close', () => {
      this.#count -= 1;
    });
    return work();
  }
}

function digestOf(request: FastifyRequest): string {
  return (request.params as z.output<typeof blobParamsSchema>).digest;
}

async function answerHead(
  request: FastifyRequest,
  reply: FastifyReply,
  { blobs }: BlobRouteDependencies,
): Promise<FastifyReply> {
  const digest = digestOf(request);
  const found = await blobs.stat(digest);
  if (found !== null) return describeBlob(reply, digest).header('content-length', found.bytes).send();
  const offset = await blobs.uploadOffset(digest);
  return reply.code(404).header(UPLOAD_OFFSET_HEADER, offset).send();
}

async function answerGet(
  request: FastifyRequest,
  reply: FastifyReply,
  { blobs, transferred }: BlobRouteDependencies,
): Promise<FastifyReply> {
  const digest = digestOf(request);
  if (request.headers['if-none-match'] === entityTag(digest)) {
    const found = await blobs.stat(digest);
    if (found !== null) return describeBlob(reply, digest).code(304).send();
  }
  const { file, bytes } = await blobs.open(digest);
  const condition = request.headers['if-range'];
  const applies = condition === undefined || condition === entityTag(digest);
  const range = parseByteRange(applies ? request.headers.range : undefined, bytes);
  if (range === 'unsatisfiable') {
    await file.close();
    return answerUnsatisfiable(reply, bytes);
  }
  const { start, end } = range === 'whole' ? { start: 0, end: bytes - 1 } : range;
  const length = end - start + 1;
  describeBlob(reply, digest).header('content-length', length);
  if (range !== 'whole') reply.code(206).header('content-range', `bytes ${start}-${end}/${bytes}`);
  if (length === 0) {
    await file.close();
    return reply.send('');
  }
  const stream = file.createReadStream({ start, end, highWaterMark: HTTP_LIMITS.blobReadBytes });
  reply.raw.once('close', () => transferred('sent', stream.bytesRead));
  return reply.send(stream);
}

async function answerPut(
  request: FastifyRequest,
  reply: FastifyReply,
  { blobs, transferred }: BlobRouteDependencies,
): Promise<FastifyReply> {
  const digest = digestOf(request);
  const { offset } = request.query as z.output<typeof blobQuerySchema>;
  const { raw } = request;
  const announced = raw.headers['content-length'];
  // The store watches for silence itself; reading back a large part, or syncing it, is no silence of the client.
  const { socket } = raw;
  socket.setTimeout?.(0); // requests that are injected have no real socket
  try {
    const length = announced === undefined ? null : Number(announced);
    const { bytes, created } = await blobs.receive(digest, { offset, length, body: raw });
    if (created) transferred('received', bytes - offset);
    dropRestOfBody(request, reply);
    return reply.code(created ? 201 : 200).send({ digest, bytes });
  } finally {
    socket.setTimeout?.(HTTP_LIMITS.stallMilliseconds);
  }
}

function describeBlob(reply: FastifyReply, digest: string): FastifyReply {
  return reply.type(OCTETS).headers({
    etag: entityTag(digest),
    'accept-ranges': 'bytes',
    // The name of the bytes is their hash: they never change.
    'cache-control': 'private, max-age=31536000, immutable',
    'content-security-policy': "default-src 'none'; sandbox",
  });
}

function answerUnsatisfiable(reply: FastifyReply, bytes: number): FastifyReply {
  const fault = new FogError('invalid-request', `the range lies outside the ${bytes} bytes of the blob`, {
    details: { bytes },
  });
  const problem = { ...fault.toProblem(), status: 416 };
  return reply.code(416).header('content-range', `bytes */${bytes}`).type(PROBLEM_CONTENT_TYPE).send(problem);
}

function entityTag(digest: string): string {
  return `"${digest}"`;
}
