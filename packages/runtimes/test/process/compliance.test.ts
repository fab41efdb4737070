import { describe } from 'node:test';
import { createProcessRuntime } from '../../src/process/index.ts';
import type { RuntimeSettings } from '../../src/runtime.ts';
import { runtimeCompliance } from '../runtime-compliance.ts';
import { type CompliancePrograms, outputText, type Stage, TREE_FILES } from '../runtime-stage.ts';
import { RESULT, shell, skipProcess } from './programs.ts';

const script =
  (text: string, outputs: { name: string; sandboxPath: string }[] = []) =>
  (stage: Stage) =>
    shell(stage, text, { outputs });

const programs: CompliancePrograms = {
  succeed: script('exit 0'),
  echo: script('cat > /out/result', RESULT),
  copy: script('cat /in/data.txt > /out/result', RESULT),
  fail: script('exit 3'),
  failure: { reason: 'exit-code', exitCode: 3 },
  loop: script('echo running; while :; do :; done'),
  hog: script('tail /dev/zero'),
  flood: script('cat /dev/zero > /out/result', RESULT),
  litter: script('i=0; while :; do : > /tmp/$i; i=$((i + 1)); done'),
  folder: script(
    [...TREE_FILES]
      .reverse()
      .map((path) => `mkdir -p "$(dirname '/out/tree/${path}')" && printf %s '${path}' > '/out/tree/${path}'`)
      .join(' && '),
    [{ name: 'tree', sandboxPath: '/out/tree' }],
  ),
  logs: script("printf 'out 1\\n'; printf 'err 1\\n' >&2; printf 'out 2\\n'"),
  inspect: script('printf "%s\\0" "$@" > /out/args; cat /proc/$$/environ > /out/env', [
    { name: 'args', sandboxPath: '/out/args' },
    { name: 'env', sandboxPath: '/out/env' },
  ]),
  readInspection: async (outcome) => {
    const strings = async (name: string) => (await outputText(outcome, name)).split('\0').slice(0, -1);
    const entries = (await strings('env')).map((line) => [
      line.slice(0, line.indexOf('=')),
      line.slice(line.indexOf('=') + 1),
    ]);
    // bubblewrap says where the program begins.
    const { PWD: _workingDirectory, ...env } = Object.fromEntries(entries) as Record<string, string>;
    const partition = { index: Number(env.FOG_PARTITION_INDEX), count: Number(env.FOG_PARTITION_COUNT) };
    return { args: await strings('args'), env, partition };
  },
  // Time and randomness come from the kernel.
  chance: null,
};

describe('process', { skip: skipProcess }, () => {
  runtimeCompliance('process', createProcessRuntime, programs);
  const withoutGroups = (settings: RuntimeSettings) => createProcessRuntime(settings, { cgroups: 'never' });
  runtimeCompliance('process without control groups', withoutGroups, programs);
});
