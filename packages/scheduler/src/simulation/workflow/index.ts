/** @fog/scheduler/simulation/workflow: recorded workflows, read and placed on cores anew. Without I/O. */
export {
  annealOnCores,
  type CoreSchedule,
  type CoreSearch,
  heftOnCores,
  lowerBoundSeconds,
  peftOnCores,
  scheduleOnCores,
} from './core-schedule.ts';
export { parseDax } from './dax.ts';
export { WORKFLOW_LIMITS } from './limits.ts';
export { parseWfFormat } from './wf-format.ts';
export type { Workflow } from './workflow.ts';
export { runWorkflow } from './workflow-run.ts';
