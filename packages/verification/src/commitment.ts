/**
 * Commit, then reveal: a node binds itself to its result before it could have seen another's.
 *
 * A commitment is SHA-256 over (domain, digest, node id, nonce), each with its length. The node id makes a copied
 * commitment worthless: revealed by another node it does not verify. The nonce keeps the digest from being guessed.
 * Who commits and reveals when is in `task-verification.ts`.
 */
import { hash } from 'node:crypto';
import { type Digest, digestSchema } from '@fog/contract';
import { z } from 'zod';
import { lengthPrefixed } from './length-prefixed.ts';
import { VERIFICATION_LIMITS } from './limits.ts';

const DOMAIN = 'fog-commitment-v1';
const COMMITMENT = /^[0-9a-f]{64}$/;
const NONCE = new RegExp(`^[0-9a-f]{${VERIFICATION_LIMITS.nonceBytes * 2}}$`);

/** 64 lower-case hex digits. */
export const commitmentSchema = z.string().regex(COMMITMENT, 'must be 64 lower-case hex digits');
/** 32 random bytes as 64 lower-case hex digits. */
export const nonceSchema = z.string().regex(NONCE, 'must be 64 lower-case hex digits');

export interface Reveal {
  digest: Digest;
  nodeId: string;
  /** Hex; `nonceSchema`. */
  nonce: string;
}

/** Hex of the commitment. The nonce must be fresh and random for each attempt. */
export function commitmentOf({ digest, nodeId, nonce }: Reveal): string {
  return hash('sha256', lengthPrefixed([DOMAIN, digest, nodeId, nonce]), 'hex');
}

export function isCommitment(text: string): boolean {
  return COMMITMENT.test(text);
}

/** False for anything malformed. Both sides are known to the node, so the time of the comparison tells nothing. */
export function opensCommitment(commitment: string, reveal: Reveal): boolean {
  const { nonce, digest, nodeId } = reveal;
  const isWellFormed = NONCE.test(nonce) && digestSchema.safeParse(digest).success && nodeId.isWellFormed();
  return isWellFormed && commitment === commitmentOf(reveal);
}
