/** The routes of governance. */
import type { DAO_ROUTES } from '@fog/contract';
import type { Dao } from '../governance/dao.ts';
import type { PlainHandlers } from './handlers.ts';
import { present } from './money-handlers.ts';

export function daoHandlers(dao: Dao | null): Pick<PlainHandlers, keyof typeof DAO_ROUTES> {
  const asked = () => present(dao, 'this fog asks nobody for money, and there is nothing to vote on');
  return {
    listParameters: async () => ({ items: asked().parameters() }),
    listAudit: async ({ query }) => await asked().audit(query),
    listEmission: async ({ query }) => await asked().emission(query),
    getMembership: async ({ caller, query }) => await asked().membership(caller, query.principal),
    setVotingKey: async ({ caller, body }) => await asked().setVotingKey(caller, body.publicKey),
    delegateVote: async ({ caller, body }) => await asked().delegate(caller, body.to),
    createProposal: async ({ caller, body }) => await asked().propose(caller, body),
    listProposals: async ({ query }) => await asked().list(query),
    getProposal: async ({ params }) => await asked().get(params.proposal),
    getVote: async ({ caller, params, query }) => await asked().voteOf(caller, params.proposal, query.principal),
    castBallot: async ({ params, body }) => await asked().cast(params.proposal, body),
    listBallots: async ({ params, query }) => await asked().ballots(params.proposal, query),
    getSnapshot: async ({ params }) => await asked().snapshot(params.proposal),
    listVoters: async ({ params, query }) => await asked().voters(params.proposal, query),
    cancelProposal: async ({ caller, params }) => await asked().cancel(caller, params.proposal),
    vetoProposal: async ({ caller, params, body }) => await asked().veto(caller, params.proposal, body.reason),
    executeProposal: async ({ caller, params }) => await asked().execute(caller, params.proposal),
  };
}
