import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { skipWithoutDocker, TestEngine } from '../../../../test/support/docker-engine.ts';
import { createDockerRuntime } from '../../src/docker/index.ts';
import type { AttemptRequest } from '../../src/runtime.ts';
import { runtimeCompliance } from '../runtime-compliance.ts';
import { type CompliancePrograms, outputBytes, type Stage, type Succeeded, TREE_FILES } from '../runtime-stage.ts';
import { shellRequest } from './docker-stage.ts';

function script(text: string, outputs: Record<string, string> = {}) {
  return (stage: Stage): AttemptRequest =>
    shellRequest(stage, text, {
      outputs: Object.entries(outputs).map(([name, sandboxPath]) => ({ name, sandboxPath })),
    });
}

const result = { result: '/out/result' };

async function strings(outcome: Succeeded, name: string): Promise<string[]> {
  const text = Buffer.from(await outputBytes(outcome, name)).toString('utf8');
  return text.split('\0').slice(0, -1);
}

const programs: CompliancePrograms = {
  succeed: script('true'),
  echo: script('cat > /out/result', result),
  copy: script('cp /in/data.txt /out/result', result),
  fail: script('exit 3'),
  failure: { reason: 'exit-code', exitCode: 3 },
  loop: script('echo here; while :; do :; done'),
  hog: script('x=a; while :; do x=$x$x; done'),
  flood: script('while :; do dd if=/dev/zero bs=65536 count=16 >> /out/result || exit 1; done', result),
  litter: script('i=0; while :; do : > /out/$i; i=$((i+1)); done', { none: '/out/none' }),
  folder: script(
    ['mkdir -p /out/tree/a', ...[...TREE_FILES].reverse().map((path) => `printf '${path}' > '/out/tree/${path}'`)].join(
      '; ',
    ),
    { tree: '/out/tree' },
  ),
  // The two streams are two pipes: what lies between them in time is only kept apart by it.
  logs: script('echo out 1; sleep 0.1; echo err 1 >&2; sleep 0.1; echo out 2'),
  // The environment of the init: the shell has added its own.
  inspect: script(`printf '%s\\0' "$#" "$@" > /out/args; cat /proc/1/environ > /out/env`, {
    args: '/out/args',
    env: '/out/env',
  }),
  readInspection: async (outcome) => {
    const [count, ...args] = await strings(outcome, 'args');
    assert.equal(Number(count), args.length);
    const pairs = (await strings(outcome, 'env')).map((entry) => {
      const at = entry.indexOf('=');
      return [entry.slice(0, at), entry.slice(at + 1)] as const;
    });
    // The engine's own, equal on every machine: nothing of the host.
    const { PATH, HOSTNAME, HOME, ...env } = Object.fromEntries(pairs);
    assert.deepEqual([HOSTNAME, HOME], ['fog', '/']);
    assert.match(PATH ?? '', /^\/usr\/local\/sbin:/);
    const partition = { index: Number(env.FOG_PARTITION_INDEX), count: Number(env.FOG_PARTITION_COUNT) };
    return { args, env, partition };
  },
  // A container has the machine's clock and its random numbers.
  chance: null,
};

describe('docker', { skip: skipWithoutDocker() }, () => {
  let test: TestEngine;
  before(async () => {
    test = await TestEngine.start();
  });
  after(async () => {
    const left = await test.containers();
    await test.stop();
    assert.equal(left, 0, 'containers are left');
  });
  runtimeCompliance('docker', (settings) => createDockerRuntime(settings, { socketPath: test.socketPath }), programs);
});
