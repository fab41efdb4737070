/**
 * Which nodes have which blobs, as far as the coordinator has sent them tasks that need them, and how large those are. A
 * node may have dropped one since: then the task takes longer than expected, no more.
 */
import { PLACEMENT_LIMITS } from '../../limits.ts';

export class BlobPlaces {
  readonly #nodes = new Map<string, Set<string>>();
  readonly #bytes = new Map<string, number>();

  /** The node fetches these for a task. */
  note(node: string, digests: readonly string[]): void {
    for (const digest of digests) {
      const nodes = this.#nodes.get(digest) ?? new Set();
      nodes.add(node);
      remember(this.#nodes, digest, nodes);
      const first = nodes.values().next();
      if (nodes.size > PLACEMENT_LIMITS.nodesOfBlob && !first.done) nodes.delete(first.value);
    }
  }

  nodesOf(digest: string): string[] {
    return [...(this.#nodes.get(digest) ?? [])];
  }

  /** Those of which the size is not known. */
  unsized(digests: readonly string[]): string[] {
    return digests.filter((digest) => !this.#bytes.has(digest));
  }

  size(digest: string, bytes: number): void {
    remember(this.#bytes, digest, bytes);
  }

  /** 0 where it is not known. */
  bytesOf(digest: string): number {
    return this.#bytes.get(digest) ?? 0;
  }
}

function remember<Value>(all: Map<string, Value>, digest: string, value: Value): void {
  all.delete(digest);
  const oldest = all.keys().next();
  if (all.size >= PLACEMENT_LIMITS.placedBlobs && !oldest.done) all.delete(oldest.value);
  all.set(digest, value);
}
