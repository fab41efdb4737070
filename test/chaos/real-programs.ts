/** Programs for real engines that do what `task-plan.ts` says, as parts of a specification. */
import { echoModule } from '../../packages/runtimes/test/wasm/programs.ts';
import { TEST_IMAGE } from '../support/docker-engine.ts';
import type { LoadProgram } from './task-plan.ts';

/** Those that travel as blobs. */
export const REAL_PROGRAMS = {
  wasm: echoModule(),
  javascript: Buffer.from(`
    export default ({ args: [key, kind] }, { partition }) => {
      if (kind === 'doomed' && partition.index === 0) throw new Error('doomed');
      return new TextEncoder().encode(key + ' partition ' + partition.index + '\\n');
    };
  `),
} as const;

/** $1 key, $2 seconds, $3 kind. */
const SCRIPT = `echo "$1/$FOG_PARTITION_INDEX"
  [ "$3" = doomed ] && [ "$FOG_PARTITION_INDEX" = 0 ] && exit 3
  sleep "$2"; echo "$1 partition $FOG_PARTITION_INDEX" > /out/result`;
const COMMAND = ['/bin/sh', '-c', SCRIPT, 'sh'];
const OUTPUTS = [{ name: 'result', path: '/out/result' }];

/** The task block of a job. `digests` are those under which the programs are stored. */
export function realTask(program: LoadProgram, digests: Record<keyof typeof REAL_PROGRAMS, string>): object {
  const { key, kind, longestMilliseconds } = program;
  const resources = { cpu: '1', memory: '64Mi', disk: '16Mi', pids: 32 };
  const args = [key, String(longestMilliseconds / 1000), kind];
  switch (program.engine) {
    case 'wasm': {
      const stdin = { text: `${key}\n` };
      return { runtime: 'wasm', wasm: { module: digests.wasm }, stdin, resources, outputs: OUTPUTS };
    }
    case 'javascript':
      return { runtime: 'javascript', javascript: { script: digests.javascript }, args: [key, kind], resources };
    case 'process':
      return { runtime: 'process', process: { command: COMMAND }, args, resources, outputs: OUTPUTS };
    case 'docker': {
      const docker = { image: TEST_IMAGE, pull: 'never', command: COMMAND };
      return { runtime: 'docker', docker, args, resources, outputs: OUTPUTS };
    }
    case 'plan':
      throw new TypeError('no program of a real engine');
  }
}
