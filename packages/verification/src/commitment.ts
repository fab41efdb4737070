/**
 * Commit, then reveal: a node binds itself to its result before it could have seen another's.
 *
 * A commitment is SHA-256 over (domain, digest, node id, nonce), each with its length. The node id makes a copied
 * commitment worthless: revealed by another node it does not verify. The nonce keeps the digest from being guessed.
 *
 * A round holds the replicas that run side by side:
 *
 *     committing --(all are in and every live one has committed, or the deadline passed)--> revealing
 *
 *     replica    working -> committed -> revealed | refused
 *                working -> left        (failed, lost, or still working when the round opened)
 *
 * A round without a live replica is not opened: there is nothing to reveal. A commitment that comes after the round
 * opened is refused, because from then on somebody's result may be known.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Digest, digestSchema } from '@fog/contract';
import { z } from 'zod';
import { lengthPrefixed } from './length-prefixed.ts';
import { VERIFICATION_LIMITS } from './limits.ts';

const DOMAIN = 'fog-commitment-v1';
const { nonceBytes } = VERIFICATION_LIMITS;

/** 64 lower-case hex digits. */
export const commitmentSchema = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');
/** 32 random bytes as 64 lower-case hex digits. */
export const nonceSchema = z
  .string()
  .regex(new RegExp(`^[0-9a-f]{${nonceBytes * 2}}$`), `must be ${nonceBytes * 2} lower-case hex digits`);

export interface Reveal {
  digest: Digest;
  nodeId: string;
  /** Hex; `nonceSchema`. */
  nonce: string;
}

/** Hex of the commitment. The nonce must be fresh and random for each attempt. */
export function commitmentOf({ digest, nodeId, nonce }: Reveal): string {
  return createHash('sha256')
    .update(lengthPrefixed([DOMAIN, digest, nodeId, nonce]))
    .digest('hex');
}

/** Compares in constant time. False for anything malformed. */
export function opensCommitment(commitment: string, reveal: Reveal): boolean {
  const isWellFormed =
    commitmentSchema.safeParse(commitment).success &&
    nonceSchema.safeParse(reveal.nonce).success &&
    digestSchema.safeParse(reveal.digest).success &&
    reveal.nodeId.isWellFormed();
  if (!isWellFormed) return false;
  return timingSafeEqual(Buffer.from(commitment, 'hex'), Buffer.from(commitmentOf(reveal), 'hex'));
}

export const roundMemberSchema = z.strictObject({
  nodeId: z.string(),
  state: z.enum(['working', 'committed', 'revealed', 'refused', 'left']),
  commitment: commitmentSchema.nullable(),
});
export type RoundMember = z.infer<typeof roundMemberSchema>;

export const commitRoundSchema = z.strictObject({
  phase: z.enum(['committing', 'revealing']),
  members: z.array(roundMemberSchema).max(VERIFICATION_LIMITS.replicas + VERIFICATION_LIMITS.failedReplicas),
});
/** Plain data; stored as JSON. */
export type CommitRound = z.infer<typeof commitRoundSchema>;

export type RefusalReason =
  | 'not-in-round'
  | 'round-open'
  | 'round-not-open'
  | 'already-committed'
  | 'not-committed'
  | 'commitment-mismatch';

/** `refused` leaves the round as it was, but for `commitment-mismatch`, which ends the member's part in it. */
export interface RoundStep {
  round: CommitRound;
  refused: RefusalReason | null;
}

export function emptyRound(): CommitRound {
  return { phase: 'committing', members: [] };
}

/** Adds a replica; a node that left may come back. Null when the round is open, or the node is in it already. */
export function joinRound(round: CommitRound, nodeId: string): CommitRound | null {
  const others = round.members.filter((member) => member.nodeId !== nodeId || member.state !== 'left');
  if (round.phase !== 'committing' || others.some((member) => member.nodeId === nodeId)) return null;
  return { ...round, members: [...others, { nodeId, state: 'working', commitment: null }] };
}

/** The first commitment of a node counts; it cannot be taken back. */
export function commit(round: CommitRound, nodeId: string, commitment: string): RoundStep {
  const member = round.members.find((candidate) => candidate.nodeId === nodeId);
  if (member === undefined) return { round, refused: 'not-in-round' };
  if (round.phase !== 'committing') return { round, refused: 'round-open' };
  if (member.state !== 'working') return { round, refused: 'already-committed' };
  return { round: withMember(round, { ...member, state: 'committed', commitment }), refused: null };
}

/** A replica will not answer any more. Changes nothing for a node that has revealed, or is not in the round. */
export function leaveRound(round: CommitRound, nodeId: string): CommitRound {
  const member = round.members.find((candidate) => candidate.nodeId === nodeId);
  if (member === undefined || (member.state !== 'working' && member.state !== 'committed')) return round;
  return withMember(round, { ...member, state: 'left' });
}

/** Opens the round when every live replica has committed. Call it when no other replica is still to join. */
export function openRound(round: CommitRound): CommitRound {
  const waits = round.members.some(({ state }) => state === 'working');
  const hasCommitted = round.members.some(({ state }) => state === 'committed');
  return round.phase === 'committing' && !waits && hasCommitted ? { ...round, phase: 'revealing' } : round;
}

/** The time to commit is over: who is still working has left, and nobody joins any more. */
export function closeCommitting(round: CommitRound): CommitRound {
  if (round.phase !== 'committing') return round;
  const members = round.members.map((member) =>
    member.state === 'working' ? { ...member, state: 'left' as const } : member,
  );
  return openRound({ ...round, members });
}

/** A reveal that does not open the node's commitment is refused, and the node cannot try another one. */
export function reveal(round: CommitRound, opened: Reveal): RoundStep {
  const member = round.members.find((candidate) => candidate.nodeId === opened.nodeId);
  if (member === undefined) return { round, refused: 'not-in-round' };
  if (member.state !== 'committed' || member.commitment === null) return { round, refused: 'not-committed' };
  if (round.phase !== 'revealing') return { round, refused: 'round-not-open' };
  const isOpened = opensCommitment(member.commitment, opened);
  return {
    round: withMember(round, { ...member, state: isOpened ? 'revealed' : 'refused' }),
    refused: isOpened ? null : 'commitment-mismatch',
  };
}

function withMember(round: CommitRound, changed: RoundMember): CommitRound {
  return { ...round, members: round.members.map((member) => (member.nodeId === changed.nodeId ? changed : member)) };
}
