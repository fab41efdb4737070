/** A workflow on cores that are all alike, scheduled by one policy. A task waits from the end of the last that it needs. */
import type { WorkflowPolicyName } from '../policy-names.ts';
import { unavailable } from '../report/figures.ts';
import type { TimedRun } from '../report/report.ts';
import type { SimulatedMachine } from '../report/simulated-run.ts';
import {
  annealOnCores,
  type CoreSchedule,
  heftOnCores,
  lowerBoundSeconds,
  peftOnCores,
  scheduleOnCores,
} from './core-schedule.ts';
import { WORKFLOW_LIMITS } from './limits.ts';
import type { Workflow } from './workflow.ts';

const WHOLE_LANE_MILLI = 1000;

/** Throws as the schedules of `core-schedule.ts` do. */
export function runWorkflow(workflow: Workflow, cores: number, policy: WorkflowPolicyName, seed: number): TimedRun {
  const schedule = scheduleBy(policy, workflow, { cores, seed });
  const ready = readySeconds(workflow, schedule);
  const bound = lowerBoundSeconds(workflow, cores);
  return {
    policy,
    work: workflow.taskIds.map((name, task) => ({
      name,
      submittedAtSeconds: ready[task] as number,
      startSeconds: schedule.startSeconds[task] as number,
      endSeconds: (schedule.startSeconds[task] as number) + (workflow.runSeconds[task] as number),
      processors: 1,
      memoryMebibytes: null,
      gpus: 0,
      places: [{ lane: schedule.core[task] as number, milli: WHOLE_LANE_MILLI }],
    })),
    leftOut: [],
    machine: coreMachine(cores),
    makespanRatio: bound === 0 ? unavailable('no task takes any time') : schedule.makespanSeconds / bound,
  };
}

export function coreMachine(cores: number): SimulatedMachine {
  return {
    processors: cores,
    memoryMebibytes: unavailable('the machine is given by its cores alone'),
    gpus: unavailable('a workflow knows no GPUs'),
  };
}

function scheduleBy(
  policy: WorkflowPolicyName,
  workflow: Workflow,
  { cores, seed }: { cores: number; seed: number },
): CoreSchedule {
  switch (policy) {
    case 'heft':
      return heftOnCores(workflow, cores);
    case 'peft':
      return peftOnCores(workflow, cores);
    case 'search':
      return scheduleOnCores(workflow, cores, { seed });
    case 'anneal':
      return annealOnCores(workflow, cores, { attempts: WORKFLOW_LIMITS.annealEvaluations, seed });
  }
}

function readySeconds({ taskIds, runSeconds, successors }: Workflow, { startSeconds }: CoreSchedule): Float64Array {
  const ready = new Float64Array(taskIds.length);
  for (const [task, following] of successors.entries()) {
    const end = (startSeconds[task] as number) + (runSeconds[task] as number);
    for (const next of following) ready[next] = Math.max(ready[next] as number, end);
  }
  return ready;
}
