/**
 * A walk over the instructions of a function body, to find those that the deterministic profile forbids and those
 * that the rewriting changes. It knows the immediates of every instruction of WebAssembly 2.0 plus tail calls, exception
 * handling (legacy and with exnref), typed function references and 128-bit SIMD; types and stack are left to V8.
 */
import { type BinaryReader, ModuleError } from './binary-reader.ts';

const OPCODE = {
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  try: 0x06,
  end: 0x0b,
  brTable: 0x0e,
  delegate: 0x18,
  selectTyped: 0x1c,
  tryTable: 0x1f,
  memoryGrow: 0x40,
  gcPrefix: 0xfb,
  bulkPrefix: 0xfc,
  simdPrefix: 0xfd,
  atomicPrefix: 0xfe,
} as const;

type Immediate = 'none' | 'index' | 'two-indices' | 'block-type' | 'memory' | 'i32' | 'i64' | 'f32' | 'f64' | 'unknown';

/** Immediates of the one-byte instructions that need no treatment of their own. */
const IMMEDIATES: readonly Immediate[] = Array.from({ length: 256 }, (_, opcode): Immediate => {
  if ([0x00, 0x01, 0x05, 0x0a, 0x0f, 0x19, 0x1a, 0x1b, 0xd1, 0xd3, 0xd4].includes(opcode)) return 'none';
  if ([0x02, 0x03, 0x04, 0x06].includes(opcode)) return 'block-type';
  if ([0x07, 0x08, 0x09, 0x0c, 0x0d, 0x10, 0x12, 0x14, 0x15, 0x18].includes(opcode)) return 'index';
  if ([0x11, 0x13].includes(opcode)) return 'two-indices';
  if (opcode >= 0x20 && opcode <= 0x26) return 'index';
  if (opcode >= 0x28 && opcode <= 0x3e) return 'memory';
  if (opcode === 0x3f || opcode === 0x40) return 'index';
  if (opcode === 0x41) return 'i32';
  if (opcode === 0x42) return 'i64';
  if (opcode === 0x43) return 'f32';
  if (opcode === 0x44) return 'f64';
  if (opcode >= 0x45 && opcode <= 0xc4) return 'none';
  // ref.null takes a heap type, a signed integer of 33 bits like a block type.
  if (opcode === 0xd0) return 'block-type';
  if ([0xd2, 0xd5, 0xd6].includes(opcode)) return 'index';
  return 'unknown';
});

/** How many indices follow each instruction behind the prefix 0xfc. */
const BULK_INDICES = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1] as const;

/**
 * Walks one expression to its end, which must be the end of the reader. Calls `onMemoryGrow` with the offsets of the
 * first byte and of the byte after each `memory.grow`, and before that `onEach`, if there is one, with the opcode and
 * offsets of every instruction. Throws ModuleError on what is unknown or not allowed.
 */
export function walkInstructions(
  reader: BinaryReader,
  onMemoryGrow: (start: number, end: number) => void,
  onEach: ((opcode: number, start: number, end: number) => void) | null = null,
): void {
  let depth = 1;
  while (depth > 0) {
    const start = reader.offset;
    const opcode = reader.byte();
    switch (opcode) {
      case OPCODE.end:
        depth -= 1;
        break;
      case OPCODE.delegate:
        reader.u32();
        depth -= 1;
        break;
      case OPCODE.brTable:
        for (let rest = reader.count() + 1; rest > 0; rest -= 1) reader.u32();
        break;
      case OPCODE.selectTyped:
        for (let rest = reader.count(); rest > 0; rest -= 1) skipValueType(reader);
        break;
      case OPCODE.tryTable:
        skipTryTable(reader);
        depth += 1;
        break;
      case OPCODE.gcPrefix:
        throw new ModuleError('The module uses garbage-collected objects, which are not offered.');
      case OPCODE.bulkPrefix:
        skipBulk(reader);
        break;
      case OPCODE.simdPrefix:
        skipSimd(reader);
        break;
      case OPCODE.atomicPrefix:
        throw new ModuleError('The module uses atomic instructions; threads are not offered.');
      default:
        skipImmediate(reader, opcode);
        if (opcode === OPCODE.block || opcode === OPCODE.loop || opcode === OPCODE.if || opcode === OPCODE.try) {
          depth += 1;
        }
    }
    if (onEach !== null) onEach(opcode, start, reader.offset);
    if (opcode === OPCODE.memoryGrow) onMemoryGrow(start, reader.offset);
  }
  if (!reader.done) throw reader.malformed('a function goes on after its end');
}

function skipImmediate(reader: BinaryReader, opcode: number): void {
  switch (IMMEDIATES[opcode]) {
    case 'none':
      return;
    case 'index':
      reader.u32();
      return;
    case 'two-indices':
      reader.u32();
      reader.u32();
      return;
    case 'block-type':
      skipBlockType(reader);
      return;
    case 'memory':
      skipMemoryArgument(reader);
      return;
    case 'i32':
      reader.skipInteger(32);
      return;
    case 'i64':
      reader.skipInteger(64);
      return;
    case 'f32':
      reader.skip(4);
      return;
    case 'f64':
      reader.skip(8);
      return;
    default:
      throw new ModuleError(`The module uses the unknown instruction 0x${opcode.toString(16)}.`);
  }
}

/** A block type may be a type with an immediate of its own: (ref null? heap-type). */
export function skipBlockType(reader: BinaryReader): void {
  const first = reader.bytes[reader.offset];
  if (first === 0x63 || first === 0x64) reader.skip(1);
  reader.skipInteger(33);
}

function skipMemoryArgument(reader: BinaryReader): void {
  const alignment = reader.u32();
  // Bit 6 announces a memory index.
  if (alignment >= 0x40) throw new ModuleError('The module uses more than one memory, which is not offered.');
  reader.u32();
}

function skipTryTable(reader: BinaryReader): void {
  skipBlockType(reader);
  for (let rest = reader.count(); rest > 0; rest -= 1) {
    const kind = reader.byte();
    if (kind > 3) throw reader.malformed('an unknown kind of catch');
    if (kind < 2) reader.u32();
    reader.u32();
  }
}

function skipBulk(reader: BinaryReader): void {
  const opcode = reader.u32();
  const indices = BULK_INDICES[opcode];
  if (indices === undefined) {
    throw new ModuleError(`The module uses the unknown instruction 0xfc 0x${opcode.toString(16)}.`);
  }
  for (let rest: number = indices; rest > 0; rest -= 1) reader.u32();
}

function skipSimd(reader: BinaryReader): void {
  const opcode = reader.u32();
  if (opcode >= 0x100 && opcode <= 0x12f) {
    throw new ModuleError('The module uses relaxed SIMD, whose results differ between machines.');
  }
  if (opcode > 0xff) throw new ModuleError(`The module uses the unknown instruction 0xfd 0x${opcode.toString(16)}.`);
  if (opcode <= 0x0b || opcode === 0x5c || opcode === 0x5d) skipMemoryArgument(reader);
  else if (opcode === 0x0c || opcode === 0x0d) reader.skip(16);
  else if (opcode >= 0x15 && opcode <= 0x22) reader.skip(1);
  else if (opcode >= 0x54 && opcode <= 0x5b) {
    skipMemoryArgument(reader);
    reader.skip(1);
  }
}

/** Numbers, vector, and the abstract references that exist without garbage collection. */
const PLAIN_TYPES: ReadonlySet<number> = new Set([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f, 0x69, 0x74, 0x73, 0x72]);

/** Passes one value type and returns its first byte. Throws ModuleError for types that are not offered. */
export function skipValueType(reader: BinaryReader): number {
  const type = reader.byte();
  if (type === 0x63 || type === 0x64) reader.skipInteger(33);
  else if (!PLAIN_TYPES.has(type)) {
    throw new ModuleError(`The module uses the value type 0x${type.toString(16)}, which is not offered.`);
  }
  return type;
}
