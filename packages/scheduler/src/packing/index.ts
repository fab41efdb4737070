/**
 * @fog/scheduler/packing: tasks onto nodes with cores, memory and GPUs, of which tasks may share one. Pure and
 * deterministic.
 *
 * A `Cluster` knows what is free; a `TaskPlacer` chooses under one of `PACKING_POLICIES`; `profileOf` tells the policies
 * that look ahead what to expect.
 */
export { Cluster, GPU_STRIDE, type Obstacles, type Placement } from './cluster.ts';
export { fragmentation, type NodeMeasure, shortfall } from './fragmentation.ts';
export { PACKING_LIMITS } from './limits.ts';
export {
  DEFAULT_PACKING_POLICY,
  PACKING_POLICIES,
  type PackingContext,
  type PackingPolicyName,
} from './policies.ts';
export { remnantValues } from './remnant-values.ts';
export { gpuMilliOf, type NodeShape, shapeKey, type TaskShape, WHOLE_GPU_MILLI } from './shapes.ts';
export { TaskPlacer } from './task-placer.ts';
export { type ExpectedShape, profileOf, type WorkloadProfile } from './workload-profile.ts';
