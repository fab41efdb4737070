/**
 * One upload into one file that nobody else writes to.
 *
 *     claimed -> rehashing what is there -> receiving -> verified
 *                                              |-> broken off (given back, or thrown away when its bytes are wrong)
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { FogError } from '@fog/contract';
import { HTTP_LIMITS } from '../limits.ts';

/** A stream of bytes that can be ended from outside: an IncomingMessage, or any Readable. */
export type UploadBody = AsyncIterable<Uint8Array> & { destroy?: (error: Error) => unknown };

export interface UploadLimits {
  /** Bytes the file may have. */
  mostBytes: number;
  /** Called with the bytes just taken in; throws `storage-full`. */
  grow(bytes: number): void | Promise<void>;
  stallMilliseconds: number;
}

export class Upload {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  readonly #limits: UploadLimits;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** Bytes on their way into the file, all from position `#written` on. */
  #writing: Promise<void> = Promise.resolve();
  #written = 0;
  #received = 0;
  #lastByteAt = performance.now();
  #body: UploadBody | null = null;

  private constructor(path: string, file: FileHandle, limits: UploadLimits) {
    this.path = path;
    this.#file = file;
    this.#limits = limits;
  }

  /** A new, empty file at `path`. */
  static async create(path: string, limits: UploadLimits): Promise<Upload> {
    return new Upload(path, await open(path, 'wx', 0o600), limits);
  }

  /** Goes on with the file at `path`: its bytes are read once, for the hash. */
  static async resume(path: string, limits: UploadLimits): Promise<Upload> {
    const file = await open(path, 'r+');
    const upload = new Upload(path, file, limits);
    try {
      await upload.#rehash();
    } catch (error) {
      await file.close();
      throw error;
    }
    return upload;
  }

  /** Length of the file once all received bytes are in it. */
  get bytes(): number {
    return this.#received;
  }

  idleMilliseconds(): number {
    return performance.now() - this.#lastByteAt;
  }

  /** Ends an upload in progress: `receive` throws `error`. */
  interrupt(error: Error): void {
    this.#body?.destroy?.(error);
  }

  /**
   * Takes in the whole body. Throws what ended it early; what arrived until then is in the file. A body that is
   * silent for `stallMilliseconds` is ended with `timed-out`.
   */
  async receive(body: UploadBody): Promise<void> {
    this.#body = body;
    this.#lastByteAt = performance.now();
    const watch = setInterval(
      () => {
        if (this.idleMilliseconds() < this.#limits.stallMilliseconds) return;
        this.interrupt(new FogError('timed-out', `no byte came for ${this.#limits.stallMilliseconds} ms`));
      },
      Math.min(this.#limits.stallMilliseconds / 4, 5_000),
    );
    try {
      for await (const chunk of body) await this.#take(chunk);
    } finally {
      clearInterval(watch);
      this.#body = null;
      await this.#flush();
      await this.#writing;
    }
  }

  /** The digest of the file's bytes; `receive` must have ended. */
  digest(): string {
    return `sha256:${this.#hash.digest('hex')}`;
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #take(chunk: Uint8Array): Promise<void> {
    this.#lastByteAt = performance.now();
    if (this.#received + chunk.length > this.#limits.mostBytes) throw tooLarge(this.#limits.mostBytes);
    const growing = this.#limits.grow(chunk.length);
    if (growing !== undefined) await growing;
    this.#hash.update(chunk);
    this.#received += chunk.length;
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes >= HTTP_LIMITS.blobWriteBytes) await this.#flush();
  }

  /** Waits for the write before and starts the next: the disk works while the network delivers and the hash runs. */
  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#pendingBytes === 0) return;
    const chunks = this.#pending;
    const bytes = this.#pendingBytes;
    const position = this.#written;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#written += bytes;
    this.#writing = writeAll(this.#file, chunks, bytes, position);
    // Whoever awaits it gets the error; until then it must not count as unhandled.
    this.#writing.catch(() => undefined);
  }

  async #rehash(): Promise<void> {
    const buffer = Buffer.allocUnsafe(HTTP_LIMITS.blobWriteBytes);
    for (;;) {
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#received);
      if (bytesRead === 0) break;
      this.#hash.update(buffer.subarray(0, bytesRead));
      this.#received += bytesRead;
    }
    this.#written = this.#received;
  }
}

async function writeAll(file: FileHandle, chunks: Uint8Array[], bytes: number, position: number): Promise<void> {
  const { bytesWritten } = await file.writev(chunks, position);
  if (bytesWritten === bytes) return;
  const all = Buffer.concat(chunks, bytes);
  let done = bytesWritten;
  while (done < bytes) done += (await file.write(all, done, bytes - done, position + done)).bytesWritten;
}

export function tooLarge(limitBytes: number): FogError {
  return new FogError('body-too-large', `a blob may have ${limitBytes} bytes at most`, { details: { limitBytes } });
}
