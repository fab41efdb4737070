/** What the routes of deployments do: one line from the request to the service. */
import type { DeploymentService } from '../deployments/deployment-service.ts';
import type { PlainHandlers } from './handlers.ts';

type DeploymentHandlers = Pick<
  PlainHandlers,
  | 'deploy'
  | 'listDeployments'
  | 'getDeployment'
  | 'listRevisions'
  | 'scaleDeployment'
  | 'rollBackDeployment'
  | 'removeDeployment'
>;

export function deploymentHandlers(deployments: DeploymentService): DeploymentHandlers {
  return {
    deploy: ({ caller, params, query, body }) => deployments.deploy(caller, { ...params, ...query }, body.spec),
    listDeployments: ({ caller, query }) => deployments.list(caller, query),
    getDeployment: ({ caller, params, query }) => deployments.get(caller, { ...params, ...query }),
    listRevisions: ({ caller, params, query }) => deployments.revisions(caller, { ...params, ...query }),
    scaleDeployment: ({ caller, params, query, body }) =>
      deployments.scale(caller, { ...params, ...query }, body.replicas),
    rollBackDeployment: ({ caller, params, query, body }) =>
      deployments.rollBack(caller, { ...params, ...query }, body.revision),
    removeDeployment: ({ caller, params, query }) =>
      deployments.remove(caller, { ...params, ...query }).then(() => undefined),
  };
}
