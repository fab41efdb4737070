/**
 * A small assembler for WASI commands, so that every module of these tests is written out here and no binary is kept.
 * Code is an array of bytes; each function returns the bytes of what it is named for.
 */
import { PREVIEW1_MODULE, PREVIEW1_SIGNATURES, type Preview1Name } from '../../src/wasm/wasi/abi.ts';

export type Code = readonly number[];

export function u32(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return bytes;
}

function signed(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

export const i32 = (value: number): number[] => [0x41, ...signed(BigInt(value | 0))];
export const i64 = (value: bigint): number[] => [0x42, ...signed(BigInt.asIntN(64, value))];
export const getLocal = (index: number): number[] => [0x20, ...u32(index)];
export const setLocal = (index: number): number[] => [0x21, ...u32(index)];
export const call = (index: number): number[] => [0x10, ...u32(index)];
export const loadI32 = (address: Code): number[] => [...address, 0x28, 2, 0];
export const storeI32 = (address: Code, value: Code): number[] => [...address, ...value, 0x36, 2, 0];
export const storeByte = (address: Code, value: Code): number[] => [...address, ...value, 0x3a, 0, 0];
export const add = (left: Code, right: Code): number[] => [...left, ...right, 0x6a];
export const and = (left: Code, right: Code): number[] => [...left, ...right, 0x71];
export const shiftRight = (left: Code, right: Code): number[] => [...left, ...right, 0x76];
export const equal = (left: Code, right: Code): number[] => [...left, ...right, 0x46];
export const grow = (pages: Code): number[] => [...pages, 0x40, 0];
export const drop = 0x1a;
export const unreachable = 0x00;
/** `br 0` at the end of the body goes round again. */
export const loop = (...body: Code[]): number[] => [0x03, 0x40, ...body.flat(), 0x0b];
export const repeat = (...body: Code[]): number[] => loop(...body, [0x0c, 0]);
/** Leaves the code when an errno or other value is not zero, by trapping. */
export const trapUnlessZero = (value: Code): number[] => [...value, 0x04, 0x40, unreachable, 0x0b];
export const when = (condition: Code, ...body: Code[]): number[] => [...condition, 0x04, 0x40, ...body.flat(), 0x0b];

export const section = (id: number, content: Code): number[] => [id, ...u32(content.length), ...content];
export const vector = (entries: readonly Code[]): number[] => [...u32(entries.length), ...entries.flat()];
export const name = (text: string): number[] => {
  const bytes = new TextEncoder().encode(text);
  return [...u32(bytes.length), ...bytes];
};
export const MAGIC = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0] as const;

const TYPE_BYTES: Readonly<Record<string, number>> = { i: 0x7f, I: 0x7e, f: 0x7d, F: 0x7c };

export interface BuildOptions {
  /** Body of _start; `self` is its function index. */
  start: Code | ((self: number) => Code);
  /** i32 locals of _start. */
  locals?: number;
  /** Limits as they stand in the binary; default: two pages, no maximum. null: no memory. */
  memory?: Code | null;
  importsMemory?: boolean;
  exportName?: string;
  /** Further import entries, type 0 being () -> (). */
  furtherImports?: Code[];
  /** Bytes between the export and the code section. */
  beforeCode?: Code;
}

export interface Text {
  pointer: number;
  length: number;
}

/** Collects imports and data while the code is written, then builds the module. */
export class Assembler {
  readonly #signatures: string[] = [':'];
  readonly #imports: { name: string; type: number }[] = [];
  readonly #data: { pointer: number; bytes: Uint8Array }[] = [];
  #free = 1024;

  reserve(bytes: number): number {
    const pointer = this.#free;
    this.#free = (pointer + bytes + 7) & ~7;
    return pointer;
  }

  text(text: string): Text {
    const bytes = new TextEncoder().encode(text);
    const pointer = this.reserve(bytes.length);
    this.#data.push({ pointer, bytes });
    return { pointer, length: bytes.length };
  }

  /** A call of a WASI function, leaving its errno (if it has one) on the stack. */
  wasi(functionName: Preview1Name, ...parameters: Code[]): number[] {
    const signature = PREVIEW1_SIGNATURES[functionName];
    let index = this.#imports.findIndex((known) => known.name === functionName);
    if (index < 0) index = this.#imports.push({ name: functionName, type: this.#type(signature) }) - 1;
    return [...parameters.flat(), ...call(index)];
  }

  /** As `wasi`, but traps when the errno is not success. */
  must(functionName: Preview1Name, ...parameters: Code[]): number[] {
    return trapUnlessZero(this.wasi(functionName, ...parameters));
  }

  build(options: BuildOptions): Uint8Array {
    const memory = options.memory === undefined ? [0, 2] : options.memory;
    const further = options.furtherImports ?? [];
    const self = this.#imports.length + further.length;
    const start = typeof options.start === 'function' ? options.start(self) : options.start;
    const locals = options.locals ? [1, ...u32(options.locals), 0x7f] : [0];
    const body = [...locals, ...start, 0x0b];
    const imports = [
      ...further,
      ...this.#imports.map((entry) => [...name(PREVIEW1_MODULE), ...name(entry.name), 0, ...u32(entry.type)]),
      ...(options.importsMemory && memory !== null ? [[...name('env'), ...name('memory'), 2, ...memory]] : []),
    ];
    const ownMemory = memory !== null && !options.importsMemory;
    const exports = [
      [...name(options.exportName ?? '_start'), 0, ...u32(self)],
      ...(memory === null ? [] : [[...name('memory'), 2, 0]]),
    ];
    const types = this.#signatures.map((signature) => {
      const [parameters = '', results = ''] = signature.split(':');
      const letters = (text: string): number[] => [text.length, ...[...text].map((letter) => TYPE_BYTES[letter] ?? 0)];
      return [0x60, ...letters(parameters), ...letters(results)];
    });
    const data = this.#data.map(({ pointer, bytes }) => [0, ...i32(pointer), 0x0b, ...u32(bytes.length), ...bytes]);
    return new Uint8Array([
      ...MAGIC,
      ...section(1, vector(types)),
      ...(imports.length > 0 ? section(2, vector(imports)) : []),
      ...section(3, vector([[0]])),
      ...(ownMemory ? section(5, vector([memory])) : []),
      ...section(7, vector(exports)),
      ...(options.beforeCode ?? []),
      ...section(10, vector([[...u32(body.length), ...body]])),
      ...(data.length > 0 ? section(11, vector(data)) : []),
    ]);
  }

  #type(signature: string): number {
    const known = this.#signatures.indexOf(signature);
    return known >= 0 ? known : this.#signatures.push(signature) - 1;
  }
}
