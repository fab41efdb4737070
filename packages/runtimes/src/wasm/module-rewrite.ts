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
 *
 * Everything else is left to the validation of the engine. NaN bit patterns and the depth of the stack remain as
 * sources of difference between machines.
 */
import { BinaryReader, encodeU32, ModuleError } from './binary-reader.ts';
import { skipValueType, walkInstructions } from './instructions.ts';

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
const SECTION = { custom: 0, type: 1, import: 2, function: 3, memory: 5, global: 6, export: 7, code: 10 } as const;
/** Sections in the order in which the specification wants them; tag is 13, data count 12. */
const SECTION_ORDER: readonly number[] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
const EXTERNAL_KINDS = ['function', 'table', 'memory', 'global', 'tag'] as const;
const LETTERS: Readonly<Record<number, string>> = { 127: 'i', 126: 'I', 125: 'f', 124: 'F' };

type Sections = Map<number, Uint8Array>;

/**
 * Checks and rewrites a module. Throws ModuleError with one sentence when it may not run. What comes back is valid if
 * the original is; have the engine validate the original too, because a wrong index in it may hit what was added.
 */
export function prepareModule(bytes: Uint8Array, offered: OfferedImports): PreparedModule {
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
  const bodies = readBodies(sections);

  sections.delete(SECTION.memory);
  if (memory !== null) sections.set(SECTION.import, vector([...imports.kept, memoryImport(memory)]));
  let growRefusedExport: string | null = null;
  if (memory !== null && bodies.some((body) => body.grows.length > 0)) {
    growRefusedExport = freeName(exportNames);
    addGrowGuard(sections, bodies, {
      typeIndex: types.length,
      functionIndex: imports.functionTypes.length + functionTypes.length,
      exportName: growRefusedExport,
    });
  }
  return { bytes: writeSections(bytes, sections), memory, growRefusedExport };
}

function readSections(bytes: Uint8Array): Sections {
  const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  if (header.slice(0, 4).some((byte, index) => bytes[index] !== byte)) {
    throw new ModuleError('The file is not a WebAssembly module.');
  }
  if (header.some((byte, index) => bytes[index] !== byte)) {
    throw new ModuleError('The file is not a WebAssembly core module of version 1; components are not offered.');
  }
  const reader = new BinaryReader(bytes, header.length);
  const sections: Sections = new Map();
  let lastRank = -1;
  while (!reader.done) {
    const id = reader.byte();
    const content = reader.slice(reader.u32());
    if (id === SECTION.custom) {
      content.name();
      continue;
    }
    const rank = SECTION_ORDER.indexOf(id);
    if (rank < 0) throw content.malformed(`section ${id} is unknown`);
    if (rank <= lastRank) throw content.malformed(`section ${id} is out of order`);
    lastRank = rank;
    sections.set(id, bytes.subarray(content.offset, content.end));
  }
  return sections;
}

function sectionReader(sections: Sections, id: number): BinaryReader {
  return new BinaryReader(sections.get(id) ?? new Uint8Array([0]));
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
  /** Offsets in `bytes` of each memory.grow and of the byte after it. */
  grows: { start: number; end: number }[];
}

function readBodies(sections: Sections): Body[] {
  const reader = sectionReader(sections, SECTION.code);
  const bodies: Body[] = [];
  for (let rest = reader.count(); rest > 0; rest -= 1) {
    const body = reader.slice(reader.u32());
    const first = body.offset;
    const grows: Body['grows'] = [];
    for (let groups = body.count(); groups > 0; groups -= 1) {
      body.u32();
      skipValueType(body);
    }
    walkInstructions(body, (start, end) => grows.push({ start: start - first, end: end - first }));
    bodies.push({ bytes: body.bytes.subarray(first, body.end), grows });
  }
  return finished(reader, bodies);
}

function finished<Value>(reader: BinaryReader, value: Value): Value {
  if (!reader.done) throw reader.malformed('a section is longer than its content');
  return value;
}

function freeName(taken: ReadonlySet<string>): string {
  let name = 'fog:grow-refused';
  while (taken.has(name)) name += "'";
  return name;
}

interface GrowGuard {
  typeIndex: number;
  functionIndex: number;
  exportName: string;
}

/** Adds the type, function, global and export of the guard, and turns each memory.grow into a call of it. */
function addGrowGuard(sections: Sections, bodies: readonly Body[], guard: GrowGuard): void {
  const globals = sectionReader(sections, SECTION.global).count();
  append(sections, SECTION.type, [0x60, 1, 0x7f, 1, 0x7f]);
  append(sections, SECTION.function, encodeU32(guard.typeIndex));
  // (global (mut i32) (i32.const 0))
  append(sections, SECTION.global, [0x7f, 0x01, 0x41, 0x00, 0x0b]);
  const name = new TextEncoder().encode(guard.exportName);
  append(sections, SECTION.export, [...encodeU32(name.length), ...name, 0x03, ...encodeU32(globals)]);
  const code = [
    ...[0x00, 0x20, 0x00, 0x40, 0x00, 0x22, 0x00], // no locals; local.get 0; memory.grow; local.tee 0
    ...[0x41, 0x7f, 0x46, 0x04, 0x40], //             i32.const -1; i32.eq; if
    ...[0x41, 0x01, 0x24, ...encodeU32(globals)], //    i32.const 1; global.set
    ...[0x0b, 0x20, 0x00, 0x0b], //                   end; local.get 0; end
  ];
  const call = new Uint8Array([0x10, ...encodeU32(guard.functionIndex)]);
  const entries = bodies.map((body) => {
    const content = body.grows.length === 0 ? body.bytes : replaceGrows(body, call);
    return concatenate([new Uint8Array(encodeU32(content.length)), content]);
  });
  entries.push(new Uint8Array([...encodeU32(code.length), ...code]));
  sections.set(SECTION.code, vector(entries));
}

function replaceGrows(body: Body, call: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const grow of body.grows) {
    parts.push(body.bytes.subarray(offset, grow.start), call);
    offset = grow.end;
  }
  parts.push(body.bytes.subarray(offset));
  return concatenate(parts);
}

/** Adds an entry at the end of a section that is a vector. */
function append(sections: Sections, id: number, entry: readonly number[]): void {
  const reader = sectionReader(sections, id);
  const count = reader.count();
  const rest = reader.bytes.subarray(reader.offset);
  sections.set(id, concatenate([new Uint8Array(encodeU32(count + 1)), rest, new Uint8Array(entry)]));
}

function memoryImport(memory: MemoryShape): Uint8Array {
  const text = (value: string): number[] => [...encodeU32(value.length), ...new TextEncoder().encode(value)];
  const limits =
    memory.maximumPages === null
      ? [0, ...encodeU32(memory.minimumPages)]
      : [1, ...encodeU32(memory.minimumPages), ...encodeU32(memory.maximumPages)];
  return new Uint8Array([...text(MEMORY_IMPORT.module), ...text(MEMORY_IMPORT.name), 0x02, ...limits]);
}

function vector(entries: readonly Uint8Array[]): Uint8Array {
  return concatenate([new Uint8Array(encodeU32(entries.length)), ...entries]);
}

function writeSections(original: Uint8Array, sections: Sections): Uint8Array {
  const parts: Uint8Array[] = [original.subarray(0, 8)];
  for (const id of SECTION_ORDER) {
    const content = sections.get(id);
    if (content === undefined) continue;
    parts.push(new Uint8Array([id, ...encodeU32(content.length)]), content);
  }
  return concatenate(parts);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}
