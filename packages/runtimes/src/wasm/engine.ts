/**
 * The part of the WebAssembly JavaScript interface that is used here, typed. TypeScript declares it in its DOM
 * library alone, which a program for Node does not load.
 */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
export interface WasmGlobal {
  /** A bigint of an i64. */
  value: unknown;
}
export interface WasmModule {
  readonly __module: unique symbol;
}
export interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>;
}
type WasmImports = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

interface WebAssemblyInterface {
  Module: new (bytes: Uint8Array) => WasmModule;
  Instance: new (module: WasmModule, imports?: WasmImports) => WasmInstance;
  Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
  Global: new (descriptor: { value: 'i32'; mutable: boolean }, value: number) => WasmGlobal;
  CompileError: new (message: string) => Error;
  LinkError: new (message: string) => Error;
  RuntimeError: new (message: string) => Error;
  Exception: new (...parameters: never[]) => object;
  validate(bytes: Uint8Array): boolean;
}

export const engine: WebAssemblyInterface = (globalThis as unknown as { WebAssembly: WebAssemblyInterface })
  .WebAssembly;
export const PAGE_BYTES = 65_536;
