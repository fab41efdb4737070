/** No way from a script leads to an object of the process that runs it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { BothEngines } from './both-engines.ts';

const WALK = readFileSync(new URL('./walk-attack.js', import.meta.url), 'utf8');

describe('javascript: attacks on the realm', () => {
  let engines: BothEngines;
  before(async () => {
    engines = await BothEngines.create();
  });
  after(() => engines[Symbol.asyncDispose]());

  for (const engine of ['v8', 'quickjs'] as const) {
    it(`finds nothing but the script's own objects in ${engine}`, async () => {
      const hostPath = await engines.stage.write('data.json', '\ufeff{"a": 1}');
      const inputs = [
        { sandboxPath: '/in/data.json', hostPath, bytes: 11 },
        { sandboxPath: '/in/gone', hostPath: '/nowhere/gone', bytes: 1 },
      ];
      const run = await engines.run(engine, WALK, { inputs, env: { ENGINE: engine } });
      assert.equal(run.outcome.status, 'succeeded', JSON.stringify(run.outcome));
      const { foreign, met } = JSON.parse(run.text);
      assert.deepEqual(foreign, []);
      assert.ok(met > 500, `${met} objects were met`);
    });
  }
});
