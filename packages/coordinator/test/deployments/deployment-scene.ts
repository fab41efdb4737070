/** Deployments over a core with fake agents, whose replicas run or fail as the test tells. */
import type { AttemptName, Deployment, JobSpecInput } from '@fog/contract';
import type { Caller } from '../../src/service.ts';
import type { FakeAgent, FakeAgentOptions } from '../dispatch/fake-agent.ts';
import type { Fog } from '../dispatch/fog-harness.ts';

export const ALICE: Caller = { scope: 'submit', principal: 'alice' };

export function service(change: Partial<JobSpecInput['spec']> = {}, args: string[] = [], name = 'web'): JobSpecInput {
  return {
    kind: 'Job',
    metadata: { name },
    spec: {
      type: 'service',
      ...(change.type === 'daemon' ? {} : { count: 2 }),
      ...change,
      task: {
        runtime: 'process',
        process: { command: ['/bin/serve'] },
        args,
        resources: { cpu: '100m', memory: '1Mi', disk: '1Mi' },
      },
    },
  };
}

/** An agent that starts whatever is leased to it; what has `fails` among its arguments ends at once. */
export async function willing(fog: Fog, options: FakeAgentOptions = {}): Promise<FakeAgent> {
  const agent = fog.agent(options);
  agent.onLease = (name) => queueMicrotask(() => obey(agent, name));
  await agent.connect();
  return agent;
}

function obey(agent: FakeAgent, name: AttemptName): void {
  const group = agent.groups.find(({ job }) => job === name.job);
  agent.report(name, { event: 'start' });
  if (group?.spec.spec.task.args.includes('fails')) agent.fail(name, 'exit-code', 3);
}

export function deploy(fog: Fog, spec: JobSpecInput, caller = ALICE): Promise<Deployment> {
  return fog.deployments.deploy(caller, { name: spec.metadata?.name ?? 'job' }, spec);
}

export function get(fog: Fog, name = 'web', caller = ALICE): Promise<Deployment> {
  return fog.deployments.get(caller, { name });
}

/** Lets time pass second by second until the deployment is in one of these states. */
export async function until(fog: Fog, states: readonly Deployment['state'][], name = 'web'): Promise<Deployment> {
  for (let second = 0; second < 120; second += 1) {
    const deployment = await get(fog, name);
    if (states.includes(deployment.state)) return deployment;
    await fog.advance(1000);
  }
  throw new Error(`still ${JSON.stringify(await get(fog, name))}`);
}

export async function deployed(fog: Fog, spec: JobSpecInput): Promise<Deployment> {
  await deploy(fog, spec);
  await fog.settle();
  return await until(fog, ['stable'], spec.metadata?.name);
}

export function onNodes(deployment: Deployment): (string | null)[] {
  return deployment.replicas.map((replica) => replica.nodeName).sort();
}
