/**
 * The wasm runtime: WASI preview 1 modules in pooled child processes, with an in-memory file system, a virtual clock
 * and a seeded random stream, so that equal requests give equal outputs on every machine. A guest reaches nothing of
 * the host: its imports are all it has, the child that runs it may only read the blob cache, and has no environment.
 */
import { createHash } from 'node:crypto';
import { type ChildPool, isRefusal } from '../child-pool.ts';
import { WASM_LIMITS } from '../limits.ts';
import type {
  AttemptHost,
  AttemptRequest,
  RunningAttempt,
  RuntimeProbe,
  RuntimeSettings,
  TaskRuntime,
} from '../runtime.ts';
import { engine, PAGE_BYTES } from './engine.ts';
import { createWasmPool, type WasmChild } from './pool.ts';
import { WasmAttempt } from './wasm-attempt.ts';

export const WASM_ENGINE = `v8-${process.versions.v8}`;

class WasmRuntime implements TaskRuntime {
  readonly name = 'wasm';
  readonly #settings: RuntimeSettings;
  readonly #pool: ChildPool<WasmChild>;
  readonly #attempts = new Set<WasmAttempt>();
  #closed = false;

  constructor(settings: RuntimeSettings) {
    this.#settings = settings;
    this.#pool = createWasmPool(settings);
  }

  async probe(): Promise<RuntimeProbe> {
    const lease = await this.#pool.lease().child;
    if (isRefusal(lease)) return { available: false, reason: lease.message };
    this.#pool.release(lease, { reuse: true });
    const simd = engine.validate(SIMD_MODULE);
    return {
      available: true,
      version: process.versions.v8,
      features: { wasi: 'preview1', deterministic: 'yes', meter: 'fuel', simd: simd ? 'yes' : 'no' },
    };
  }

  refusal({ program, limits }: Pick<AttemptRequest, 'program' | 'trusted' | 'limits'>): string | null {
    if (program.runtime !== 'wasm') return `The wasm runtime does not run ${program.runtime} programs.`;
    if (limits.memoryBytes < PAGE_BYTES) return `A wasm program needs at least ${PAGE_BYTES} bytes of memory.`;
    if (limits.diskBytes > WASM_LIMITS.diskBytes) {
      return `The files of a wasm program are in memory, and may have ${WASM_LIMITS.diskBytes} bytes at most.`;
    }
    return null;
  }

  start(request: AttemptRequest, host: AttemptHost): RunningAttempt {
    const attempt = new WasmAttempt({
      request,
      host,
      pool: this.#pool,
      scratchDirectory: this.#settings.scratchDirectory,
      engine: WASM_ENGINE,
      randomKey: createHash('sha256').update(request.seed).digest('hex'),
    });
    if (this.#closed) {
      attempt.kill('drained', CLOSED_MESSAGE);
      return attempt;
    }
    const refusal = this.refusal(request);
    if (refusal !== null) {
      attempt.kill('rejected', refusal);
      return attempt;
    }
    this.#attempts.add(attempt);
    void attempt.outcome.then(() => this.#attempts.delete(attempt));
    attempt.run();
    return attempt;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const outcomes = [...this.#attempts].map((attempt) => {
      attempt.kill('drained', CLOSED_MESSAGE);
      return attempt.outcome;
    });
    await Promise.all([...outcomes, this.#pool.close()]);
  }
}

const CLOSED_MESSAGE = 'The node stopped running programs.';

/** (func (result v128) (v128.const 0)): valid exactly where 128-bit SIMD is. */
const SIMD_MODULE = new Uint8Array([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0],
  ...[10, 22, 1, 20, 0, 0xfd, 12, ...new Array<number>(16).fill(0), 0x0b],
]);

/** Children are started with the first probe or attempt; `slots` of them stay warm until close(). */
export function createWasmRuntime(settings: RuntimeSettings): TaskRuntime {
  return new WasmRuntime(settings);
}
