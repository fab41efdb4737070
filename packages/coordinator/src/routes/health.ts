/** What machines ask: is it alive, may it get traffic, how is it doing. */

import { FogError } from '@fog/contract';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { z } from 'zod';
import { type Authenticate, requireScope } from '../access/bearer.ts';
import { HTTP_LIMITS } from '../limits.ts';
import type { HttpMetrics } from './metrics.ts';
import { describeRoute } from './openapi.ts';

export interface HealthDependencies {
  authenticate: Authenticate;
  metrics: HttpMetrics;
  /** Fulfilled when the database answered a trivial query. */
  databaseAnswers(): Promise<unknown>;
  /** Whether work can be taken, with the number of connected nodes. */
  ready(): Promise<Readiness> | Readiness;
  /** Metrics are open to everybody on a loopback listener. */
  loopback: boolean;
}

export type Readiness = { ready: true; nodes: number } | { ready: false; reason: string };

const healthSchema = z.strictObject({ status: z.literal('ok') });
const readinessSchema = z.union([
  z.strictObject({ ready: z.literal(true), nodes: z.int().nonnegative() }),
  z.strictObject({ ready: z.literal(false), reason: z.string() }),
]);

export function registerHealthRoutes(server: FastifyInstance, dependencies: HealthDependencies): void {
  server.route({
    method: ['GET', 'HEAD'],
    url: '/healthz',
    schema: describeRoute('health', {
      summary: 'Alive: the event loop and the database answer',
      response: healthSchema,
    }) as FastifySchema,
    handler: async (_request, reply) => {
      await within(HTTP_LIMITS.healthMilliseconds, dependencies.databaseAnswers());
      return reply.send({ status: 'ok' });
    },
  });
  server.route({
    method: ['GET', 'HEAD'],
    url: '/readyz',
    schema: describeRoute('readiness', { summary: 'May take work', response: readinessSchema }) as FastifySchema,
    handler: async (_request, reply) => {
      const readiness = await dependencies.ready();
      return reply.code(readiness.ready ? 200 : 503).send(readiness);
    },
  });
  server.route({
    method: 'GET',
    url: '/metrics',
    schema: describeRoute('metrics', {
      summary: 'Prometheus metrics; without a token on a loopback listener',
      response: z.string(),
      contentType: 'text/plain',
      ...(dependencies.loopback ? {} : { scopes: ['read'] }),
    }) as FastifySchema,
    onRequest: async (request) => {
      if (dependencies.loopback) return;
      requireScope(await dependencies.authenticate(request.headers.authorization), ['read']);
    },
    handler: async (_request, reply) => {
      const { registry } = dependencies.metrics;
      return reply.header('content-type', registry.contentType).send(await registry.metrics());
    },
  });
}

async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds} ms`)), milliseconds);
  });
  try {
    await Promise.race([work, late]);
  } catch (cause) {
    throw new FogError('unavailable', 'the database does not answer', { cause });
  } finally {
    clearTimeout(timer);
  }
}
