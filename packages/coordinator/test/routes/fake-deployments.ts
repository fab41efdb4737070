/** Deployments without a store, for tests of the HTTP side: they remember what they were asked. */
import type { Deployment } from '@fog/contract';
import type { DeploymentService } from '../../src/deployments/deployment-service.ts';
import { JOB_ID } from './fake-service.ts';

export const DEPLOYMENT: Deployment = {
  name: 'web',
  principal: 'alice',
  type: 'service',
  state: 'rolling-out',
  reason: null,
  revision: 1,
  wanted: 1,
  ready: 0,
  available: 0,
  updated: 0,
  createdAt: 1,
  updatedAt: 1,
  replicas: [],
  revisions: [
    {
      revision: 1,
      state: 'rolling-out',
      reason: null,
      job: JOB_ID,
      by: 'alice',
      of: null,
      createdAt: 1,
      endedAt: null,
    },
  ],
};

export class FakeDeployments implements DeploymentService {
  readonly calls: unknown[][] = [];

  deploy: DeploymentService['deploy'] = async (...call) => this.#answer('deploy', call);
  get: DeploymentService['get'] = async (...call) => this.#answer('get', call);
  scale: DeploymentService['scale'] = async (...call) => this.#answer('scale', call);
  rollBack: DeploymentService['rollBack'] = async (...call) => this.#answer('rollBack', call);
  remove: DeploymentService['remove'] = async (...call) => void this.#answer('remove', call);
  list: DeploymentService['list'] = async (...call) => {
    this.#answer('list', call);
    return { items: [], next: null };
  };
  revisions: DeploymentService['revisions'] = async (...call) => {
    return { items: this.#answer('revisions', call).revisions };
  };

  #answer(method: string, call: readonly unknown[]): Deployment {
    this.calls.push([method, ...call]);
    return DEPLOYMENT;
  }
}
