/**
 * Makes a module safe to run under limits, before an engine sees it. Pure: bytes in, bytes out.
 *
 * 1. Its memory becomes an import. Whether the module defined or imported one, the runtime hands it a memory with the
 *    maximum of the attempt, so one compiled module serves attempts with different limits.
 * 2. Each `memory.grow` becomes a call of an added function that grows and records a refusal in an added global. A
 *    program that dies after a refusal ran out of memory; nothing else tells that from any other abort.
 * 3. What would make results differ between machines is rejected: shared memory, atomics, relaxed SIMD. So is what the
 *    runtime does not offer: unknown imports, several memories, 64-bit memory, garbage-collected types.
 * 4. Custom sections (names, debug data) are dropped: they cost memory and describe offsets that no longer hold.
 * 5. If it is asked for, the module counts what it does (`fuel-meter.ts`). What it starts with by itself becomes an
 *    export, because the count of a module that fails while it is instantiated could not be read.
 *
 * Everything else is left to the validation of the engine. NaN bit patterns and the depth of the stack remain as
 * sources of difference between machines.
 */
import { type BinaryReader, encodeU32, ModuleError } from './binary-reader.ts';
import { FUEL } from './fuel.ts';
import { BodyMeter, type Edit, FuelMeter } from './fuel-meter.ts';
import { skipValueType, walkInstructions } from './instructions.ts';
import { CODE, countGlobals, ModuleAdditions } from './module-additions.ts';
import {
  concatenate,
  finished,
  readSections,
  SECTION,
  type Sections,
  sectionReader,
  vector,
  writeSections,
} from './module-sections.ts';

export interface MemoryShape {
  minimumPages: number;
  /** What the module itself declares; null when it sets no bound. */
  maximumPages: number | null;
}

export interface PreparedModule {
  bytes: Uint8Array;
  /** null: the module has no memory and asks for none. */
  memory: MemoryShape | null;
  /** Export that holds an i32 global, 1 after a refused `memory.grow`; null when the module never grows. */
  growRefusedExport: string | null;
  /** Export that holds an i64 global, the fuel that was used; null when it is not asked for. */
  fuelExport: string | null;
  /** Export to be called before `_start`; null when there is none. */
  startExport: string | null;
}

/** Import under which the prepared module asks for its memory. */
export const MEMORY_IMPORT = { module: 'fog', name: 'memory' } as const;

/** Function types by letters, e.g. `iiI:i`: i = i32, I = i64, f = f32, F = f64, ? = anything else. */
export type Signature = string;

export interface OfferedImports {
  module: string;
  functions: Readonly<Record<string, Signature>>;
}

const PAGES_MAXIMUM = 65_536;
const EXTERNAL_KINDS = ['function', 'table', 'memory', 'global', 'tag'] as const;
const LETTERS: Readonly<Record<number, string>> = { 127: 'i', 126: 'I', 125: 'f', 124: 'F' };

/**
 * Checks and rewrites a module. Throws ModuleError with one sentence when it may not run. What comes back is valid if
 * the original is; have the engine validate the original too, because a wrong index in it may hit what was added.
 */
export function prepareModule(
  bytes: Uint8Array,
  offered: OfferedImports,
  { isMetered = false }: { isMetered?: boolean } = {},
): PreparedModule {
  const sections = readSections(bytes);
  const types = readTypes(sections);
  const imports = readImports(sections, types, offered);
  const functionTypes = readFunctionTypes(sections);
  const definedMemory = readMemory(sections);
  if (imports.memory !== null && definedMemory !== null) {
    throw new ModuleError('The module has more than one memory, which is not offered.');
  }
  const memory = imports.memory ?? definedMemory;
  const exportNames = readExports(sections, (index) => {
    const type =
      index < imports.functionTypes.length
        ? imports.functionTypes[index]
        : functionTypes[index - imports.functionTypes.length];
    return type === undefined ? undefined : types[type];
  });
  const first = {
    type: types.length,
    function: imports.functionTypes.length + functionTypes.length,
    global: countGlobals(sections),
  };
  const additions = new ModuleAdditions(first, exportNames);
  const meter = isMetered ? new FuelMeter(additions) : null;
  const guard = new GrowGuard(additions, meter);
  const bodies = readBodies(sections, guard, meter);
  const startExport = meter === null ? null : takeStart(sections, additions);

  sections.delete(SECTION.memory);
  if (memory !== null) sections.set(SECTION.import, vector([...imports.kept, memoryImport(memory)]));
  const added = additions.write(sections);
  if (added.length > 0 || meter !== null) {
    const entries = [...bodies.map(edited), ...added];
    const sized = entries.map((body) => concatenate([new Uint8Array(encodeU32(body.length)), body]));
    sections.set(SECTION.code, vector(sized));
  }
  return {
    bytes: writeSections(bytes, sections),
    memory,
    growRefusedExport: guard.exportName,
    fuelExport: meter?.exportName ?? null,
    startExport,
  };
}

function readTypes(sections: Sections): Signature[] {
  const reader = sectionReader(sections, SECTION.type);
  const types: Signature[] = [];
  for (let rest = reader.count(); rest > 0; rest -= 1) {
    if (reader.byte() !== 0x60) {
      throw new ModuleError('The module declares types other than functions, which are not offered.');
    }
    const letters = (): string => {
      let text = '';
      for (let left = reader.count(); left > 0; left -= 1) text += LETTERS[skipValueType(reader)] ?? '?';
      return text;
    };
    const parameters = letters();
    types.push(`${parameters}:${letters()}`);
  }
  return finished(reader, types);
}

interface Imports {
  /** Type indices of the imported functions. */
  functionTypes: number[];
  memory: MemoryShape | null;
  /** The import entries as they stand, without memories. */
  kept: Uint8Array[];
}

function readImports(sections: Sections, types: readonly Signature[], offered: OfferedImports): Imports {
  const reader = sectionReader(sections, SECTION.import);
  const imports: Imports = { functionTypes: [], memory: null, kept: [] };
  for (let rest = reader.count(); rest > 0; rest -= 1) {
    const start = reader.offset;
    const module = reader.name();
    const name = reader.name();
    const kind = EXTERNAL_KINDS[reader.byte()];
    // Names come from the module: quoted and cut, so that they cannot distort the sentence.
    const label = `${JSON.stringify(module.slice(0, 80))}.${JSON.stringify(name.slice(0, 80))}`;
    if (kind === 'function') {
      const typeIndex = reader.u32();
      const wanted =
        module === offered.module && Object.hasOwn(offered.functions, name) ? offered.functions[name] : null;
      if (wanted === null || wanted === undefined) {
        throw new ModuleError(
          `The module imports the function ${label}, which is not offered; offered is WASI preview 1.`,
        );
      }
      if (types[typeIndex] !== wanted) {
        throw new ModuleError(
          `The module imports the function ${label} with a type that is not the one of WASI preview 1.`,
        );
      }
      imports.functionTypes.push(typeIndex);
      imports.kept.push(reader.bytes.subarray(start, reader.offset));
    } else if (kind === 'memory') {
      if (imports.memory !== null) throw new ModuleError('The module has more than one memory, which is not offered.');
      imports.memory = readMemoryShape(reader);
    } else {
      throw new ModuleError(`The module imports the ${kind ?? 'unknown item'} ${label}, which is not offered.`);
    }
  }
  return finished(reader, imports);
}

function readFunctionTypes(sections: Sections): number[] {
  const reader = sectionReader(sections, SECTION.function);
  const types = Array.from({ length: reader.count() }, () => reader.u32());
  return finished(reader, types);
}

function readMemory(sections: Sections): MemoryShape | null {
  const reader = sectionReader(sections, SECTION.memory);
  const count = reader.count();
  if (count > 1) throw new ModuleError('The module has more than one memory, which is not offered.');
  return finished(reader, count === 1 ? readMemoryShape(reader) : null);
}

function readMemoryShape(reader: BinaryReader): MemoryShape {
  const flags = reader.byte();
  if ((flags & 2) !== 0) throw new ModuleError('The module uses shared memory; threads are not offered.');
  if ((flags & 4) !== 0) throw new ModuleError('The module uses 64-bit memory, which is not offered.');
  if (flags > 1) throw reader.malformed('unknown flags of a memory');
  const minimumPages = reader.u32();
  const maximumPages = flags === 1 ? reader.u32() : null;
  if (
    minimumPages > PAGES_MAXIMUM ||
    (maximumPages ?? 0) > PAGES_MAXIMUM ||
    minimumPages > (maximumPages ?? PAGES_MAXIMUM)
  ) {
    throw reader.malformed('the limits of a memory are out of range');
  }
  return { minimumPages, maximumPages };
}

/** Checks that the module is a WASI command; returns the names of all exports. */
function readExports(sections: Sections, typeOf: (functionIndex: number) => Signature | undefined): Set<string> {
  const reader = sectionReader(sections, SECTION.export);
  const names = new Set<string>();
  let start: Signature | null = null;
  for (let rest = reader.count(); rest > 0; rest -= 1) {
    const name = reader.name();
    const kind = EXTERNAL_KINDS[reader.byte()];
    const index = reader.u32();
    if (name === '_start' && kind === 'function') start = typeOf(index) ?? '?';
    names.add(name);
  }
  if (start === null) {
    const isLibrary = names.has('_initialize') ? ' It is a library (a reactor), not a command.' : '';
    throw new ModuleError(`The module does not export the function _start.${isLibrary}`);
  }
  if (start !== ':') throw new ModuleError('The function _start of the module takes parameters or returns values.');
  return finished(reader, names);
}

interface Body {
  bytes: Uint8Array;
  /** In their order. */
  edits: Edit[];
}

function readBodies(sections: Sections, guard: GrowGuard, meter: FuelMeter | null): Body[] {
  const reader = sectionReader(sections, SECTION.code);
  const endsAtCalls = sections.has(SECTION.tag);
  const bodies: Body[] = [];
  for (let rest = reader.count(); rest > 0; rest -= 1) {
    const body = reader.slice(reader.u32());
    const first = body.offset;
    const edits: Edit[] = [];
    for (let groups = body.count(); groups > 0; groups -= 1) {
      body.u32();
      skipValueType(body);
    }
    const onGrow = (start: number, end: number): void => {
      edits.push({ at: start - first, until: end - first, code: guard.call });
    };
    if (meter === null) walkInstructions(body, onGrow);
    else {
      const pieces = new BodyMeter(meter, { bytes: body.bytes, first, at: body.offset, edits, endsAtCalls });
      walkInstructions(body, onGrow, (opcode, start, end) => pieces.take(opcode, start, end));
    }
    bodies.push({ bytes: body.bytes.subarray(first, body.end), edits });
  }
  return finished(reader, bodies);
}

/** A function in place of `memory.grow`; it is added when it is first called for. */
class GrowGuard {
  exportName: string | null = null;
  readonly #additions: ModuleAdditions;
  readonly #meter: FuelMeter | null;
  #call: readonly number[] | null = null;

  constructor(additions: ModuleAdditions, meter: FuelMeter | null) {
    this.#additions = additions;
    this.#meter = meter;
  }

  get call(): readonly number[] {
    this.#call ??= CODE.call(this.#add());
    return this.#call;
  }

  #add(): number {
    const refused = this.#additions.addGlobal('i32');
    this.exportName = this.#additions.addExport('fog:grow-refused', 'global', refused);
    // local.get 0; i64.extend_i32_u; i64.const ...; i64.mul
    const units = [...CODE.localGet0, 0xad, ...CODE.i64(FUEL.page), 0x7e];
    const granted = this.#meter === null ? [] : [0x05, ...this.#meter.add(units)];
    return this.#additions.addFunction(
      [
        ...[0x20, 0x00, 0x40, 0x00, 0x22, 0x01], // local.get 0; memory.grow; local.tee 1
        ...[...CODE.i32(-1), 0x46, 0x04, 0x40], //  i32.const -1; i32.eq; if
        ...[...CODE.i32(1), ...CODE.globalSet(refused)],
        ...[...granted, 0x0b, 0x20, 0x01], //       else, if it is metered; end; local.get 1
      ],
      1,
    );
  }
}

/** Takes the start section out, and answers the export that names its function. */
function takeStart(sections: Sections, additions: ModuleAdditions): string | null {
  if (!sections.has(SECTION.start)) return null;
  const reader = sectionReader(sections, SECTION.start);
  const index = finished(reader, reader.u32());
  sections.delete(SECTION.start);
  return additions.addExport('fog:start', 'function', index);
}

function edited({ bytes, edits }: Body): Uint8Array {
  if (edits.length === 0) return bytes;
  const grown = edits.reduce((sum, { at, until, code }) => sum + code.length - (until - at), bytes.length);
  const result = new Uint8Array(grown);
  let [from, to] = [0, 0];
  for (const { at, until, code } of edits) {
    result.set(bytes.subarray(from, at), to);
    to += at - from;
    result.set(code, to);
    to += code.length;
    from = until;
  }
  result.set(bytes.subarray(from), to);
  return result;
}

function memoryImport(memory: MemoryShape): Uint8Array {
  const text = (value: string): number[] => [...encodeU32(value.length), ...new TextEncoder().encode(value)];
  const limits =
    memory.maximumPages === null
      ? [0, ...encodeU32(memory.minimumPages)]
      : [1, ...encodeU32(memory.minimumPages), ...encodeU32(memory.maximumPages)];
  return new Uint8Array([...text(MEMORY_IMPORT.module), ...text(MEMORY_IMPORT.name), 0x02, ...limits]);
}
