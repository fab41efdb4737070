/** Routes of governance. */
import { z } from 'zod';
import {
  auditEntrySchema,
  ballotSchema,
  emissionEpochSchema,
  membershipSchema,
  parameterSchema,
  proposalSchema,
  proposalStateSchema,
  proposeSchema,
  signedBallotSchema,
  snapshotHeadSchema,
  voteOfSchema,
  voterSchema,
} from './dao.ts';
import { nameSchema } from './identifiers.ts';
import { page, pageQuery } from './pages.ts';
import type { RouteDefinition } from './routes.ts';

/** Who sees. */
const READERS = ['submit', 'node', 'read'] as const;
/** Who acts, for the principal of the token. */
const MEMBERS = ['submit', 'node'] as const;

const ofPrincipal = { principal: nameSchema.optional() };
const params = z.strictObject({
  /** The id of a proposal, or how it begins. */
  proposal: z
    .string()
    .regex(/^[0-9a-f]{8,64}$/, 'must be an id of 64 lower-case hex digits, or 8 of its first at least'),
});

export const DAO_ROUTES = {
  listParameters: {
    method: 'GET',
    path: '/v1/dao/parameters',
    summary: 'What a vote can change: what holds now, the default, the range, and since which proposal',
    scopes: READERS,
    response: z.strictObject({ items: z.array(parameterSchema) }),
  },
  listAudit: {
    method: 'GET',
    path: '/v1/dao/audit',
    summary: 'What votes have done, newest first',
    scopes: READERS,
    query: z.strictObject(pageQuery),
    response: page(auditEntrySchema),
  },
  listEmission: {
    method: 'GET',
    path: '/v1/dao/emission',
    summary: 'What new money was made for work of days that are over, newest first',
    scopes: READERS,
    query: z.strictObject(pageQuery),
    response: page(emissionEpochSchema),
  },
  getMembership: {
    method: 'GET',
    path: '/v1/dao/membership',
    summary: 'What a principal has to vote with, by which key, and who votes with it',
    scopes: READERS,
    query: z.strictObject(ofPrincipal),
    response: membershipSchema,
  },
  setVotingKey: {
    method: 'PUT',
    path: '/v1/dao/key',
    summary: 'Register the public key (Ed25519) that signs your ballots, from the next vote that opens on',
    scopes: MEMBERS,
    body: z.strictObject({ publicKey: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits') }),
    response: membershipSchema,
  },
  delegateVote: {
    method: 'PUT',
    path: '/v1/dao/delegate',
    summary: 'Say who votes with your stake: you, another, or nobody',
    scopes: MEMBERS,
    body: z.strictObject({ to: nameSchema.nullable() }),
    response: membershipSchema,
  },
  createProposal: {
    method: 'POST',
    path: '/v1/dao/proposals',
    summary: 'Propose a change of parameters, payments of the treasury, or words; takes power and a deposit',
    scopes: MEMBERS,
    body: proposeSchema,
    response: proposalSchema,
  },
  listProposals: {
    method: 'GET',
    path: '/v1/dao/proposals',
    summary: 'Proposals, newest first',
    scopes: READERS,
    query: z.strictObject({ ...pageQuery, state: proposalStateSchema.optional() }),
    response: page(proposalSchema),
  },
  getProposal: {
    method: 'GET',
    path: '/v1/dao/proposals/:proposal',
    summary: 'A proposal, and how its vote stands',
    scopes: READERS,
    params,
    response: proposalSchema,
  },
  getVote: {
    method: 'GET',
    path: '/v1/dao/proposals/:proposal/vote',
    summary: 'What a principal has to vote with on a proposal, by which key, and how it voted',
    scopes: READERS,
    params,
    query: z.strictObject(ofPrincipal),
    response: voteOfSchema,
  },
  castBallot: {
    method: 'POST',
    path: '/v1/dao/proposals/:proposal/ballots',
    summary: 'Hand in a signed ballot',
    scopes: MEMBERS,
    params,
    body: signedBallotSchema,
    response: ballotSchema,
  },
  listBallots: {
    method: 'GET',
    path: '/v1/dao/proposals/:proposal/ballots',
    summary: 'Ballots in the order in which they were cast',
    scopes: READERS,
    params,
    query: z.strictObject(pageQuery),
    response: page(ballotSchema),
  },
  getSnapshot: {
    method: 'GET',
    path: '/v1/dao/proposals/:proposal/snapshot',
    summary: 'The published root of the power that counts on a proposal',
    scopes: READERS,
    params,
    response: snapshotHeadSchema,
  },
  listVoters: {
    method: 'GET',
    path: '/v1/dao/proposals/:proposal/voters',
    summary: 'Who can vote on a proposal, with how much and by which key',
    scopes: READERS,
    params,
    query: z.strictObject(pageQuery),
    response: page(voterSchema),
  },
  cancelProposal: {
    method: 'POST',
    path: '/v1/dao/proposals/:proposal/cancel',
    summary: 'Take your proposal back before its vote begins',
    scopes: MEMBERS,
    params,
    response: proposalSchema,
  },
  vetoProposal: {
    method: 'POST',
    path: '/v1/dao/proposals/:proposal/veto',
    summary: 'Stop a proposal for good; for the guardian, who is the operator',
    scopes: [],
    params,
    body: z.strictObject({ reason: z.string() }),
    response: proposalSchema,
  },
  executeProposal: {
    method: 'POST',
    path: '/v1/dao/proposals/:proposal/execute',
    summary: 'Carry out what was decided, when its timelock has run',
    scopes: MEMBERS,
    params,
    response: proposalSchema,
  },
} as const satisfies Record<string, RouteDefinition>;
