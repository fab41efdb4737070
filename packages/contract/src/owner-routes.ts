/** Routes about owners of nodes. */
import { z } from 'zod';
import { page, pageQuery } from './pages.ts';
import type { RouteDefinition } from './routes.ts';
import { ownerSchema } from './trust.ts';

export const OWNER_ROUTES = {
  listOwners: {
    method: 'GET',
    path: '/v1/owners',
    summary: 'Owners of nodes whose results were verified, by name, and how far these can be relied on',
    scopes: ['submit', 'read'],
    query: z.strictObject(pageQuery),
    response: page(ownerSchema),
  },
} as const satisfies Record<string, RouteDefinition>;
