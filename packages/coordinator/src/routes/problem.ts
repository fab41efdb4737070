/** Errors as RFC 9457 problem documents. */
import { ERROR_CODES, FogError, type ProblemDocument } from '@fog/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { HTTP_LIMITS } from '../limits.ts';

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** The shape of every error answer; the OpenAPI document shows it for each route. */
export const problemSchema = z
  .strictObject({
    type: z.string().meta({ description: 'urn:fog:error:<code>' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(ERROR_CODES as [(typeof ERROR_CODES)[number], ...typeof ERROR_CODES]),
    retryable: z.boolean().meta({ description: 'Whether the same call may succeed later' }),
    hint: z.string().optional(),
    details: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Problem', title: 'Problem', description: 'RFC 9457 problem details' });

/** The part of a logger that is used; pino fits. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RequestFault {
  path: string;
  message: string;
}

/** One fault for each thing that is wrong; an unknown key is named by its path. */
export function faultsOf(error: z.core.$ZodError): RequestFault[] {
  return error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: [...issue.path, key].join('.'), message: 'is unknown' }));
    }
    return [{ path: issue.path.join('.'), message: issue.message }];
  });
}

/** `invalid-request` with `details.faults`. `place` says which part of the request it was, where no path
 * does; `given` is what stands there, where that says more. */
export function invalidRequest(place: string, faults: RequestFault[], given?: string): FogError {
  const first = faults[0] ?? { path: '', message: 'is not valid' };
  const others = faults.length <= 1 ? '' : ` (and ${faults.length - 1} more)`;
  const subject = given ?? `${first.path === '' ? place : first.path}:`;
  return new FogError('invalid-request', `${subject} ${first.message}${others}`, { details: { faults } });
}

/** What Fastify itself refuses, in our words. */
const FRAMEWORK_ERRORS: Readonly<Record<string, (error: Error) => FogError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () =>
    new FogError('body-too-large', `the body is larger than ${HTTP_LIMITS.jsonBodyBytes} bytes`, {
      details: { limitBytes: HTTP_LIMITS.jsonBodyBytes },
      hint: 'upload large data as blobs and name their digests',
    }),
  FST_ERR_CTP_EMPTY_JSON_BODY: () =>
    invalidRequest('body', [{ path: '', message: 'is empty although the content type is application/json' }]),
  FST_ERR_CTP_INVALID_JSON_BODY: (error) =>
    invalidRequest('body', [{ path: '', message: `is not JSON: ${error.message}` }]),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    invalidRequest('content-type', [{ path: '', message: 'must be application/json' }]),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    invalidRequest('content-length', [{ path: '', message: 'does not agree with the body' }]),
  FST_ERR_BAD_URL: () => invalidRequest('path', [{ path: '', message: 'is not well-formed' }]),
};

/** Turns whatever was thrown while a request was handled into a `FogError` that may be shown. */
export function toFogError(error: unknown): FogError {
  if (error instanceof FogError) return error;
  const { code, statusCode, message } = error as { code?: string; statusCode?: number; message?: string };
  const known = code === undefined ? undefined : FRAMEWORK_ERRORS[code];
  if (known !== undefined) return known(error as Error);
  // secure-json-parse and other framework refusals carry a 4xx status.
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return invalidRequest('request', [{ path: '', message: message ?? 'is not valid' }]);
  }
  return new FogError('internal', 'something broke inside the coordinator', { cause: error });
}

/**
 * Answers with the problem document. What is `internal` is logged with the request id, and the answer carries only
 * that id: neither the message nor the stack of an unexpected exception leaves the process.
 */
export function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  logger: Logger,
): FastifyReply {
  const fault = toFogError(error);
  let problem: ProblemDocument = fault.toProblem();
  if (fault.code === 'internal') {
    const requestId = request.id;
    logger.error({ err: fault.cause ?? fault, requestId, route: request.routeOptions.url }, 'request failed');
    problem = { ...problem, detail: 'something broke inside the coordinator', details: { requestId } };
    problem.hint = `the log of the coordinator says more under requestId ${requestId}`;
  }
  if (fault.code === 'unauthenticated') reply.header('www-authenticate', 'Bearer realm="fog"');
  if (fault.code === 'too-many-requests' || fault.code === 'unavailable') reply.header('retry-after', '1');
  dropRestOfBody(request, reply);
  return reply.code(fault.status).type(PROBLEM_CONTENT_TYPE).serializer(JSON.stringify).send(problem);
}

/**
 * A body that was refused may still be on its way. Closing at once would reset the connection and the client would
 * never see why; so its bytes are dropped for a moment, then the connection is cut.
 */
export function dropRestOfBody(request: FastifyRequest, reply: FastifyReply): void {
  const { raw } = request;
  const hasBody = raw.headers['transfer-encoding'] !== undefined || Number(raw.headers['content-length'] ?? 0) > 0;
  if (!hasBody || raw.complete || raw.destroyed) return;
  reply.removeHeader('connection');
  raw.resume();
  setTimeout(() => {
    if (!raw.complete) raw.destroy();
  }, HTTP_LIMITS.lingerMilliseconds).unref();
}
