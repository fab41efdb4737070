/**
 * What an authority answers over HTTP, and how much to whom. Anybody may ask, so what is large is kept as text: an answer
 * costs no more than to send it.
 *
 *     asked --tokens of its prefix: one for a question, some for a document to be checked--> answered
 *                                  '--> 429      bytes of its prefix are used up --> 429
 */
import { networkPrefix } from '@fog/contract/node';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Refusal } from '../directory/authority-state.ts';
import type { AuthorityClock, SeedNotice } from '../directory/documents.ts';
import { bytes32Schema } from '../directory/fields.ts';
import type { Genesis } from '../directory/genesis.ts';
import { DIRECTORY_LIMITS } from '../directory/limits.ts';
import type { Signed } from '../directory/signed-document.ts';
import { PrefixLimits } from '../mixing/prefix-limits.ts';
import { type AuthorityStatus, DIRECTORY_ROUTES } from './directory-routes.ts';
import { DIRECTORY_SERVICE_LIMITS } from './limits.ts';

/** RFC 6177: of IPv6 most households have /56. */
const HOUSEHOLD = { ipv4Bits: 24, ipv6Bits: 56 };
/** Of IPv4, neighbours may be of different owners. */
const SOURCE = { ipv4Bits: 32, ipv6Bits: 56 };

export interface ConsensusText {
  /** Hex, of the body. */
  digest: string;
  bytes: Buffer;
}

export interface AuthorityHttpDependencies {
  genesis: Genesis;
  /** Monotonic. */
  now(): number;
  status(): AuthorityStatus;
  /** `nonce`: 32 bytes, hex. */
  clock(nonce: string): Signed<AuthorityClock>;
  /** JSON of what it has to say to the other authorities. */
  current(): Buffer;
  consensus(epoch: number | 'latest'): ConsensusText | null;
  seed(epoch: number): Signed<SeedNotice> | null;
  /** `document` is whatever came. Resolves with what it was refused for, or null. */
  descriptor(document: unknown, source: string): Promise<Refusal | null>;
  proof(document: unknown): Promise<Refusal | null>;
}

type EpochRequest = FastifyRequest<{ Params: { epoch: string } }>;

export function authorityHttp(dependencies: AuthorityHttpDependencies): FastifyInstance {
  const { genesis, now } = dependencies;
  const { requestsPerSecond, prefixes, documentRequests, answerBytesPerSecond, answerBytesBurst } =
    DIRECTORY_SERVICE_LIMITS;
  const requests = new PrefixLimits({
    rule: { tokensPerSecond: requestsPerSecond, burstTokens: requestsPerSecond },
    capacity: prefixes,
  });
  const bytes = new PrefixLimits({
    rule: { tokensPerSecond: answerBytesPerSecond, burstTokens: answerBytesBurst },
    capacity: prefixes,
  });
  const large = (request: FastifyRequest, reply: FastifyReply, text: Buffer) => {
    if (!bytes.take(householdOf(request), now(), text.length)) return tooMuch(reply);
    return reply.type('application/json').send(text);
  };
  const http = Fastify({ bodyLimit: DIRECTORY_LIMITS.descriptorBytes, requestTimeout: 10_000 });
  http.addHook('onRequest', async (request, reply) => {
    const price = request.method === 'POST' ? documentRequests : 1;
    if (!requests.take(householdOf(request), now(), price)) await tooMuch(reply);
  });
  http.get(DIRECTORY_ROUTES.genesis, () => genesis);
  http.get(DIRECTORY_ROUTES.status, () => dependencies.status());
  http.get<{ Querystring: { nonce?: string } }>('/v1/clock', ({ query: { nonce } }, reply) => {
    if (bytes32Schema.safeParse(nonce).success) return dependencies.clock(nonce as string);
    return reply.code(400).send({ title: 'No nonce', status: 400, detail: 'nonce must be 64 lower-case hex digits' });
  });
  http.get(DIRECTORY_ROUTES.current, (request, reply) => large(request, reply, dependencies.current()));
  http.get('/v1/consensus/:epoch', (request: EpochRequest, reply) => {
    const { epoch } = request.params;
    const found = dependencies.consensus(epoch === 'latest' ? epoch : Number(epoch));
    if (found === null) return notThere(reply, `no consensus for epoch ${epoch}`);
    const tag = `"${found.digest}"`;
    reply.header('etag', tag);
    return request.headers['if-none-match'] === tag ? reply.code(304).send() : large(request, reply, found.bytes);
  });
  http.get('/v1/seed/:epoch', ({ params: { epoch } }: EpochRequest, reply) => {
    return dependencies.seed(Number(epoch)) ?? notThere(reply, `no seed for epoch ${epoch}`);
  });
  http.post(DIRECTORY_ROUTES.descriptors, async ({ body, ip }, reply) => {
    return told(reply, 'descriptor', await dependencies.descriptor(body, networkPrefix(ip, SOURCE) ?? ip));
  });
  http.post(DIRECTORY_ROUTES.proofs, async ({ body }, reply) => {
    return told(reply, 'proof', await dependencies.proof(body));
  });
  return http;
}

function householdOf({ ip }: FastifyRequest): string {
  return networkPrefix(ip, HOUSEHOLD) ?? ip;
}

function told(reply: FastifyReply, what: string, refusal: Refusal | null): FastifyReply {
  // What is there already is where its sender wants it.
  if (refusal === null || refusal === 'known') return reply.code(204).send();
  return reply.code(422).send({ title: `The ${what} was refused`, status: 422, detail: refusal });
}

function notThere(reply: FastifyReply, detail: string): FastifyReply {
  return reply.code(404).send({ title: 'There is no such thing', status: 404, detail });
}

function tooMuch(reply: FastifyReply): FastifyReply {
  return reply.code(429).send({ title: 'Too many requests', status: 429, detail: 'ask again in a second' });
}
