/**
 * What the rewriting adds to a module: globals, and functions that take and return an i32. They stand behind those of the
 * module, so that no index of it changes, and no code of it can name them.
 */
import { encodeU32 } from './binary-reader.ts';
import { append, SECTION, type Sections, sectionReader } from './module-sections.ts';

export const CODE = {
  localGet0: [0x20, 0],
  call: (index: number): number[] => [0x10, ...encodeU32(index)],
  globalGet: (index: number): number[] => [0x23, ...encodeU32(index)],
  globalSet: (index: number): number[] => [0x24, ...encodeU32(index)],
  i32: (value: number): number[] => [0x41, ...encodeSigned(value)],
  i64: (value: number): number[] => [0x42, ...encodeSigned(value)],
} as const;

/** Signed LEB128 of a safe integer. */
function encodeSigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; ) {
    const low = ((rest % 128) + 128) % 128;
    rest = Math.floor(rest / 128);
    if ((rest === 0 && low < 64) || (rest === -1 && low >= 64)) return [...bytes, low];
    bytes.push(low + 128);
  }
}

const GLOBAL_TYPES = { i32: [0x7f, 0x01, 0x41, 0x00, 0x0b], i64: [0x7e, 0x01, 0x42, 0x00, 0x0b] } as const;

export class ModuleAdditions {
  readonly #globals: (keyof typeof GLOBAL_TYPES)[] = [];
  readonly #functions: Uint8Array[] = [];
  readonly #exports: number[][] = [];
  readonly #names: Set<string>;
  readonly #first: { type: number; function: number; global: number };

  /** `taken`: names of the exports that the module has. */
  constructor(first: { type: number; function: number; global: number }, taken: ReadonlySet<string>) {
    this.#first = first;
    this.#names = new Set(taken);
  }

  /** A mutable global that starts with 0. Answers its index. */
  addGlobal(type: keyof typeof GLOBAL_TYPES): number {
    return this.#first.global + this.#globals.push(type) - 1;
  }

  /** `i32s`: locals beside the parameter, which is local 0. Answers its index. */
  addFunction(code: readonly number[], i32s = 0): number {
    const locals = i32s === 0 ? [0] : [1, ...encodeU32(i32s), 0x7f];
    return this.#first.function + this.#functions.push(new Uint8Array([...locals, ...code, 0x0b])) - 1;
  }

  /** Answers the name, which is the one that is wanted unless the module has it. */
  addExport(wanted: string, kind: 'function' | 'global', index: number): string {
    let name = wanted;
    while (this.#names.has(name)) name += "'";
    this.#names.add(name);
    const bytes = new TextEncoder().encode(name);
    this.#exports.push([...encodeU32(bytes.length), ...bytes, kind === 'function' ? 0 : 3, ...encodeU32(index)]);
    return name;
  }

  /** Writes all but the code of the functions, which is answered. */
  write(sections: Sections): readonly Uint8Array[] {
    if (this.#functions.length > 0) append(sections, SECTION.type, [0x60, 1, 0x7f, 1, 0x7f]);
    for (const _ of this.#functions) append(sections, SECTION.function, encodeU32(this.#first.type));
    for (const type of this.#globals) append(sections, SECTION.global, GLOBAL_TYPES[type]);
    for (const entry of this.#exports) append(sections, SECTION.export, entry);
    return this.#functions;
  }
}

/** Of this module, as it was read. */
export function countGlobals(sections: Sections): number {
  return sectionReader(sections, SECTION.global).count();
}
