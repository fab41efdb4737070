/** Routes about what is at stake. */
import { z } from 'zod';
import { nameSchema } from './identifiers.ts';
import { page, pageQuery } from './pages.ts';
import type { RouteDefinition } from './routes.ts';
import { appealSchema, decisionSchema, slashSchema, stakeChangeSchema, stakeSchema, validatorSchema } from './stake.ts';

export const STAKE_ROUTES = {
  getStake: {
    method: 'GET',
    path: '/v1/stake',
    summary: 'What a principal has at stake, what has left, and what it has earned',
    scopes: ['submit', 'node', 'read'],
    query: z.strictObject({ principal: nameSchema.optional() }),
    response: stakeSchema,
  },
  changeStake: {
    method: 'POST',
    path: '/v1/stake/changes',
    summary: "Bond, delegate, unbond, move, withdraw, unjail, set the commission: of the caller's own",
    scopes: ['submit', 'node'],
    body: stakeChangeSchema,
    response: stakeSchema,
  },
  listValidators: {
    method: 'GET',
    path: '/v1/stake/validators',
    summary: 'Who can be delegated to',
    scopes: ['submit', 'node', 'read'],
    query: z.strictObject(pageQuery),
    response: page(validatorSchema),
  },
  listSlashes: {
    method: 'GET',
    path: '/v1/stake/slashes',
    summary: 'Results that were proven wrong, and what they cost',
    scopes: ['submit', 'node', 'read'],
    query: z.strictObject({ ...pageQuery, validator: nameSchema.optional() }),
    response: page(slashSchema),
  },
  appealSlash: {
    method: 'POST',
    path: '/v1/stake/appeals',
    summary: 'Appeal against a held slash, by the validator, once',
    scopes: ['submit', 'node'],
    body: appealSchema,
    response: slashSchema,
  },
  decideSlash: {
    method: 'POST',
    path: '/v1/stake/decisions',
    summary: 'Decide an appeal',
    scopes: [],
    body: decisionSchema,
    response: slashSchema,
  },
} as const satisfies Record<string, RouteDefinition>;
