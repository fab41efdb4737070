/**
 * How authorities come to the same view of what each of them has said, though one of them may say different things to
 * different others, or say it so late that only some hear it in time.
 *
 *     step 1   everybody sends its document to everybody
 *     step 2   everybody passes on, signed, what it has received in step 1
 *
 * A document counts when enough have signed for it, its sender among them. What reaches one honest authority in step 1
 * reaches all of them in step 2, with two signatures; what a sender shows for the first time in step 2 has one. So with
 * one liar all honest ones count the same, if their own messages take less than a step. Two different documents of one
 * sender, each with a second signature, are proof that it lies, and neither counts.
 *
 * Several liars who time their messages together can still divide the honest ones, and so can one who is helped by a
 * network that keeps the honest ones apart. What is left then is that an honest authority endorses one consensus only,
 * and that two thresholds of n have `2 * threshold - n` authorities in common: with fewer liars than that there are no
 * two valid ones. Of three with a threshold of two that bears no liar, of four with three it bears one. Where there are
 * two, they themselves prove who endorsed both (`doubleEndorsers`).
 *
 * Source: Dolev and Strong, "Authenticated algorithms for Byzantine agreement", 1983, with two rounds.
 */
import type { SignedTestimony } from './documents.ts';
import { DIRECTORY_LIMITS } from './limits.ts';

export interface Exchange {
  /** All known documents. */
  documents: { digest: string; document: SignedTestimony }[];
  /** Digests of those that came from their senders in step 1, the own among them. */
  direct: string[];
  /** What each authority passed on in step 2, the own among them. */
  witnessed: { authority: string; digests: string[] }[];
}

export const NEW_EXCHANGE: Exchange = { documents: [], direct: [], witnessed: [] };

/** Two different documents of one sender, both with its signature. */
export interface Evidence {
  authority: string;
  first: SignedTestimony;
  second: SignedTestimony;
}

export interface Settled {
  /** Documents that count, in the order of their senders. */
  counted: SignedTestimony[];
  equivocated: string[];
  /** Neither: nothing of theirs has reached enough. */
  absent: string[];
}

/** A document from its sender, whose signature was checked. Null: it is known already, or one too many of this sender. */
export function receiveDocument(exchange: Exchange, document: SignedTestimony, digest: string): Exchange | null {
  const ofSender = exchange.direct.filter((known) => senderOf(exchange, known) === document.body.authority);
  if (ofSender.includes(digest) || ofSender.length >= DIRECTORY_LIMITS.documentsPerSender) return null;
  return { ...withDocument(exchange, document, digest), direct: [...exchange.direct, digest] };
}

/** What another passes on. Null: it has done so already. All signatures must have been checked. */
export function receiveWitness(
  exchange: Exchange,
  authority: string,
  seen: readonly { digest: string; document: SignedTestimony }[],
): Exchange | null {
  if (exchange.witnessed.some((known) => known.authority === authority)) return null;
  const next = seen.reduce((before, { digest, document }) => withDocument(before, document, digest), exchange);
  return { ...next, witnessed: [...exchange.witnessed, { authority, digests: seen.map(({ digest }) => digest) }] };
}

/** What this authority has to pass on, in the order of digests. */
export function documentsToPassOn({ documents, direct }: Exchange): { digest: string; document: SignedTestimony }[] {
  return documents.filter(({ digest }) => direct.includes(digest)).sort((a, b) => (a.digest < b.digest ? -1 : 1));
}

export function settleExchange(exchange: Exchange, authorities: readonly string[], threshold: number): Settled {
  const settled: Settled = { counted: [], equivocated: [], absent: [] };
  for (const authority of authorities.toSorted()) {
    const seen = exchange.documents
      .filter(({ document }) => document.body.authority === authority)
      .map((known) => ({ ...known, signers: signersOf(exchange, known.digest, authority) }))
      .filter(({ signers }) => signers >= Math.min(2, threshold));
    const [first] = seen;
    if (seen.length > 1) settled.equivocated.push(authority);
    else if (first !== undefined && first.signers >= threshold) settled.counted.push(first.document);
    else settled.absent.push(authority);
  }
  return settled;
}

/** The first proof of each sender's lie. */
export function evidenceIn({ documents }: Exchange): Evidence[] {
  const first = new Map<string, SignedTestimony>();
  const evidence = new Map<string, Evidence>();
  for (const { document } of documents) {
    const { authority } = document.body;
    const known = first.get(authority);
    if (known === undefined) first.set(authority, document);
    else if (!evidence.has(authority)) evidence.set(authority, { authority, first: known, second: document });
  }
  return [...evidence.values()];
}

function signersOf({ witnessed }: Exchange, digest: string, sender: string): number {
  const others = witnessed.filter(({ authority, digests }) => authority !== sender && digests.includes(digest));
  return 1 + others.length;
}

function senderOf({ documents }: Exchange, digest: string): string | undefined {
  return documents.find((known) => known.digest === digest)?.document.body.authority;
}

function withDocument(exchange: Exchange, document: SignedTestimony, digest: string): Exchange {
  if (exchange.documents.some((known) => known.digest === digest)) return exchange;
  return { ...exchange, documents: [...exchange.documents, { digest, document }] };
}
