/** The HTTP side of published ports: requests by way of Fastify, and WebSockets by way of the server's upgrades. */
import { FogError, type PortOwner, portPath } from '@fog/contract';
import type { FastifyInstance, FastifySchema } from 'fastify';
import type { PortProxy } from './port-proxy.ts';

const OWNERS: readonly PortOwner[] = [
  { kind: 'job', id: ':job' },
  { kind: 'deployment', id: ':deployment' },
];

export async function registerPortRoutes(server: FastifyInstance, proxy: Pick<PortProxy, 'request'>): Promise<void> {
  await server.register(async (routes) => {
    // Bytes of whatever content type are passed on unread.
    routes.removeAllContentTypeParsers();
    routes.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined));
    const roots = OWNERS.map((owner) => portPath(owner, ':name', 'http'));
    for (const url of roots.flatMap((root) => [root, `${root}/*`])) {
      routes.all(url, {
        // Whatever a program answers, it is no part of this API.
        schema: { hide: true } as FastifySchema,
        config: { streams: true },
        handler: async (request, reply) => {
          await proxy.request(request.raw, reply.raw, () => reply.hijack());
          return reply;
        },
      });
    }
    for (const owner of OWNERS) {
      routes.get(portPath(owner, ':name', 'tunnel'), {
        schema: { hide: true } as FastifySchema,
        handler: async () => {
          throw new FogError('invalid-request', 'a tunnel is a WebSocket', { hint: 'fog forward NAME PORT' });
        },
      });
    }
  });
}
