/** Blobs of a coordinator without one, and the cache of a node over them. */
import { FogError } from '@fog/contract';
import { AttemptFailure } from '../src/attempt-failure.ts';
import { BlobCache } from '../src/blob-cache.ts';
import { Sessions } from '../src/sessions.ts';
import { type BlobClient, Transfers } from '../src/transfers.ts';
import { digestOf } from './fake-coordinator.ts';

export function bodyOf(...chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks) as ReadableStream<Uint8Array>;
}

/** A coordinator's blobs behind the client interface. */
export class BlobShelf implements BlobClient {
  readonly blobs = new Map<string, Buffer>();
  readonly gets: { digest: string; offset: number }[] = [];
  alter: (bytes: Buffer) => ReadableStream<Uint8Array> = (bytes) => bodyOf(bytes);

  add(bytes: Buffer): string {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }

  async getBlob(digest: string, options: { offset?: number } = {}): Promise<ReadableStream<Uint8Array>> {
    const offset = options.offset ?? 0;
    this.gets.push({ digest, offset });
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) throw new FogError('blob-not-found', 'no such blob');
    return this.alter(bytes.subarray(offset));
  }

  async putBlob(): Promise<void> {}

  async blobOffset(): Promise<{ complete: boolean; offset: number }> {
    return { complete: false, offset: 0 };
  }
}

export async function cacheAt(directory: string, capacityBytes: number, shelf: BlobShelf): Promise<BlobCache> {
  const sessions = new Sessions();
  sessions.opened(shelf);
  const transfers = new Transfers({ session: (signal) => sessions.wait(signal), random: () => 0 });
  return await BlobCache.open({ directory, capacityBytes, transfers });
}

export const never = new AbortController().signal;

export function failsWith(reason: string, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof AttemptFailure && error.reason === reason && message.test(error.message);
}
