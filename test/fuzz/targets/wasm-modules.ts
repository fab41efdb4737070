/** Programs for the runtime wasm, as strangers submit them: damaged modules, and metered ones that are not damaged. */
import assert from 'node:assert/strict';
import { ModuleError } from '../../../packages/runtimes/src/wasm/binary-reader.ts';
import { engine, type WasmGlobal } from '../../../packages/runtimes/src/wasm/engine.ts';
import { prepareModule } from '../../../packages/runtimes/src/wasm/module-rewrite.ts';
import { PREVIEW1_MODULE, PREVIEW1_SIGNATURES } from '../../../packages/runtimes/src/wasm/wasi/abi.ts';
import { moduleOf, randomProgram, workOf } from '../../../packages/runtimes/test/wasm/fuel-programs.ts';
import * as programs from '../../../packages/runtimes/test/wasm/programs.ts';
import type { FuzzRandom } from '../fuzz-random.ts';
import { oneByOne } from '../fuzz-target.ts';

const OFFERED = { module: PREVIEW1_MODULE, functions: PREVIEW1_SIGNATURES };

function sources(): Uint8Array[] {
  const { chanceModule, echoModule, folderModule, hogModule, inspectModule, litterModule, logsModule } = programs;
  return [
    chanceModule(),
    echoModule(),
    folderModule(['a/b']),
    hogModule(),
    inspectModule(),
    litterModule(),
    logsModule(),
  ];
}

/**
 * Invariants: a damaged module is refused in one sentence, or what comes back is valid if it is, with a meter and without;
 * a metered program counts the work that follows from how it was built.
 */
export const WASM_MODULES = oneByOne(
  { summary: 'programs for the runtime wasm: damaged modules, and whether metered ones count right', share: 1 / 500 },
  () => {
    const known = sources();
    return (random) => {
      const program = randomProgram((bound) => random.below(bound), random.pick(['legacy', 'table', null]));
      const built = moduleOf(program);
      if (random.once(3)) {
        assert.equal(fuelOf(built), BigInt(workOf(program)));
        return 'counted';
      }
      return damage(random.once(2) ? built : random.pick(known), random);
    };
  },
);

function fuelOf(module: Uint8Array): bigint {
  const { bytes, fuelExport } = prepareModule(module, OFFERED, { isMetered: true });
  const { exports } = new engine.Instance(new engine.Module(bytes));
  (exports._start as () => void)();
  return (exports[fuelExport ?? ''] as WasmGlobal).value as bigint;
}

function damage(source: Uint8Array, random: FuzzRandom): string {
  const damaged = damagedBytes(source, random);
  let prepared: Uint8Array[];
  try {
    prepared = [false, true].map((isMetered) => prepareModule(damaged, OFFERED, { isMetered }).bytes);
  } catch (error) {
    assert.ok(error instanceof ModuleError, String(error));
    assert.match(error.message, /^[^\n]{10,300}\.$/);
    return error.message.includes('malformed') ? 'refused: malformed' : 'refused: not offered';
  }
  if (!engine.validate(damaged)) return 'left to the engine';
  for (const bytes of prepared) assert.ok(engine.validate(bytes), 'a valid module is valid no more');
  return 'valid';
}

const BYTES = [0, 1, 0x0b, 0x0c, 0x0d, 0x0e, 0x40, 0x7f, 0x80, 0xfc, 0xfd, 0xff];

function damagedBytes(source: Uint8Array, random: FuzzRandom): Uint8Array {
  const bytes = [...source];
  for (let edits = random.below(4); edits >= 0; edits -= 1) {
    const at = 8 + random.below(Math.max(1, bytes.length - 8));
    const value = random.once(2) ? random.pick(BYTES) : random.below(256);
    if (random.once(3)) bytes.splice(at, 0, value);
    else if (random.once(4)) bytes.splice(at, 1 + random.below(4));
    else bytes[at] = value;
  }
  return new Uint8Array(bytes);
}
