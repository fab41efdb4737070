/** Puts the parts of deployments together. */
import { DeploymentLooks, type DeploymentLooksDependencies } from './deployment-looks.ts';
import { createDeploymentService, type DeploymentService } from './deployment-service.ts';
import { Deployments, type DeploymentsDependencies } from './deployments.ts';

export type AssembledDependencies = Omit<DeploymentLooksDependencies & DeploymentsDependencies, 'looks'>;

export function assembleDeployments(dependencies: AssembledDependencies): {
  looks: DeploymentLooks;
  service: DeploymentService;
} {
  const looks = new DeploymentLooks(dependencies);
  const deployments = new Deployments({ ...dependencies, looks });
  const { periods } = dependencies;
  if (periods !== null) periods.onChange = (key) => looks.lookNow(key);
  return { looks, service: createDeploymentService({ ...dependencies, deployments }) };
}
