/**
 * The seeded random stream: the ChaCha20 key stream (RFC 8439, section 2.3) with nonce and counter starting at zero.
 * Equal seeds give equal bytes on every machine. Own code, because loading node:crypto would cost a child more time
 * than everything else it does at start.
 */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;
const KEY_BYTES = 32;
const BLOCK_BYTES = 64;

export class RandomStream {
  drawnBytes = 0;
  readonly #state = new Uint32Array(16);
  readonly #working = new Uint32Array(16);
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #used = BLOCK_BYTES;

  /** Throws RangeError unless the key has 32 bytes. */
  constructor(key: Uint8Array) {
    if (key.length !== KEY_BYTES) throw new RangeError(`a key of ${key.length} bytes`);
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    this.#state.set(CONSTANTS);
    for (let word = 0; word < 8; word += 1) this.#state[4 + word] = view.getUint32(word * 4, true);
  }

  fill(target: Uint8Array): void {
    this.drawnBytes += target.length;
    for (let offset = 0; offset < target.length; ) {
      if (this.#used === BLOCK_BYTES) this.#nextBlock();
      const count = Math.min(BLOCK_BYTES - this.#used, target.length - offset);
      target.set(this.#block.subarray(this.#used, this.#used + count), offset);
      this.#used += count;
      offset += count;
    }
  }

  #nextBlock(): void {
    const x = this.#working;
    x.set(this.#state);
    for (let round = 0; round < 10; round += 1) {
      quarterRound(x, 0, 4, 8, 12);
      quarterRound(x, 1, 5, 9, 13);
      quarterRound(x, 2, 6, 10, 14);
      quarterRound(x, 3, 7, 11, 15);
      quarterRound(x, 0, 5, 10, 15);
      quarterRound(x, 1, 6, 11, 12);
      quarterRound(x, 2, 7, 8, 13);
      quarterRound(x, 3, 4, 9, 14);
    }
    const view = new DataView(this.#block.buffer);
    for (let word = 0; word < 16; word += 1) {
      view.setUint32(word * 4, ((x[word] ?? 0) + (this.#state[word] ?? 0)) >>> 0, true);
    }
    // The counter carries into the nonce after 256 GiB, which only keeps the stream from repeating.
    const next = ((this.#state[12] ?? 0) + 1) >>> 0;
    this.#state[12] = next;
    if (next === 0) this.#state[13] = ((this.#state[13] ?? 0) + 1) >>> 0;
    this.#used = 0;
  }
}

function quarterRound(x: Uint32Array, ia: number, ib: number, ic: number, id: number): void {
  let a = x[ia] ?? 0;
  let b = x[ib] ?? 0;
  let c = x[ic] ?? 0;
  let d = x[id] ?? 0;
  a = (a + b) | 0;
  d = rotate(d ^ a, 16);
  c = (c + d) | 0;
  b = rotate(b ^ c, 12);
  a = (a + b) | 0;
  d = rotate(d ^ a, 8);
  c = (c + d) | 0;
  b = rotate(b ^ c, 7);
  x[ia] = a;
  x[ib] = b;
  x[ic] = c;
  x[id] = d;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
