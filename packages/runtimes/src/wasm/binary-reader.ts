/** Bounds-checked reading of a wasm binary (WebAssembly core specification 2.0, chapter 5). */

/** Why a module may not run. The message is one sentence for the user. */
export class ModuleError extends Error {
  override readonly name = 'ModuleError';
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export class BinaryReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  offset: number;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  get done(): boolean {
    return this.offset >= this.end;
  }

  byte(): number {
    const value = this.offset < this.end ? this.bytes[this.offset] : undefined;
    if (value === undefined) throw this.malformed('it ends in the middle of an item');
    this.offset += 1;
    return value;
  }

  skip(count: number): void {
    if (count > this.end - this.offset) throw this.malformed('it ends in the middle of an item');
    this.offset += count;
  }

  /** Unsigned LEB128 of at most 32 bits. */
  u32(): number {
    let result = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) throw this.malformed('an integer is too long');
      result += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return result;
    }
    throw this.malformed('an integer is too long');
  }

  /** Passes a LEB128 integer of at most `bits` bits. Its value and last byte are checked by the engine. */
  skipInteger(bits: number): void {
    for (let shift = 0; shift < bits; shift += 7) {
      if (this.byte() < 0x80) return;
    }
    throw this.malformed('an integer is too long');
  }

  /** A vector length, bounded by the bytes that are left, so that no caller allocates what cannot be there. */
  count(): number {
    const count = this.u32();
    if (count > this.end - this.offset) throw this.malformed('a vector is longer than its section');
    return count;
  }

  name(): string {
    const length = this.u32();
    const start = this.offset;
    this.skip(length);
    try {
      return UTF8.decode(this.bytes.subarray(start, this.offset));
    } catch {
      throw this.malformed('a name is not UTF-8');
    }
  }

  /** A reader over the next `length` bytes, which are passed. */
  slice(length: number): BinaryReader {
    const start = this.offset;
    this.skip(length);
    return new BinaryReader(this.bytes, start, this.offset);
  }

  malformed(what: string): ModuleError {
    return new ModuleError(`The module is malformed at byte ${this.offset}: ${what}.`);
  }
}

/** Unsigned LEB128. */
export function encodeU32(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return bytes;
}
