/** A file of the simulated disk: what programs see of it, and what a crash would leave. */

/** How much of what was not synced a crash leaves. */
export const LANDINGS = ['nothing', 'everything', 'beginning', 'sectors'] as const;
export type Landing = (typeof LANDINGS)[number];

export interface Draw {
  below(bound: number): number;
  chance(probability: number): boolean;
}

interface Change {
  offset: number;
  bytes: Uint8Array;
}

export class SimulatedFile {
  #seen: Uint8Array = new Uint8Array(0);
  #stable: Uint8Array = new Uint8Array(0);
  #unsynced: Change[] = [];

  get bytes(): number {
    return this.#seen.length;
  }

  /** What is there now. */
  get content(): Uint8Array {
    return this.#seen;
  }

  read(offset: number, into: Uint8Array): number {
    const part = this.#seen.subarray(offset, offset + into.length);
    into.set(part);
    return part.length;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#seen = resized(this.#seen, Math.max(this.#seen.length, offset + bytes.length));
    this.#seen.set(bytes, offset);
    this.#unsynced.push({ offset, bytes: bytes.slice() });
  }

  resize(bytes: number): void {
    this.#seen = resized(this.#seen, bytes);
  }

  sync(): void {
    this.#stable = resized(this.#stable, this.#seen.length);
    for (const { offset, bytes } of this.#unsynced) {
      // It may have been cut off since.
      const end = Math.min(offset + bytes.length, this.#seen.length);
      if (offset < end) this.#stable.set(this.#seen.subarray(offset, end), offset);
    }
    this.#unsynced = [];
  }

  /** A sync that failed: nobody knows what has landed, and no later sync tries it again. */
  failSync(draw: Draw, sectorBytes: number): void {
    const landed = this.#landed('sectors', draw, sectorBytes);
    this.#stable = landed;
    this.#unsynced = [];
  }

  /** The machine goes down. `under way` is a write that had not ended. */
  crash(landing: Landing, draw: Draw, sectorBytes: number, underWay: readonly Change[]): void {
    this.#unsynced.push(...underWay);
    this.#stable = this.#landed(landing, draw, sectorBytes);
    this.#seen = this.#stable.slice();
    this.#unsynced = [];
  }

  flip(offset: number, bit: number): void {
    for (const bytes of [this.#seen, this.#stable]) {
      if (offset < bytes.length) bytes[offset] = (bytes[offset] as number) ^ (1 << bit);
    }
  }

  #landed(landing: Landing, draw: Draw, sectorBytes: number): Uint8Array {
    if (landing === 'nothing') return this.#stable;
    let content: Uint8Array = this.#stable.slice();
    if (landing === 'everything' || draw.chance(0.5)) content = resized(content, this.#seen.length);
    const last = landing === 'beginning' ? draw.below(this.#unsynced.length + 1) : this.#unsynced.length;
    for (const [index, { offset, bytes }] of this.#unsynced.slice(0, last + 1).entries()) {
      const most = landing === 'beginning' && index === last ? draw.below(bytes.length + 1) : bytes.length;
      for (let at = 0; at < most; ) {
        const end = Math.min(most, at + sectorBytes - ((offset + at) % sectorBytes));
        const lands = landing !== 'sectors' || draw.chance(0.6);
        // Now and then a sector is written in part.
        const until = landing === 'sectors' && draw.chance(0.1) ? at + draw.below(end - at) : end;
        if (lands) content = put(content, offset + at, bytes.subarray(at, until));
        at = end;
      }
    }
    return content;
  }
}

function put(content: Uint8Array, offset: number, bytes: Uint8Array): Uint8Array {
  const whole = resized(content, Math.max(content.length, offset + bytes.length));
  whole.set(bytes, offset);
  return whole;
}

function resized(content: Uint8Array, bytes: number): Uint8Array {
  if (bytes === content.length) return content;
  const other = new Uint8Array(bytes);
  other.set(content.subarray(0, bytes));
  return other;
}
