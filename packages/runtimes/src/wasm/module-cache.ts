/** Compiled modules of one child, by digest. V8 compiles each function when it is first called and keeps the code. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { WASM_LIMITS } from '../limits.ts';
import { ModuleError } from './binary-reader.ts';
import { engine, type WasmModule } from './engine.ts';
import { type MemoryShape, prepareModule } from './module-rewrite.ts';
import { PREVIEW1_MODULE, PREVIEW1_SIGNATURES } from './wasi/abi.ts';
import { failedStop } from './wasi/stop.ts';

export interface CompiledModule {
  module: WasmModule;
  memory: MemoryShape | null;
  growRefusedExport: string | null;
  fuelExport: string | null;
  startExport: string | null;
  bytes: number;
}

/** Names a module in the cache of a child: metered, it is another. */
export function cacheKey(digest: string, isMetered: boolean): string {
  return isMetered ? `${digest} metered` : digest;
}

export class ModuleCache {
  /** By key, least recently used first. */
  readonly #modules = new Map<string, CompiledModule>();

  get keys(): string[] {
    return [...this.#modules.keys()];
  }

  /** Throws ModuleError when the module may not run, the stop of the attempt when it cannot be read. */
  get(digest: string, path: string, isMetered: boolean): CompiledModule {
    const key = cacheKey(digest, isMetered);
    const compiled = this.#modules.get(key) ?? compile(path, isMetered);
    this.#modules.delete(key);
    this.#modules.set(key, compiled);
    this.#evict();
    return compiled;
  }

  #evict(): void {
    let total = 0;
    for (const { bytes } of this.#modules.values()) total += bytes;
    for (const [key, { bytes }] of this.#modules) {
      const fits = total <= WASM_LIMITS.cachedModuleBytes && this.#modules.size <= WASM_LIMITS.cachedModules;
      if (fits || this.#modules.size === 1) return;
      this.#modules.delete(key);
      total -= bytes;
    }
  }
}

function compile(path: string, isMetered: boolean): CompiledModule {
  const bytes = readModule(path);
  const offered = { module: PREVIEW1_MODULE, functions: PREVIEW1_SIGNATURES };
  const { bytes: rewritten, ...prepared } = prepareModule(bytes, offered, { isMetered });
  try {
    // Indices that lead nowhere in the original might lead to what the rewriting added: it must be valid by itself.
    if (!engine.validate(bytes)) new engine.Module(bytes);
    return { ...prepared, module: new engine.Module(rewritten), bytes: rewritten.length };
  } catch (error) {
    if (!(error instanceof engine.CompileError)) throw error;
    const what = error.message.replace(/^WebAssembly\.Module\(\): /, '').replace(/\s+/g, ' ');
    throw new ModuleError(`The module is not valid: ${what.slice(0, 200)}.`);
  }
}

function readModule(path: string): Uint8Array {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    throw failedStop('sandbox', 'The module could not be opened on the node.');
  }
  try {
    const { size } = fstatSync(descriptor);
    if (size > WASM_LIMITS.moduleBytes) {
      throw new ModuleError(`The module has ${size} bytes; the limit is ${WASM_LIMITS.moduleBytes}.`);
    }
    const bytes = new Uint8Array(size);
    for (let offset = 0; offset < size; ) {
      const count = readSync(descriptor, bytes, offset, size - offset, offset);
      if (count === 0) throw failedStop('sandbox', 'The module is shorter on the node than it should be.');
      offset += count;
    }
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}
