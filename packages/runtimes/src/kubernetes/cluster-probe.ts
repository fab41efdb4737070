/** What a cluster is and what we may do there. */
import { FogError } from '@fog/contract';
import { KUBERNETES_LIMITS } from '../limits.ts';
import type { RuntimeProbe } from '../runtime.ts';
import type { Cluster } from './cluster.ts';
import type { ClusterClient, Permission } from './cluster-client.ts';
import { type Fields, record } from './fields.ts';
import { NETWORK_POLICY, networkPolicyManifest } from './job-manifest.ts';
import { parseQuantity } from './quantities.ts';

const permissions = (group: string, resource: string, verbs: readonly string[], subresource?: string): Permission[] =>
  verbs.map((verb) => ({ verb, group, resource, ...(subresource === undefined ? {} : { subresource }) }));

/** Without any one of these nothing works. docs/kubernetes.md has the Role. */
const REQUIRED: readonly Permission[] = [
  ...permissions('batch', 'jobs', ['create', 'get', 'list', 'watch', 'patch', 'delete']),
  ...permissions('', 'pods', ['list', 'watch']),
  ...permissions('', 'pods', ['get'], 'log'),
  ...permissions('', 'secrets', ['create']),
];

export type NetworkState = 'denied-by-policy' | 'denied-by-operator' | 'unknown';

export interface ProbeSettings {
  isNetworkDeniedByOperator: boolean;
  runtimeClassName: string | null;
}

/** Throws a FogError when the cluster does not answer. */
export async function probeCluster(
  cluster: Cluster,
  settings: ProbeSettings,
): Promise<{ probe: RuntimeProbe; network: NetworkState }> {
  const { client } = cluster;
  const network: NetworkState = 'unknown';
  if (cluster.minorVersion < KUBERNETES_LIMITS.oldestMinorVersion) {
    const reason = `The cluster has Kubernetes ${cluster.gitVersion}, which is too old.`;
    const hint = `It needs 1.${KUBERNETES_LIMITS.oldestMinorVersion} or newer.`;
    return { probe: { available: false, reason, hint }, network };
  }
  const missing = await missingPermissions(client);
  if (missing.length > 0) {
    const reason = `The account may not do this in namespace ${client.namespace}: ${missing.join(', ')}.`;
    return { probe: { available: false, reason, hint: 'Apply the Role of docs/kubernetes.md.' }, network };
  }
  const [found, capacity, hasMetrics] = await Promise.all([
    settings.isNetworkDeniedByOperator ? ('denied-by-operator' as const) : denyNetwork(client),
    capacityOf(client),
    client.hasMetrics(),
  ]);
  const features = {
    namespace: client.namespace,
    network: found,
    logs: cluster.hasSplitStreams ? 'stdout and stderr' : 'one stream',
    usage: hasMetrics ? 'memory' : 'no',
    ...(settings.runtimeClassName === null ? {} : { runtimeClass: settings.runtimeClassName }),
    ...capacity,
  };
  return { probe: { available: true, version: cluster.gitVersion, features }, network: found };
}

async function missingPermissions(client: ClusterClient): Promise<string[]> {
  const answers = await Promise.all(
    REQUIRED.map(async (permission) => [permission, await client.mayI(permission)] as const),
  );
  return answers
    .filter(([, isAllowed]) => !isAllowed)
    .map(
      ([{ verb, resource, subresource }]) => `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}`,
    );
}

/**
 * The policy for our pods, made if it is not there and we may. That it is there does not prove that the network plugin
 * of the cluster obeys it.
 */
async function denyNetwork(client: ClusterClient): Promise<NetworkState> {
  const wanted = networkPolicyManifest();
  try {
    const existing = await client.get('networkpolicies', NETWORK_POLICY);
    if (existing !== null) return deniesAll(existing, record(wanted.spec)) ? 'denied-by-policy' : 'unknown';
    await client.create('networkpolicies', wanted);
    return 'denied-by-policy';
  } catch (error) {
    if (error instanceof FogError && error.code === 'forbidden') return 'unknown';
    // Another agent of this namespace was quicker.
    if (error instanceof FogError && error.code === 'conflict') return 'denied-by-policy';
    throw error;
  }
}

/** Somebody may have let something through under our name, for a reason of their own. */
function deniesAll(policy: Fields, wanted: Fields): boolean {
  const { ingress, egress, podSelector, policyTypes } = record(policy.spec);
  const isEmpty = (rules: unknown): boolean => rules === undefined || (Array.isArray(rules) && rules.length === 0);
  const labels = Object.entries(record(record(podSelector).matchLabels));
  const ours = record(record(wanted.podSelector).matchLabels);
  return (
    isEmpty(ingress) &&
    isEmpty(egress) &&
    record(podSelector).matchExpressions === undefined &&
    labels.every(([label, value]) => ours[label] === value) &&
    ['Ingress', 'Egress'].every((type) => Array.isArray(policyTypes) && policyTypes.includes(type))
  );
}

/** What our namespace may use, else what the nodes have, as far as we may see it. */
async function capacityOf(client: ClusterClient): Promise<Record<string, string>> {
  const quotas = await client.list('resourcequotas', {}).catch(() => ({ items: [] }));
  const hard = quotas.items.map(({ spec }) => record(record(spec).hard));
  const cpu = smallest(hard.flatMap((limit) => [limit['limits.cpu'], limit['requests.cpu'], limit.cpu]));
  const memory = smallest(hard.flatMap((limit) => [limit['limits.memory'], limit['requests.memory'], limit.memory]));
  if (cpu !== null || memory !== null) return capacity('quota', cpu, memory);
  const nodes = await client.nodes();
  if (nodes === null || nodes.length === 0) return { capacity: 'unknown' };
  const usable = nodes.filter(({ spec }) => record(spec).unschedulable !== true);
  const sum = (field: string): number =>
    usable.reduce((total, { status }) => total + (parseQuantity(record(record(status).allocatable)[field]) ?? 0), 0);
  return capacity('nodes', sum('cpu'), sum('memory'));
}

function capacity(source: string, cpu: number | null, memoryBytes: number | null): Record<string, string> {
  return {
    capacity: source,
    ...(cpu === null ? {} : { capacityMilliCpu: String(Math.floor(cpu * 1000)) }),
    ...(memoryBytes === null ? {} : { capacityMemoryBytes: String(Math.floor(memoryBytes)) }),
  };
}

function smallest(quantities: readonly unknown[]): number | null {
  const values = quantities.map(parseQuantity).filter((value) => value !== null);
  return values.length === 0 ? null : Math.min(...values);
}
