/** Where tasks are placed: exact for one, fast for a stream of them, optimised for a batch. Pure and seeded. */
export { ROUTER_STRATEGIES, type RouterStrategyName } from '@fog/contract';
export {
  BATCH_STOPS,
  type BatchOptions,
  type BatchProgress,
  type BatchRecord,
  type BatchRequest,
  type BatchResult,
  type BatchStop,
  optimiseBatch,
  planAtOnce,
} from './batch/optimise-batch.ts';
export {
  completionMilliseconds,
  costMicroFog,
  estimatePair,
  failureRisk,
  holdingMilliseconds,
  latenessMilliseconds,
  missingBytes,
  moveGainMilliseconds,
  type PairEstimate,
  runMilliseconds,
  slicesOf,
  startMilliseconds,
  stayProbability,
  transferMilliseconds,
  wakingJoules,
  workingJoules,
} from './estimates.ts';
export { type RankedNode, rankNodes, type ScanResult, type ScanRule, scanNodes } from './exact-scan.ts';
export {
  type Exclusion,
  type Feasibility,
  feasibility,
  HURDLES,
  type HurdleKind,
  hurdleText,
  noFeasibleNode,
  pairHurdle,
} from './feasibility.ts';
export { type DrawingOptions, drawFront } from './front-drawing.ts';
export { PLACEMENT_LIMITS } from './limits.ts';
export {
  changedResources,
  type NodeOffer,
  nodeOffer,
  OBJECTIVES,
  type ObjectiveName,
  PRIVACY_LEVELS,
  type PrivacyLevel,
  type Resources,
  type RunningState,
  type StayingPoint,
  type TaskInput,
  type TaskToPlace,
  taskToPlace,
} from './model.ts';
export {
  type AppliedPlan,
  applyPlan,
  type LeftReason,
  type LeftTask,
  type PlacementPlan,
  type PlannedAssignment,
  type PresentState,
  STALE_REASONS,
  type StaleReason,
} from './plan.ts';
export { replicaPrefix } from './replica-prefix.ts';
export { PlaceIndex, type PlaceQuestion } from './router/place-index.ts';
export { Router, type RouterDecision, type RouterSettings } from './router/router.ts';
export {
  assignmentsOf,
  type PickRule,
  pickTradeOff,
  type TradeOff,
  type TradeOffs,
  type Versioned,
} from './trade-offs.ts';
