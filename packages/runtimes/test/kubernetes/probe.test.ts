/** What a node learns of its cluster, and what it then refuses. Against the stand-in, see api-server.ts. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, it } from 'node:test';
import type { KubernetesOptions } from '../../src/kubernetes/index.ts';
import { NETWORK_POLICY } from '../../src/kubernetes/job-manifest.ts';
import type { RuntimeProbe, TaskRuntime } from '../../src/runtime.ts';
import { createStage, type TestStage } from '../runtime-stage.ts';
import { type ClusterStage, createClusterStage, shell } from './cluster-stage.ts';

let cluster: ClusterStage;
let stage: TestStage;
let runtime: TaskRuntime;
beforeEach(async () => {
  cluster = await createClusterStage();
  stage = await createStage();
});
afterEach(async () => {
  await runtime.close();
  await cluster[Symbol.asyncDispose]();
  await stage[Symbol.asyncDispose]();
});

async function probe(options: Partial<KubernetesOptions> = {}): Promise<RuntimeProbe> {
  runtime = cluster.create(stage.settings(1), options);
  return runtime.probe();
}

async function features(options: Partial<KubernetesOptions> = {}): Promise<Record<string, string>> {
  const found = await probe(options);
  assert.ok(found.available, JSON.stringify(found));
  return found.features;
}

function refusal(isTrusted: boolean): string | null {
  return runtime.refusal({ ...shell(stage, 'exit 0'), trusted: isTrusted });
}

it('a good cluster: version, namespace, network denied by a policy that it makes', async () => {
  cluster.server.store.create('resourcequotas', {
    metadata: { name: 'q' },
    spec: { hard: { 'limits.cpu': '16', 'requests.cpu': '8', 'limits.memory': '64Gi' } },
  });
  const found = await probe({ runtimeClassName: 'gvisor' });
  assert.deepEqual(found, {
    available: true,
    version: 'v1.33.4',
    features: {
      namespace: 'fog',
      network: 'denied-by-policy',
      logs: 'stdout and stderr',
      usage: 'memory',
      runtimeClass: 'gvisor',
      capacity: 'quota',
      capacityMilliCpu: '8000',
      capacityMemoryBytes: String(64 * 2 ** 30),
    },
  });
  assert.ok(cluster.server.store.get('networkpolicies', NETWORK_POLICY) !== undefined);
  assert.equal(refusal(false), null);
  await runtime.probe();
  assert.equal(cluster.server.count('POST', '/networkpolicies'), 1);
});

it('without a quota it has what its schedulable nodes have; without a look at them, an unknown amount', async () => {
  const node = (cpu: string, unschedulable = false) => ({
    spec: { unschedulable },
    status: { allocatable: { cpu, memory: '1Gi' } },
  });
  cluster.server.nodes = [node('3500m'), node('4'), node('64', true)];
  const { capacity, capacityMilliCpu, capacityMemoryBytes } = await features();
  assert.deepEqual([capacity, capacityMilliCpu, capacityMemoryBytes], ['nodes', '7500', String(2 ** 31)]);
  await runtime.close();
  cluster.server.forbidden.add('list nodes');
  assert.equal((await features()).capacity, 'unknown');
});

it('missing rights are named, all of them', async () => {
  for (const right of ['create jobs', 'get pods/log', 'create secrets']) cluster.server.forbidden.add(right);
  const found = await probe();
  assert.ok(!found.available);
  assert.match(found.reason, /namespace fog: create jobs, get pods\/log, create secrets\./);
  assert.match(found.hint ?? '', /docs\/kubernetes\.md/);
});

it('strangers are refused where the network may be open', async () => {
  cluster.server.forbidden.add('create networkpolicies');
  assert.equal((await features()).network, 'unknown');
  assert.match(refusal(false) ?? '', /network/);
  assert.equal(refusal(true), null);
  await runtime.close();
  assert.equal((await features({ isNetworkDenied: true })).network, 'denied-by-operator');
  assert.equal(refusal(false), null);
  assert.equal(cluster.server.count('GET', `/${NETWORK_POLICY}`), 1);
});

it('a policy of our name that lets something through is not taken for ours', async () => {
  for (const change of [
    { egress: [{}] },
    { policyTypes: ['Ingress'] },
    { podSelector: { matchLabels: { other: 'pods' } } },
  ]) {
    const spec = { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ...change };
    cluster.server.store.create('networkpolicies', { metadata: { name: NETWORK_POLICY }, spec });
    assert.equal((await features()).network, 'unknown', JSON.stringify(change));
    assert.match(refusal(false) ?? '', /network/);
    await runtime.close();
    cluster.server.store.delete('networkpolicies', NETWORK_POLICY);
  }
});

it('an old cluster, none at all, and one that is something else', async () => {
  cluster.server.version = { major: '1', minor: '25+', gitVersion: 'v1.25.9' };
  const old = await probe();
  assert.ok(!old.available);
  assert.match(`${old.reason} ${old.hint}`, /v1\.25\.9.*1\.26/);
  await runtime.close();
  cluster.server.version = { major: '1', minor: 'x', gitVersion: '' };
  const other = await probe();
  assert.ok(!other.available && /no Kubernetes/.test(other.reason));
  await runtime.close();
  cluster.server.intercept = (_request, response) => {
    response.destroy();
    return true;
  };
  const none = await probe();
  assert.ok(!none.available && /cannot be reached/.test(none.reason));
  assert.ok((none.hint ?? '').length > 10);
});

it('says where logs are one stream, and where usage is not measured', async () => {
  cluster.server.hasSplitStreams = false;
  cluster.server.hasMetrics = false;
  const { logs, usage } = await features();
  assert.deepEqual([logs, usage], ['one stream', 'no']);
  await runtime.close();
  // Servers of before 1.32 leave the parameter out of account and answer as if they told the streams apart.
  cluster.server.hasSplitStreams = true;
  cluster.server.version = { major: '1', minor: '31', gitVersion: 'v1.31.0' };
  assert.equal((await features()).logs, 'one stream');
});

it('a namespace can be chosen', async () => {
  cluster.server.namespace = 'other';
  assert.equal((await features({ namespace: 'other' })).namespace, 'other');
});
