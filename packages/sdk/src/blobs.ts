/** Blobs of the fog: bytes, files and folders by their digest. */
import type { FogClient } from '@fog/contract';
import { type DownloadedFile, downloadBytes, downloadFile, downloadFolder } from './download.ts';
import { type UploadedBlob, type UploadOptions, uploadBytes, uploadPath } from './upload.ts';

export class Blobs {
  readonly #client: FogClient;

  constructor(client: FogClient) {
    this.#client = client;
  }

  /** Stores bytes, or the file or folder at a path. What the coordinator has already is not sent again. */
  put(source: Uint8Array | string, options: UploadOptions = {}): Promise<UploadedBlob> {
    return typeof source === 'string'
      ? uploadPath(this.#client, source, options)
      : uploadBytes(this.#client, source, options);
  }

  /** The whole blob in memory, verified. Throws `blob-not-found`. */
  get(digest: string, options: { signal?: AbortSignal; limitBytes?: number } = {}): Promise<Uint8Array> {
    return downloadBytes(this.#client, digest, options);
  }

  /** The blob as a file, verified while it streams; repeating a broken download continues it. */
  getFile(digest: string, path: string, options: { signal?: AbortSignal } = {}): Promise<DownloadedFile> {
    return downloadFile(this.#client, digest, path, options);
  }

  /** The folder that a manifest names. */
  getFolder(digest: string, path: string, options: { signal?: AbortSignal } = {}): Promise<DownloadedFile[]> {
    return downloadFolder(this.#client, digest, path, options);
  }
}
