/** Routes about money. */
import { z } from 'zod';
import { jobIdSchema, nameSchema } from './identifiers.ts';
import {
  deploymentPaymentSchema,
  jobPaymentSchema,
  ledgerHeadSchema,
  sendSchema,
  walletEntrySchema,
  walletSchema,
} from './money.ts';
import { page, pageQuery } from './pages.ts';
import { marketPriceSchema } from './placement-policy.ts';
import type { RouteDefinition } from './routes.ts';

/** Whose wallet it is; only those who see everything may name another than themselves. */
const ofPrincipal = { principal: nameSchema.optional() };

export const MONEY_ROUTES = {
  getWallet: {
    method: 'GET',
    path: '/v1/wallet',
    summary: 'What a principal can spend, and what covers its jobs',
    scopes: ['submit', 'node', 'read'],
    query: z.strictObject(ofPrincipal),
    response: walletSchema,
  },
  listWalletEntries: {
    method: 'GET',
    path: '/v1/wallet/entries',
    summary: 'What came into a wallet and left it, newest first',
    scopes: ['submit', 'node', 'read'],
    query: z.strictObject({ ...pageQuery, ...ofPrincipal }),
    response: page(walletEntrySchema),
  },
  sendMoney: {
    method: 'POST',
    path: '/v1/wallet/sends',
    summary: 'Send FOG to another principal; the same key sends once',
    scopes: ['submit', 'node'],
    body: sendSchema,
    response: walletEntrySchema,
  },
  getJobPayment: {
    method: 'GET',
    path: '/v1/jobs/:job/payment',
    summary: 'What was put into escrow for a job, and what has become of it',
    scopes: ['submit', 'read'],
    params: z.strictObject({ job: jobIdSchema }),
    response: jobPaymentSchema,
  },
  getDeploymentPayment: {
    method: 'GET',
    path: '/v1/deployments/:name/payment',
    summary: 'What a deployment costs a period, until when it is covered, and what was paid for its revisions',
    scopes: ['submit', 'read'],
    params: z.strictObject({ name: nameSchema }),
    query: z.strictObject(ofPrincipal),
    response: deploymentPaymentSchema,
  },
  listPrices: {
    method: 'GET',
    path: '/v1/prices',
    summary: 'What a slice costs in each region: one processor, 2 GiB, 5 minutes, in bronze',
    scopes: ['submit', 'node', 'read'],
    response: z.strictObject({ items: z.array(marketPriceSchema) }),
  },
  getLedger: {
    method: 'GET',
    path: '/v1/ledger',
    summary: 'How far the ledger is and how it is sealed, to be noted elsewhere; how much money there is',
    scopes: ['submit', 'node', 'read'],
    response: ledgerHeadSchema,
  },
} as const satisfies Record<string, RouteDefinition>;
