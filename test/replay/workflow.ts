/**
 * Recorded workflows on four machines of 48 cores: each task takes one core for as long as it ran, and moving data takes
 * no time. The makespan is told in parts of the lower bound: the longest way, or the work shared by all cores.
 */
import { basename } from 'node:path';
import {
  type CoreSchedule,
  heftOnCores,
  lowerBoundSeconds,
  parseDax,
  parseWfFormat,
  scheduleOnCores,
} from '@fog/scheduler/simulation/workflow';
import { readText } from './read-text.ts';
import type { Replay } from './replay.ts';

const MACHINES = 4;
const CORES_PER_MACHINE = 48;

export const WORKFLOW_REPLAY: Replay = {
  name: 'workflow',
  summary: 'a workflow that ran (WfFormat .json, .json.gz; DAX .xml, .xml.gz): four machines of 48 cores',
  async run(file) {
    const name = basename(file);
    const parse = /\.xml(\.gz)?$/.test(name) ? parseDax : parseWfFormat;
    const workflow = parse(await readText(file), name);
    const cores = MACHINES * CORES_PER_MACHINE;
    const bound = lowerBoundSeconds(workflow, cores);
    const ratioOf = ({ makespanSeconds }: CoreSchedule) => (bound === 0 ? 1 : makespanSeconds / bound);
    const started = performance.now();
    const schedule = scheduleOnCores(workflow, cores);
    const milliseconds = performance.now() - started;
    return {
      file: name,
      tasks: workflow.taskIds.length,
      correctedTasks: workflow.correctedTasks,
      machines: MACHINES,
      cores,
      lowerBoundSeconds: bound,
      makespanSeconds: schedule.makespanSeconds,
      makespanRatio: ratioOf(schedule),
      heftMakespanRatio: ratioOf(heftOnCores(workflow, cores)),
      schedulingMilliseconds: Math.round(milliseconds),
    };
  },
};
