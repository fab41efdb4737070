/** What people type to choose a policy. Each kind of trace has names of its own; all run the shipped decisions. */
import { FogError } from '@fog/contract';
import { PACKING_POLICIES } from '../packing/index.ts';
import { AGING_POLICY, JOB_ORDERS, JOB_SCORES, type JobOrder, type QueuePolicy } from '../queueing/index.ts';
import { SIMULATION_LIMITS } from './limits.ts';

export const TRACE_KINDS = ['log', 'workflow', 'gpu-tasks'] as const;
export type TraceKind = (typeof TRACE_KINDS)[number];

export const TRACE_TITLES: Readonly<Record<TraceKind, string>> = {
  log: 'a workload log',
  workflow: 'a workflow',
  'gpu-tasks': 'a list of GPU tasks',
};

/** An order, with EASY backfilling or without, and with or without a bound on the longest wait; and our own. */
const QUEUE_SUFFIXES = ['', '-easy', '-aged', '-easy-aged'] as const;
const OWN_QUEUE_POLICY = 'fog';

/**
 * `search` is list scheduling under several orders, HEFT among them, of which the shortest is taken; `anneal` goes on from
 * HEFT and PEFT by simulated annealing.
 */
export const WORKFLOW_POLICIES = ['heft', 'peft', 'search', 'anneal'] as const;
export type WorkflowPolicyName = (typeof WORKFLOW_POLICIES)[number];

export const POLICY_NAMES: Readonly<Record<TraceKind, readonly string[]>> = {
  log: [OWN_QUEUE_POLICY, ...JOB_ORDERS.flatMap((order) => QUEUE_SUFFIXES.map((suffix) => `${order}${suffix}`))],
  workflow: WORKFLOW_POLICIES,
  'gpu-tasks': PACKING_POLICIES,
};

/** What is compared when nobody says: the plain rule, the usual one, ours. */
export const USUAL_POLICIES: Readonly<Record<TraceKind, readonly string[]>> = {
  log: ['fcfs', 'fcfs-easy', OWN_QUEUE_POLICY],
  workflow: ['heft', 'peft', 'search'],
  'gpu-tasks': ['random', 'best-fit', 'fgd', 'remnant'],
};

const ALL = 'all';

/** The names to compare, each once; none means the usual ones, `all` every one. Throws `invalid-request`, with those that exist. */
export function chosenPolicies(kind: TraceKind, names: readonly string[]): string[] {
  const chosen =
    names.length === 0 ? USUAL_POLICIES[kind] : names.flatMap((n) => (n === ALL ? POLICY_NAMES[kind] : [n]));
  for (const name of chosen) {
    if (POLICY_NAMES[kind].includes(name)) continue;
    throw new FogError('invalid-request', `there is no policy "${name}" for ${TRACE_TITLES[kind]}`, {
      details: { policy: name, policies: POLICY_NAMES[kind] },
      hint: `there are: ${POLICY_NAMES[kind].join(', ')}; and ${ALL}`,
    });
  }
  return [...new Set(chosen)];
}

/** Of a name that `chosenPolicies` let through. Throws `invalid-request` for a bound that is none. */
export function queuePolicyOf(name: string, agingBoundSeconds: number): QueuePolicy {
  if (name === OWN_QUEUE_POLICY) return AGING_POLICY;
  const most = SIMULATION_LIMITS.agingBoundSeconds;
  if (!Number.isFinite(agingBoundSeconds) || agingBoundSeconds < 0 || agingBoundSeconds > most) {
    throw new FogError('invalid-request', `a bound of ${agingBoundSeconds} seconds on the wait`, {
      hint: `it is from 0 to ${most}`,
    });
  }
  const [, order = '', easy, aged] = /^(.*?)(-easy)?(-aged)?$/.exec(name) ?? [];
  return {
    order: JOB_SCORES[order as JobOrder],
    backfill: easy === undefined ? 'none' : 'easy',
    aging: aged === undefined ? null : { kind: 'bound', boundSeconds: agingBoundSeconds },
  };
}
