/** The OpenAPI 3.1 document, printed from the schemas that validate. */
import fastifySwagger from '@fastify/swagger';
import { emptySchema, jobSpecJsonSchema, type RouteDefinition, type RouteName, type Scope } from '@fog/contract';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { PROBLEM_CONTENT_TYPE, problemSchema } from './problem.ts';

/** Must run before any route is registered: the document is gathered from what is registered after it. */
export async function registerOpenApi(server: FastifyInstance, version: string): Promise<void> {
  await server.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'fog-compute coordinator',
        version,
        description:
          'Jobs, nodes, tokens, secrets and blobs. Errors are RFC 9457 problem documents with a stable `code`. ' +
          'Routes with a `text/event-stream` answer follow their stream and resume after `Last-Event-ID`.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'A fog token: fog_<scope>_<id>_<secret>' },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => withSpecSchema(jsonSchemaTransformObject(document) as OpenApiDocument),
  });
  let text: string | undefined;
  const jobSchemaText = JSON.stringify(jobSpecJsonSchema());
  const json = 'application/json; charset=utf-8';
  server.get('/openapi.json', { schema: { hide: true } as FastifySchema }, async (_request, reply) => {
    text ??= JSON.stringify(server.swagger());
    return reply.header('content-type', json).send(text);
  });
  server.get('/schemas/job.json', { schema: { hide: true } as FastifySchema }, async (_request, reply) =>
    reply.header('content-type', json).send(jobSchemaText),
  );
}

/** Schema of a route of the contract's table. What it does not take, it refuses. */
export function routeSchema(name: RouteName, route: RouteDefinition): object {
  const tag = route.path.split('/')[2] ?? 'status';
  return {
    ...describeRoute(name, {
      summary: route.summary,
      tag,
      scopes: route.scopes,
      response: route.response,
      ...(route.stream === undefined ? {} : { stream: route.stream }),
    }),
    ...(route.params === undefined ? {} : { params: route.params }),
    querystring: route.query ?? emptySchema,
    ...(route.method === 'GET' ? {} : { body: route.body ?? NO_BODY }),
  };
}

/** An empty object is let through: many clients send it whenever they POST. */
const NO_BODY = emptySchema.nullish();

export interface RouteDescription {
  summary: string;
  tag?: string;
  /** Left out: open to everybody. */
  scopes?: readonly Scope[];
  response: z.ZodType | null;
  /** Of the answer; default: 200. */
  status?: number;
  contentType?: string;
  stream?: z.ZodType;
}

/** The part of a schema that describes, and does not validate. */
export function describeRoute(operationId: string, description: RouteDescription): Record<string, unknown> {
  const { summary, tag = 'health', scopes, response, stream } = description;
  const answers =
    response === null
      ? { 204: z.null().meta({ description: 'Done' }) }
      : {
          [description.status ?? 200]: {
            description: 'Success',
            content: {
              [description.contentType ?? 'application/json']: { schema: response },
              ...(stream === undefined ? {} : { 'text/event-stream': { schema: stream } }),
            },
          },
        };
  return {
    operationId,
    summary,
    tags: [tag],
    security: scopes === undefined ? [] : [{ bearer: [] }],
    ...(scopes === undefined ? {} : { description: `Scopes: ${['admin', ...scopes].join(', ')}.` }),
    response: {
      ...answers,
      default: { description: 'A problem', content: { [PROBLEM_CONTENT_TYPE]: { schema: problemSchema } } },
    },
  };
}

interface OpenApiDocument {
  paths?: Record<string, Record<string, { operationId?: string; requestBody?: RequestBody }>>;
  components?: { schemas?: Record<string, unknown> };
}
interface RequestBody {
  content?: Record<string, { schema?: { properties?: Record<string, unknown> } }>;
}

/**
 * `spec` is validated by `parseJobSpec`, which reports all faults in its own way, so the table has it as unknown; the
 * document shows what it is.
 */
function withSpecSchema(document: OpenApiDocument): ReturnType<typeof jsonSchemaTransformObject> {
  for (const operations of Object.values(document.paths ?? {})) {
    for (const operation of Object.values(operations)) {
      const properties = operation.requestBody?.content?.['application/json']?.schema?.properties;
      if (properties !== undefined && Object.hasOwn(properties, 'spec')) {
        properties.spec = { $ref: '#/components/schemas/JobSpecInput' };
      }
    }
  }
  return document as ReturnType<typeof jsonSchemaTransformObject>;
}
