import type { AttemptRequest } from '../../src/runtime.ts';
import { createWasmRuntime } from '../../src/wasm/index.ts';
import { runtimeCompliance } from '../runtime-compliance.ts';
import { type CompliancePrograms, outputBytes, type Stage, TREE_FILES } from '../runtime-stage.ts';
import {
  chanceModule,
  copyModule,
  echoModule,
  exitModule,
  floodModule,
  folderModule,
  hogModule,
  inspectModule,
  litterModule,
  logsModule,
  loopModule,
  succeedModule,
} from './programs.ts';

function program(name: string, module: Uint8Array, outputs: Record<string, string> = {}) {
  return async (stage: Stage): Promise<AttemptRequest> => {
    const modulePath = await stage.write(`${name}.wasm`, module);
    return stage.request({
      program: { runtime: 'wasm', modulePath, moduleDigest: name },
      outputs: Object.entries(outputs).map(([output, sandboxPath]) => ({ name: output, sandboxPath })),
    });
  };
}

const result = { result: '/out/result' };

const programs: CompliancePrograms = {
  succeed: program('succeed', succeedModule()),
  echo: program('echo', echoModule(), result),
  copy: program('copy', copyModule(), result),
  fail: program('fail', exitModule(3)),
  failure: { reason: 'exit-code', exitCode: 3 },
  loop: program('loop', loopModule()),
  hog: program('hog', hogModule()),
  flood: program('flood', floodModule(), result),
  litter: program('litter', litterModule()),
  folder: program('folder', folderModule([...TREE_FILES].reverse()), { tree: '/out/tree' }),
  logs: program('logs', logsModule()),
  inspect: program('inspect', inspectModule(), { args: '/out/args', env: '/out/env' }),
  readInspection: async (outcome) => {
    const strings = async (name: string): Promise<string[]> =>
      Buffer.from(await outputBytes(outcome, name))
        .toString('utf8')
        .split('\0')
        .slice(0, -1);
    const env = Object.fromEntries(
      (await strings('env')).map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    );
    const partition = { index: Number(env.FOG_PARTITION_INDEX), count: Number(env.FOG_PARTITION_COUNT) };
    return { args: (await strings('args')).slice(1), env, partition };
  },
  chance: program('chance', chanceModule(), result),
};

runtimeCompliance('wasm', createWasmRuntime, programs);
