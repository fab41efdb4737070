/** A module as its sections, which are read, changed and written without looking into the others. */
import { BinaryReader, encodeU32, ModuleError } from './binary-reader.ts';

/** By their numbers; custom ones are left out. */
export type Sections = Map<number, Uint8Array>;

export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  code: 10,
  tag: 13,
} as const;
/** Sections in the order in which the specification wants them; tag is 13, data count 12. */
const SECTION_ORDER: readonly number[] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

export function readSections(bytes: Uint8Array): Sections {
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

export function sectionReader(sections: Sections, id: number): BinaryReader {
  return new BinaryReader(sections.get(id) ?? new Uint8Array([0]));
}

/** Adds an entry at the end of a section that is a vector. */
export function append(sections: Sections, id: number, entry: readonly number[]): void {
  const reader = sectionReader(sections, id);
  const count = reader.count();
  const rest = reader.bytes.subarray(reader.offset);
  sections.set(id, concatenate([new Uint8Array(encodeU32(count + 1)), rest, new Uint8Array(entry)]));
}

export function vector(entries: readonly Uint8Array[]): Uint8Array {
  return concatenate([new Uint8Array(encodeU32(entries.length)), ...entries]);
}

export function writeSections(original: Uint8Array, sections: Sections): Uint8Array {
  const parts: Uint8Array[] = [original.subarray(0, 8)];
  for (const id of SECTION_ORDER) {
    const content = sections.get(id);
    if (content === undefined) continue;
    parts.push(new Uint8Array([id, ...encodeU32(content.length)]), content);
  }
  return concatenate(parts);
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}

/** What was read of a section, when nothing of it is left over. */
export function finished<Value>(reader: BinaryReader, value: Value): Value {
  if (!reader.done) throw reader.malformed('a section is longer than its content');
  return value;
}
