/**
 * The published snapshot of power of one proposal: a leaf for each voter, sorted by name, in a Merkle tree, and a root
 * over the tree together with what it is a snapshot of. The root is published when the vote opens; from then on nobody
 * can give a voter another power or another key without being found out.
 */
import { assertAmount } from '../amounts.ts';
import type { VoterPower } from './ballots.ts';
import { canonicalBytes, canonicalDigest } from './canonical-bytes.ts';
import { governanceFault } from './faults.ts';
import { assertPrincipal } from './fields.ts';
import { GOVERNANCE_LIMITS } from './limits.ts';
import { isInTree, leafHash, proofOf, rootOf, treeLevels } from './merkle-tree.ts';

const LEAF_DOMAIN = 'fog-power-leaf-v1';
const ROOT_DOMAIN = 'fog-power-snapshot-v1';

/** What the root covers beside the voters. */
export interface SnapshotHead {
  network: string;
  proposal: string;
  beforeSequence: number;
  snapshotSequence: number;
  /** What the quorum is a share of; no less than the power of all voters together. */
  supplyMicroFog: bigint;
}

export interface PublishedSnapshot extends SnapshotHead {
  voters: number;
  /** Hex of the root of the tree alone. */
  treeRoot: string;
  /** Hex: over all of the above. */
  root: string;
  /** Everybody in the tree, in its order; null where only proofs are published. */
  leaves: readonly VoterPower[] | null;
}

export interface PowerSnapshot extends PublishedSnapshot {
  leaves: readonly VoterPower[];
  /** Where a voter stands; null for who has no power. */
  placeOf(voter: string): { index: number; power: VoterPower; proof: string[] } | null;
}

/** What a voter had at the two ticks that decide, and the key that signs for it. */
export interface PowerEntry {
  voter: string;
  publicKey: string;
  beforeMicroFog: bigint;
  atSnapshotMicroFog: bigint;
}

/**
 * The snapshot of a proposal: the power of each is the lesser of the two, and who has none is left out. Throws
 * `invalid-request` for names, keys and amounts that are none, for a voter who is there twice, for too many, and when
 * all together have more than the supply.
 */
export function powerSnapshot(head: SnapshotHead, entries: readonly PowerEntry[]): PowerSnapshot {
  const leaves = entries.map(leafFrom).filter(({ powerMicroFog }) => powerMicroFog > 0n);
  leaves.sort((a, b) => (a.voter < b.voter ? -1 : 1));
  if (leaves.length > GOVERNANCE_LIMITS.voters) {
    throw governanceFault('malformed', `${leaves.length} voters; a snapshot has ${GOVERNANCE_LIMITS.voters} at most`);
  }
  const fault = leavesFault(leaves, head.supplyMicroFog);
  if (fault !== null) throw governanceFault('malformed', `the snapshot of ${head.proposal}: ${fault}`);
  const levels = treeLevels(leaves.map((leaf) => leafHash(leafBytes(head, leaf))));
  const treeRoot = rootOf(levels).toString('hex');
  const indexes = new Map(leaves.map(({ voter }, index) => [voter, index]));
  const { network, proposal, beforeSequence, snapshotSequence, supplyMicroFog } = head;
  return {
    network,
    proposal,
    beforeSequence,
    snapshotSequence,
    supplyMicroFog,
    voters: leaves.length,
    treeRoot,
    root: snapshotRootOf(head, leaves.length, treeRoot),
    leaves,
    placeOf(voter) {
      const index = indexes.get(voter);
      const power = index === undefined ? undefined : leaves[index];
      if (index === undefined || power === undefined) return null;
      return { index, power, proof: proofOf(levels, index).map((hash) => hash.toString('hex')) };
    },
  };
}

function leafFrom({ voter, publicKey, beforeMicroFog, atSnapshotMicroFog }: PowerEntry): VoterPower {
  assertPrincipal(voter, 'a voter');
  assertAmount(beforeMicroFog, { what: `the power of ${voter} before the proposal` });
  assertAmount(atSnapshotMicroFog, { what: `the power of ${voter} at the snapshot` });
  if (!/^[0-9a-f]{64}$/.test(publicKey)) {
    throw governanceFault('malformed', `the key of ${voter} is not 64 hex digits`, {
      hint: 'give the raw Ed25519 key',
    });
  }
  const powerMicroFog = beforeMicroFog < atSnapshotMicroFog ? beforeMicroFog : atSnapshotMicroFog;
  return { voter, publicKey, powerMicroFog };
}

/** What is wrong with the list of a snapshot; null for nothing. */
export function leavesFault(leaves: readonly VoterPower[], supplyMicroFog: bigint): string | null {
  let sum = 0n;
  for (const [index, { voter, powerMicroFog }] of leaves.entries()) {
    const previous = leaves[index - 1]?.voter;
    if (previous === voter) return `${voter} is there twice`;
    if (previous !== undefined && previous > voter) return `${voter} stands behind ${previous}`;
    if (powerMicroFog <= 0n) return `${voter} has no power`;
    sum += powerMicroFog;
  }
  return sum > supplyMicroFog ? `all voters have ${sum} together, and the supply is ${supplyMicroFog}` : null;
}

function leafBytes({ network, proposal }: SnapshotHead, { voter, publicKey, powerMicroFog }: VoterPower): Buffer {
  return canonicalBytes(LEAF_DOMAIN, [network, proposal, voter, publicKey, powerMicroFog]);
}

/** Hex of the root that is published. */
export function snapshotRootOf(head: SnapshotHead, voters: number, treeRoot: string): string {
  const { network, proposal, beforeSequence, snapshotSequence, supplyMicroFog } = head;
  const fields = [network, proposal, beforeSequence, snapshotSequence, supplyMicroFog, voters, treeRoot];
  return canonicalDigest(ROOT_DOMAIN, fields);
}

/** Hex of the root of the tree that a list gives. */
export function treeRootOf(head: SnapshotHead, leaves: readonly VoterPower[]): string {
  return rootOf(treeLevels(leaves.map((leaf) => leafHash(leafBytes(head, leaf))))).toString('hex');
}

/** Whether the snapshot gives this voter this power and this key, at this place. */
export function isInSnapshot(
  snapshot: PublishedSnapshot,
  { power, index, proof }: { power: VoterPower; index: number; proof: readonly string[] },
): boolean {
  if (proof.length > GOVERNANCE_LIMITS.proofHashes || power.powerMicroFog <= 0n) return false;
  const leaf = leafHash(leafBytes(snapshot, power));
  const hashes = proof.map((hash) => Buffer.from(hash, 'hex'));
  const root = Buffer.from(snapshot.treeRoot, 'hex');
  return isInTree({ leaf, index, proof: hashes }, { leaves: snapshot.voters, root });
}
