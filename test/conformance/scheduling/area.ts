import type { CaseOptions, ConformanceArea, VectorFile } from '../areas.ts';
import type { Check } from '../vector-shape.ts';
import { openbChecks } from './openb.ts';
import { rlschedulerChecks } from './rlscheduler.ts';
import { simulationChecks } from './simulation.ts';
import { graphChecks } from './task-graphs.ts';

const CHECKS: readonly {
  files: RegExp;
  checks: (file: VectorFile, options: CaseOptions) => Check[] | Promise<Check[]>;
}[] = [
  { files: /^[^/]*dag[^/]*\.json$/, checks: graphChecks },
  { files: /^swf\/[^/]*expected[^/]*\.json$/, checks: rlschedulerChecks },
  { files: /^openb\/[^/]*expected[^/]*\.json(\.gz)?$/, checks: openbChecks },
  { files: /^swf\/.*\.swf(\.gz)?$/, checks: simulationChecks },
  { files: /^dax\/.*\.xml(\.gz)?$/, checks: simulationChecks },
  { files: /^wfinstances\/(?!SUMMARY).*\.json(\.gz)?$/, checks: simulationChecks },
  { files: /^openb\/openb_pod_list[^/]*\.csv(\.gz)?$/, checks: simulationChecks },
];

export const SCHEDULING_AREA: ConformanceArea = {
  summary:
    'HEFT and PEFT on worked graphs; queues on workload logs by the RLScheduler protocol, digit for digit; packing of GPU clusters; every trace through the simulator',
  folder: 'traces',
  files: (path) => checksOf(path) !== undefined,
  async cases(file, options) {
    const checks = (await checksOf(file.path)?.(file, options)) ?? [];
    return checks.map(({ name, run }) => ({ name, data: run }));
  },
  run: ({ data }) => (data as Check['run'])(),
};

function checksOf(path: string) {
  return CHECKS.find(({ files }) => files.test(path))?.checks;
}
