/** What each route of the contract's table does: one line from the request to the service. */
import { parseDuration, type ROUTES, type RouteName } from '@fog/contract';
import type { z } from 'zod';
import type { SecretStore } from '../access/secrets.ts';
import type { TokenStore } from '../access/tokens.ts';
import type { DeploymentService } from '../deployments/deployment-service.ts';
import type { QuotaService } from '../dispatch/queueing/quota-service.ts';
import type { Dao } from '../governance/dao.ts';
import type { Caller, CoordinatorService, StreamPage, StreamRequest } from '../service.ts';
import type { Staking } from '../settlement/stake/staking.ts';
import type { Wallets } from '../settlement/wallets.ts';
import { daoHandlers } from './dao-handlers.ts';
import { deploymentHandlers } from './deployment-handlers.ts';
import { moneyHandlers, stakeHandlers } from './money-handlers.ts';

type Routes = typeof ROUTES;
type Part<Route, Key extends string> = Route extends { [K in Key]: infer Schema extends z.ZodType }
  ? z.output<Schema>
  : undefined;

/** A validated request. */
export interface Call<Name extends RouteName> {
  caller: Caller;
  params: Part<Routes[Name], 'params'>;
  query: Part<Routes[Name], 'query'>;
  body: Part<Routes[Name], 'body'>;
}
type Answer<Name extends RouteName> = Routes[Name]['response'] extends z.ZodType
  ? z.output<Routes[Name]['response']>
  : undefined;
export type StreamRouteName = {
  [Name in RouteName]: Routes[Name] extends { stream: z.ZodType } ? Name : never;
}[RouteName];
export type PlainRouteName = Exclude<RouteName, StreamRouteName>;

export type PlainHandlers = { [Name in PlainRouteName]: (call: Call<Name>) => Promise<Answer<Name>> };

/** Where a stream's records come from. */
export interface StreamSource {
  /** Name of the stream for `subscribe`. */
  stream: string;
  read(request: StreamRequest): Promise<StreamPage<{ sequence: number }>>;
}
export type StreamHandlers = { [Name in StreamRouteName]: (call: Call<Name>) => StreamSource };

export interface HandlerDependencies {
  service: CoordinatorService;
  deployments: DeploymentService;
  quotas: Pick<QuotaService, 'set' | 'list' | 'remove' | 'serviceLevels'>;
  tokens: Pick<TokenStore, 'create' | 'list' | 'revoke'>;
  secrets: Pick<SecretStore, 'set' | 'list' | 'delete'>;
  /** Null in a fog that asks for no money. */
  wallets: Wallets | null;
  staking: Staking | null;
  dao: Dao | null;
}

export function plainHandlers(dependencies: HandlerDependencies): PlainHandlers {
  const { service, deployments, quotas, tokens, secrets } = dependencies;
  return {
    status: () => service.status(),
    submitJob: ({ caller, body }) => service.submitJob(caller, body),
    listJobs: ({ caller, query }) => service.listJobs(caller, query),
    getJob: ({ caller, params }) => service.getJob(caller, params.job),
    listTasks: ({ caller, params, query }) => service.listTasks(caller, params.job, query),
    getTask: ({ caller, params }) => service.getTask(caller, params.job, params.partition),
    taskSamples: ({ caller, params, query }) => service.taskSamples(caller, params, query),
    planFront: ({ caller, body }) => service.planFront(caller, body),
    getFront: ({ caller, params }) => service.getFront(caller, params.index),
    explainTask: ({ caller, params }) => service.explainTask(caller, params),
    cancelJob: ({ caller, params }) => service.cancelJob(caller, params.job),
    suspendJob: ({ caller, params, body }) => service.suspendJob(caller, params.job, body?.partition),
    resumeJob: ({ caller, params, body }) => service.resumeJob(caller, params.job, body?.partition),
    rerunJob: ({ caller, params }) => service.rerunJob(caller, params.job),
    ...deploymentHandlers(deployments),
    plan: ({ caller, body }) => service.plan(caller, body),
    listNodes: ({ caller, query }) => service.listNodes(caller, query),
    getNode: ({ caller, params }) => service.getNode(caller, params.node),
    listOwners: ({ query }) => service.listOwners(query),
    cordonNode: ({ caller, params, body }) => service.cordonNode(caller, params.node, body.cordoned),
    trustNode: ({ caller, params, body }) => service.trustNode(caller, params.node, body.trusted),
    drainNode: ({ caller, params, body }) => service.drainNode(caller, params.node, parseDuration(body.deadline)),
    removeNode: ({ caller, params }) => service.removeNode(caller, params.node).then(() => undefined),
    createToken: ({ body }) =>
      tokens.create({
        scope: body.scope,
        principal: body.principal,
        trusted: body.trusted,
        lifeMilliseconds: body.expires === undefined ? undefined : parseDuration(body.expires),
      }),
    listTokens: ({ query }) => tokens.list(query),
    revokeToken: ({ params }) => tokens.revoke(params.token),
    setQuota: ({ caller, params, body }) => quotas.set(caller, params.principal, body),
    listQuotas: ({ caller, query }) => quotas.list(caller, query),
    removeQuota: ({ params }) => quotas.remove(params.principal).then(() => undefined),
    listServiceLevels: ({ caller, query }) => quotas.serviceLevels(caller, query),
    ...moneyHandlers(dependencies.wallets),
    ...stakeHandlers(dependencies.staking),
    ...daoHandlers(dependencies.dao),
    setSecret: ({ caller, params, body }) => secrets.set(caller.principal, params.name, body.value),
    listSecrets: ({ caller, query }) => secrets.list(caller.principal, query),
    deleteSecret: ({ caller, params }) => secrets.delete(caller.principal, params.name).then(() => undefined),
  };
}

export function streamHandlers({ service }: Pick<HandlerDependencies, 'service'>): StreamHandlers {
  return {
    jobEvents: ({ caller, params, query }) => ({
      stream: params.job,
      read: (request) => service.jobEvents(caller, params.job, { ...request, partition: query.partition }),
    }),
    jobLogs: ({ caller, params, query }) => ({
      stream: params.job,
      read: (request) => service.jobLogs(caller, params.job, { ...request, partition: query.partition }),
    }),
    nodeEvents: ({ caller, params }) => ({
      stream: params.node,
      read: (request) => service.nodeEvents(caller, params.node, request),
    }),
  };
}
