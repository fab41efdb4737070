/** Routes about what principals may have, and what tiers promise. */
import { z } from 'zod';
import { nameSchema } from './identifiers.ts';
import { page, pageQuery } from './pages.ts';
import { quotaLimitsSchema, quotaSchema, serviceLevelSchema } from './resources.ts';
import type { RouteDefinition } from './routes.ts';

export const QUEUE_ROUTES = {
  setQuota: {
    method: 'PUT',
    path: '/v1/quotas/:principal',
    summary: 'Limit what a principal may have at a time, in place of what was set before',
    scopes: [],
    params: z.strictObject({ principal: nameSchema }),
    body: quotaLimitsSchema,
    response: quotaSchema,
  },
  listQuotas: {
    method: 'GET',
    path: '/v1/quotas',
    summary: 'Quotas by principal, with what is used of them; submitters see their own',
    scopes: ['submit', 'read'],
    query: z.strictObject(pageQuery),
    response: page(quotaSchema),
  },
  removeQuota: {
    method: 'DELETE',
    path: '/v1/quotas/:principal',
    summary: 'Limit a principal no more',
    scopes: [],
    params: z.strictObject({ principal: nameSchema }),
    response: null,
  },
  listServiceLevels: {
    method: 'GET',
    path: '/v1/service-levels',
    summary: 'How long tasks waited by principal, tier and period, against what is promised; newest first',
    scopes: ['submit', 'read'],
    query: z.strictObject({ ...pageQuery, since: z.coerce.number().int().nonnegative().default(0) }),
    response: page(serviceLevelSchema),
  },
} as const satisfies Record<string, RouteDefinition>;
