/**
 * A Merkle tree over leaves in a fixed order: SHA-256, a byte 0 before what a leaf hashes and a byte 1 before what a
 * node does, so that neither passes for the other; a tree of n leaves splits at the largest power of two below n.
 * Source: RFC 9162, sections 2.1.1 to 2.1.3.
 */
import { createHash } from 'node:crypto';

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export function leafHash(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(LEAF).update(bytes).digest();
}

function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(NODE).update(left).update(right).digest();
}

/**
 * All levels of a tree, the hashes of leaves first, the root alone in the last. A hash without a partner goes up as it
 * is, which gives the same tree as splitting at powers of two.
 */
export function treeLevels(leaves: readonly Buffer[]): Buffer[][] {
  const levels: Buffer[][] = [[...leaves]];
  for (let level = levels[0] ?? []; level.length > 1; ) {
    const next: Buffer[] = [];
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = [level[at] as Buffer, level[at + 1]];
      next.push(right === undefined ? left : nodeHash(left, right));
    }
    levels.push(next);
    level = next;
  }
  return levels;
}

/** The root; of no leaves, the hash of nothing. */
export function rootOf(levels: readonly (readonly Buffer[])[]): Buffer {
  return levels.at(-1)?.[0] ?? createHash('sha256').digest();
}

/** The hashes beside the way from a leaf to the root, from below. Empty for an index that there is not. */
export function proofOf(levels: readonly (readonly Buffer[])[], index: number): Buffer[] {
  const proof: Buffer[] = [];
  let at = index;
  for (const level of levels) {
    const beside = level[at ^ 1];
    if (beside !== undefined && at < level.length) proof.push(beside);
    at >>= 1;
  }
  return proof;
}

/** Whether a leaf stands at `index` of a tree with so many leaves and this root. */
export function isInTree(
  { leaf, index, proof }: { leaf: Uint8Array; index: number; proof: readonly Uint8Array[] },
  { leaves, root }: { leaves: number; root: Uint8Array },
): boolean {
  if (!Number.isSafeInteger(index) || index < 0 || index >= leaves) return false;
  let [at, last, used] = [index, leaves - 1, 0];
  let hash: Uint8Array = leaf;
  while (last > 0) {
    // The last hash of a level that has no partner goes up as it is.
    if (!(at === last && at % 2 === 0)) {
      const beside = proof[used];
      if (beside === undefined) return false;
      used += 1;
      hash = at % 2 === 0 ? nodeHash(hash, beside) : nodeHash(beside, hash);
    }
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return used === proof.length && Buffer.compare(hash, root) === 0;
}
