/** Bytes of one file: written by the guest (in memory), or lying on this machine (read-only, read when asked for). */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { failedStop } from './stop.ts';

export interface FileContent {
  readonly size: number;
  readonly readOnly: boolean;
  /** Copies bytes from `position` into `target`; returns how many, 0 at the end. */
  read(position: number, target: Uint8Array): number;
  write(position: number, source: Uint8Array): void;
  resize(size: number): void;
}

const CHUNK_BYTES = 256 * 1024;
const FIRST_CHUNK_BYTES = 1024;

/**
 * A growing file as chunks of 256 KiB, so that growing copies nothing and a hole costs nothing. The last chunk grows
 * by doubling, so that small files stay small.
 */
export class MemoryContent implements FileContent {
  readonly readOnly = false;
  readonly #chunks: (Uint8Array | undefined)[] = [];
  #size = 0;

  constructor(initial?: Uint8Array) {
    if (initial !== undefined) this.write(0, initial);
  }

  get size(): number {
    return this.#size;
  }

  read(position: number, target: Uint8Array): number {
    const count = Math.max(0, Math.min(target.length, this.#size - position));
    for (let done = 0; done < count; ) {
      const { index, offset, length } = piece(position + done, count - done);
      const part = target.subarray(done, done + length);
      const held = this.#chunks[index]?.subarray(offset, offset + length);
      if (held !== undefined) part.set(held);
      part.fill(0, held?.length ?? 0);
      done += length;
    }
    return count;
  }

  write(position: number, source: Uint8Array): void {
    for (let done = 0; done < source.length; ) {
      const { index, offset, length } = piece(position + done, source.length - done);
      this.#chunk(index, offset + length).set(source.subarray(done, done + length), offset);
      done += length;
    }
    if (source.length > 0) this.#size = Math.max(this.#size, position + source.length);
  }

  resize(size: number): void {
    if (size < this.#size) {
      const { index, offset } = piece(size, 1);
      this.#chunks.length = Math.min(this.#chunks.length, offset === 0 ? index : index + 1);
      // What is cut off must read as zeros when the file grows again.
      this.#chunks[index]?.fill(0, offset);
    }
    this.#size = size;
  }

  #chunk(index: number, neededBytes: number): Uint8Array {
    const chunk = this.#chunks[index];
    if (chunk !== undefined && chunk.length >= neededBytes) return chunk;
    let capacity = index === 0 ? FIRST_CHUNK_BYTES : CHUNK_BYTES;
    while (capacity < neededBytes) capacity *= 2;
    const larger = new Uint8Array(capacity);
    if (chunk !== undefined) larger.set(chunk);
    this.#chunks[index] = larger;
    return larger;
  }
}

function piece(position: number, left: number): { index: number; offset: number; length: number } {
  const index = Math.floor(position / CHUNK_BYTES);
  const offset = position - index * CHUNK_BYTES;
  return { index, offset, length: Math.min(left, CHUNK_BYTES - offset) };
}

/** Host files of one attempt that are open; closed together at its end. */
export class OpenHostFiles {
  readonly #descriptors = new Map<string, number>();

  descriptor(hostPath: string): number {
    const known = this.#descriptors.get(hostPath);
    if (known !== undefined) return known;
    try {
      const descriptor = openSync(hostPath, 'r');
      this.#descriptors.set(hostPath, descriptor);
      return descriptor;
    } catch {
      // The blob was verified before; its path stays out of the message.
      throw failedStop('sandbox', 'An input file could not be opened on the node.');
    }
  }

  close(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }
}

/** A file on this machine. Opened with its first reading, and never held in memory. */
export class HostContent implements FileContent {
  readonly readOnly = true;
  readonly #files: OpenHostFiles;
  readonly #hostPath: string;
  #size: number | null;

  /** `size` null: asked of the file when needed. */
  constructor(files: OpenHostFiles, hostPath: string, size: number | null) {
    this.#files = files;
    this.#hostPath = hostPath;
    this.#size = size;
  }

  get size(): number {
    this.#size ??= fstatSync(this.#files.descriptor(this.#hostPath)).size;
    return this.#size;
  }

  read(position: number, target: Uint8Array): number {
    const count = Math.max(0, Math.min(target.length, this.size - position));
    if (count === 0) return 0;
    const descriptor = this.#files.descriptor(this.#hostPath);
    let done = 0;
    while (done < count) {
      const got = readInto(descriptor, target, done, count - done, position + done);
      if (got === 0) throw failedStop('sandbox', 'An input file is shorter on the node than it should be.');
      done += got;
    }
    return count;
  }

  write(): void {
    throw new TypeError('a host file is never written');
  }

  resize(): void {
    throw new TypeError('a host file is never written');
  }
}

function readInto(descriptor: number, target: Uint8Array, offset: number, length: number, position: number): number {
  try {
    return readSync(descriptor, target, offset, length, position);
  } catch {
    throw failedStop('sandbox', 'An input file could not be read on the node.');
  }
}
