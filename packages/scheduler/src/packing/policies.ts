/** Every policy by its name. */
import type { RandomNumbers } from '../random-numbers.ts';
import type { Cluster } from './cluster.ts';
import { fgdPolicy, remnantPolicy } from './gradient-policies.ts';
import type { PackingPolicy } from './policy.ts';
import {
  bestFitPolicy,
  dotProductPolicy,
  gpuClusteringPolicy,
  gpuPackingPolicy,
  randomPolicy,
} from './simple-policies.ts';
import type { WorkloadProfile } from './workload-profile.ts';

export const PACKING_POLICIES = [
  'random',
  'dot-product',
  'gpu-clustering',
  'gpu-packing',
  'best-fit',
  'fgd',
  'remnant',
] as const;

export type PackingPolicyName = (typeof PACKING_POLICIES)[number];

/** The one that fills GPUs best. */
export const DEFAULT_PACKING_POLICY: PackingPolicyName = 'remnant';

export interface PackingContext {
  cluster: Cluster;
  /** What is to be expected; only `fgd` and `remnant` look at it. */
  profile: WorkloadProfile;
  /** Only `random` draws from it. */
  random: RandomNumbers;
}

export function packingPolicy(name: PackingPolicyName, { cluster, profile, random }: PackingContext): PackingPolicy {
  switch (name) {
    case 'random':
      return randomPolicy(cluster, random);
    case 'dot-product':
      return dotProductPolicy(cluster);
    case 'gpu-clustering':
      return gpuClusteringPolicy(cluster);
    case 'gpu-packing':
      return gpuPackingPolicy(cluster);
    case 'best-fit':
      return bestFitPolicy(cluster);
    case 'fgd':
      return fgdPolicy(cluster, profile);
    case 'remnant':
      return remnantPolicy(cluster, profile);
  }
}
