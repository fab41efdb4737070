import { createJavascriptRuntime } from '../../src/javascript/index.ts';
import type { JavascriptProgram } from '../../src/runtime.ts';
import { runtimeCompliance } from '../runtime-compliance.ts';
import { type CompliancePrograms, outputText, type Stage } from '../runtime-stage.ts';

const RESULT = [{ name: 'result', sandboxPath: '/out/result' }];

function programs(engine: JavascriptProgram['engine']): CompliancePrograms {
  const factory =
    (source: string, outputs = RESULT, inputs = false) =>
    async (stage: Stage) => {
      const scriptPath = await stage.write('script.js', source);
      return stage.request({
        program: { runtime: 'javascript', scriptPath, engine },
        outputs: inputs ? RESULT : outputs,
      });
    };
  return {
    succeed: factory('export default () => {};', []),
    echo: factory('export default ({ args, files, ...rest }) => rest;'),
    copy: factory("export default ({ files }) => files['/in/data.txt'].data();"),
    fail: factory("export default () => { throw new Error('on purpose'); };"),
    failure: { reason: 'script-error', exitCode: null },
    loop: factory("export default () => { console.log('looping'); for (;;); };"),
    hog: factory('export default () => { const all = []; for (;;) all.push(new Array(1000).fill(all.length)); };'),
    flood: factory('export default () => new Uint8Array(5 << 20);'),
    litter: null,
    folder: null,
    logs: factory("export default (_, { log }) => { log('out 1'); console.error('err 1'); console.log('out 2'); };"),
    inspect: factory('export default ({ args }, { env, partition }) => ({ args, env, partition });'),
    readInspection: async (outcome) => JSON.parse(await outputText(outcome, 'result')),
    chance: factory(
      'export default (_, { random }) => Array.from({ length: 10 }, () => [random(), Math.random(), Date.now(), new Date().toISOString()]);',
    ),
  };
}

for (const engine of ['v8', 'quickjs'] as const) {
  runtimeCompliance(`javascript (${engine})`, createJavascriptRuntime, programs(engine));
}
