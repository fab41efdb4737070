import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ModuleError } from '../../src/wasm/binary-reader.ts';
import { engine } from '../../src/wasm/engine.ts';
import { MEMORY_IMPORT, prepareModule } from '../../src/wasm/module-rewrite.ts';
import { PREVIEW1_MODULE, PREVIEW1_SIGNATURES } from '../../src/wasm/wasi/abi.ts';
import { Assembler, grow, i32, i64, section, u32 } from './assembler.ts';
import {
  chanceModule,
  drop,
  echoModule,
  exitModule,
  folderModule,
  hogModule,
  inspectModule,
  litterModule,
  succeedModule,
} from './programs.ts';

const offered = { module: PREVIEW1_MODULE, functions: PREVIEW1_SIGNATURES };
const sixteen = new Array<number>(16).fill(1);
const v128 = [0xfd, 0x0c, ...sixteen];

/** Code with many kinds of immediates, each valid for V8, so that a walk that miscounts one of them is found. */
const INSTRUCTIONS: Record<string, number[]> = {
  'blocks and branches': [0x02, 0x40, 0x03, 0x40, ...i32(1), 0x0d, 1, 0x0b, 0x0b],
  br_table: [0x02, 0x40, 0x02, 0x40, ...i32(1), 0x0e, 2, 0, 1, 0, 0x0b, 0x0b],
  'if and else with a result': [...i32(1), 0x04, 0x7f, ...i32(2), 0x05, ...i32(3), 0x0b, drop],
  'select with a type': [...i32(1), ...i32(2), ...i32(3), 0x1c, 1, 0x7f, drop],
  'loads and stores': [...i32(0), 0x29, 3, ...u32(100), drop, ...i32(0), ...i64(-5n), 0x37, 3, 0],
  'constants that look like instructions': [...i32(0x4000_0040), drop, 0x44, 0x40, 0, 0x40, 0, 0x40, 0, 0x40, 0, drop],
  'saturating conversion': [0x43, 0, 0, 0, 0, 0xfc, 0, drop],
  'bulk memory': [...i32(0), ...i32(0), ...i32(0), 0xfc, 10, 0, 0, ...i32(0), ...i32(0), ...i32(0), 0xfc, 11, 0],
  'sign extension': [...i32(1), 0xc0, drop],
  references: [0xd0, 0x70, 0xd1, drop, 0xd0, 0x6f, drop],
  'vector constant and shuffle': [...v128, ...v128, 0xfd, 0x0d, ...sixteen, drop],
  'vector lanes': [...v128, 0xfd, 0x15, 3, drop, ...v128, ...i32(1), 0xfd, 0x17, 2, drop],
  'vector memory': [...i32(0), 0xfd, 0, 4, 0, drop, ...i32(0), ...v128, 0xfd, 0x0b, 4, 0],
  'vector lanes in memory': [...i32(0), ...v128, 0xfd, 0x54, 0, 0, 1, drop, ...i32(0), 0xfd, 0x5c, 2, 0, drop],
  'vector arithmetic': [...v128, ...v128, 0xfd, 0xae, 0x01, drop],
  'tail call': [0x12, 0],
  'legacy exceptions': [0x06, 0x40, 0x19, 0x0b],
  try_table: [0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x0b, 0x0b],
  'memory size and growth': [0x3f, 0, drop, ...grow(i32(1)), drop, ...grow(i32(2)), drop],
};

describe('module-rewrite', () => {
  for (const [what, code] of Object.entries(INSTRUCTIONS)) {
    it(`walks ${what}`, () => {
      const original = new Assembler().build({ start: code });
      assert.ok(engine.validate(original), 'the test is wrong: V8 does not take it');
      assert.ok(engine.validate(prepareModule(original, offered).bytes));
      assert.ok(engine.validate(prepareModule(original, offered, { isMetered: true }).bytes));
    });
  }

  it('hands the memory to the module and counts refused growth', () => {
    const prepared = prepareModule(hogModule([1, 1, ...u32(5000)]), offered);
    assert.deepEqual(prepared.memory, { minimumPages: 1, maximumPages: 5000 });
    const memory = new engine.Memory({ initial: 1, maximum: 33 });
    const imports = { [MEMORY_IMPORT.module]: { [MEMORY_IMPORT.name]: memory } };
    const { exports } = new engine.Instance(new engine.Module(prepared.bytes), imports);
    const refused = exports[prepared.growRefusedExport ?? ''];
    assert.ok(refused instanceof engine.Global);
    assert.equal(refused.value, 0);
    assert.throws(exports._start as () => void, engine.RuntimeError);
    assert.equal(refused.value, 1);
    assert.equal(memory.buffer.byteLength, 33 * 65_536);
  });

  it('keeps a module without memory as it is, but for custom sections', () => {
    const custom = section(0, [4, 0x6e, 0x61, 0x6d, 0x65, 1, 2, 3]);
    const plain = new Assembler().build({ start: [], memory: null });
    const prepared = prepareModule(new Uint8Array([...plain, ...custom]), offered);
    assert.equal(prepared.memory, null);
    assert.deepEqual([prepared.growRefusedExport, prepared.fuelExport, prepared.startExport], [null, null, null]);
    assert.deepEqual(prepared.bytes, plain);
  });

  it('takes another export name when the module has that of the flag', () => {
    const original = hogModule();
    const first = prepareModule(original, offered);
    // What was rewritten is a module like any other, but that its memory import has another name.
    const second = prepareModule(first.bytes, offered);
    assert.notEqual(second.growRefusedExport, first.growRefusedExport);
    assert.ok(engine.validate(second.bytes));
  });

  it('property: mutated modules are rejected with one sentence, or stay valid if they were', () => {
    const sources = [
      succeedModule(),
      echoModule(),
      hogModule(),
      chanceModule(),
      exitModule(1),
      folderModule(['a/b']),
      inspectModule(),
      litterModule(),
      ...Object.values(INSTRUCTIONS).map((code) => new Assembler().build({ start: code })),
    ];
    const mutation = fc.record({
      at: fc.nat(10_000),
      value: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 0x0b, 0x40, 0x7f, 0x80, 0xfc, 0xfd, 0xff)),
      kind: fc.constantFrom('replace', 'insert', 'remove', 'truncate'),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...sources),
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        (source, mutations) => {
          const bytes = [...source];
          for (const { at, value, kind } of mutations) {
            const position = 8 + (at % Math.max(1, bytes.length - 8));
            if (kind === 'replace') bytes[position] = value;
            else if (kind === 'insert') bytes.splice(position, 0, value);
            else if (kind === 'remove') bytes.splice(position, 1);
            else bytes.length = position;
          }
          const mutated = new Uint8Array(bytes);
          let prepared: Uint8Array[];
          try {
            prepared = [false, true].map((isMetered) => prepareModule(mutated, offered, { isMetered }).bytes);
          } catch (error) {
            assert.ok(error instanceof ModuleError, String(error));
            assert.match(error.message, /^[^\n]{10,300}\.$/);
            return;
          }
          if (engine.validate(mutated)) assert.ok(prepared.every((bytes) => engine.validate(bytes)));
        },
      ),
      { numRuns: 4000 },
    );
  });
});
