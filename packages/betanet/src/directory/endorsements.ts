/** Who has really endorsed a consensus. */
import { type Consensus, endorsementOf } from './documents.ts';
import type { Genesis } from './genesis.ts';
import { documentDigest, isSignedBy } from './signed-document.ts';

export interface Endorser {
  authority: string;
  signedMilliseconds: number;
}

/** Authorities of the genesis whose signatures are right, in the order of their names. */
export function endorsersOf({ body, signatures }: Consensus, { authorities }: Genesis): Endorser[] {
  const digest = documentDigest(body);
  const keys = new Map(authorities.map(({ id, publicKey }) => [id, publicKey]));
  return signatures.flatMap((entry): Endorser[] => {
    const publicKey = keys.get(entry.authority);
    if (publicKey === undefined) return [];
    const endorsement = { body: endorsementOf(body, digest, entry), signature: entry.signature };
    const { authority, signedMilliseconds } = entry;
    return isSignedBy(endorsement, publicKey) ? [{ authority, signedMilliseconds }] : [];
  });
}

/**
 * Authorities that have endorsed both of two different consensuses for one epoch. Where two are valid there is at least
 * one such, and the documents themselves prove it.
 */
export function doubleEndorsers(first: Consensus, second: Consensus, genesis: Genesis): string[] {
  const isOneEpoch = first.body.epoch === second.body.epoch && first.body.network === second.body.network;
  if (!isOneEpoch || documentDigest(first.body) === documentDigest(second.body)) return [];
  const others = new Set(endorsersOf(second, genesis).map(({ authority }) => authority));
  return endorsersOf(first, genesis)
    .map(({ authority }) => authority)
    .filter((authority) => others.has(authority));
}
