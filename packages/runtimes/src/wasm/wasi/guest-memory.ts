/** The guest's linear memory, with every pointer checked: a bad one is EFAULT, never an exception of the host. */
import { WASM_LIMITS } from '../../limits.ts';
import type { WasmMemory } from '../engine.ts';
import { ERRNO, WasiError } from './abi.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class GuestMemory {
  /** All that host functions were given to read or write. */
  movedBytes = 0;
  readonly #memory: WasmMemory | null;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);

  /** null for a module without memory: then every pointer is bad. */
  constructor(memory: WasmMemory | null) {
    this.#memory = memory;
  }

  /** A view of guest memory, valid until the guest runs again. Throws EFAULT when it is out of bounds. */
  bytes(pointer: number, length: number): Uint8Array {
    const start = this.#check(pointer, length);
    this.movedBytes += length;
    return this.#bytes.subarray(start, start + length);
  }

  readU8(pointer: number): number {
    const start = this.#check(pointer, 1);
    return this.#view.getUint8(start);
  }

  readU16(pointer: number): number {
    const start = this.#check(pointer, 2);
    return this.#view.getUint16(start, true);
  }

  readU32(pointer: number): number {
    const start = this.#check(pointer, 4);
    return this.#view.getUint32(start, true);
  }

  readU64(pointer: number): bigint {
    const start = this.#check(pointer, 8);
    return this.#view.getBigUint64(start, true);
  }

  writeU8(pointer: number, value: number): void {
    const start = this.#check(pointer, 1);
    this.#view.setUint8(start, value);
  }

  writeU16(pointer: number, value: number): void {
    const start = this.#check(pointer, 2);
    this.#view.setUint16(start, value, true);
  }

  writeU32(pointer: number, value: number): void {
    const start = this.#check(pointer, 4);
    this.#view.setUint32(start, value, true);
  }

  writeU64(pointer: number, value: bigint): void {
    const start = this.#check(pointer, 8);
    this.#view.setBigUint64(start, value, true);
  }

  /** A path or name: EILSEQ when it is not UTF-8, ENAMETOOLONG above the limit, EINVAL with a NUL in it. */
  text(pointer: number, length: number): string {
    if (length > WASM_LIMITS.pathBytes) throw new WasiError(ERRNO.nametoolong);
    const bytes = this.bytes(pointer, length);
    if (bytes.includes(0)) throw new WasiError(ERRNO.inval);
    try {
      return UTF8.decode(bytes);
    } catch {
      throw new WasiError(ERRNO.ilseq);
    }
  }

  /** The buffers of a scattered read or write (iovec / ciovec arrays), all checked before any is used. */
  vectors(pointer: number, count: number): Uint8Array[] {
    if (count > WASM_LIMITS.vectors) throw new WasiError(ERRNO.inval);
    const vectors: Uint8Array[] = [];
    let total = 0;
    for (let index = 0; index < count; index += 1) {
      const length = this.readU32(pointer + index * 8 + 4);
      total += length;
      vectors.push(this.bytes(this.readU32(pointer + index * 8), length));
    }
    // The number of bytes moved is returned as an u32.
    if (total > 0xffff_ffff) throw new WasiError(ERRNO.inval);
    return vectors;
  }

  /** To be called before #bytes or #view is touched: it renews them. */
  #check(pointer: number, length: number): number {
    // Growing detaches the buffer, which then has no bytes.
    if (this.#memory !== null && this.#bytes.buffer !== this.#memory.buffer) {
      this.#bytes = new Uint8Array(this.#memory.buffer);
      this.#view = new DataView(this.#memory.buffer);
    }
    const start = pointer >>> 0;
    if (pointer > 0xffff_ffff || start + length > this.#bytes.length) throw new WasiError(ERRNO.fault);
    return start;
  }
}
