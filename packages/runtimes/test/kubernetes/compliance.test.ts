/**
 * The kubernetes runtime against what every runtime must do.
 *
 * No cluster can run where these tests run: this is proven against a stand-in of our own alone (api-server.ts), whose
 * pods are child processes of the test. The stand-in kills them for memory; a real cluster would.
 */
import { after, before } from 'node:test';
import type { RuntimeSettings } from '../../src/runtime.ts';
import { runtimeCompliance } from '../runtime-compliance.ts';
import { type CompliancePrograms, MEBIBYTE, outputText, STAGE_LIMITS } from '../runtime-stage.ts';
import { type ClusterStage, createClusterStage, pod, RESULT, shell } from './cluster-stage.ts';

let cluster: ClusterStage;
before(async () => {
  cluster = await createClusterStage();
});
after(() => cluster[Symbol.asyncDispose]());

const INSPECT = `console.log(JSON.stringify({ args: process.argv.slice(1), env: process.env }))`;

const programs: CompliancePrograms = {
  succeed: (stage) => shell(stage, 'exit 0'),
  echo: null,
  copy: (stage) => shell(stage, 'cat in/data.txt', { outputs: RESULT }),
  fail: (stage) => shell(stage, 'exit 3'),
  failure: { reason: 'exit-code', exitCode: 3 },
  loop: (stage) => shell(stage, 'echo looping; while :; do :; done'),
  hog: (stage) => shell(stage, 's=xxxxxxxxxxxxxxxx; while :; do s=$s$s; done'),
  flood: (stage) => shell(stage, `line=${'x'.repeat(1000)}; while :; do echo $line; done`, { outputs: RESULT }),
  litter: null,
  folder: null,
  logs: (stage) => shell(stage, 'echo out 1; echo err 1 >&2; echo out 2'),
  inspect: (stage) =>
    pod(stage, ['node', '-e', INSPECT, '--'], {
      outputs: RESULT,
      // Node itself takes some 50 MiB.
      limits: { ...STAGE_LIMITS, memoryBytes: 512 * MEBIBYTE },
    }),
  readInspection: async (outcome) => {
    const { args, env } = JSON.parse(await outputText(outcome, 'result'));
    const partition = { index: Number(env.FOG_PARTITION_INDEX), count: Number(env.FOG_PARTITION_COUNT) };
    return { args, env, partition };
  },
  chance: null,
  missingOutput: 'rejected',
};

runtimeCompliance('kubernetes', (settings: RuntimeSettings) => cluster.create(settings), programs);
