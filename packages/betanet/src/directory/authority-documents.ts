/** The documents that an authority signs. */
import type { AuthorityContext, AuthorityState, RoundState } from './authority-state.ts';
import {
  type AuthorityMessage,
  endorsementOf,
  type ProofList,
  type RevealedValue,
  type SeedNotice,
  type SignedTestimony,
  type Vote,
  type VotedRelay,
  type Witness,
} from './documents.ts';
import { documentsToPassOn } from './exchange.ts';
import { DIRECTORY_LIMITS } from './limits.ts';
import { measuredRelays } from './probe-record.ts';
import { commitmentTo } from './shared-randomness.ts';
import { type Signed, signDocument } from './signed-document.ts';

export function makeVote(state: AuthorityState, value: string, context: AuthorityContext): SignedTestimony {
  const { network, authority, standing } = context;
  const epoch = state.round?.epoch ?? 0;
  const measured = measuredRelays(state.probes, epoch);
  const described = state.descriptors.filter(({ document }) => document.body.epoch === epoch);
  const ofOperator = Map.groupBy(described, ({ document }) => document.body.operator);
  const relays = described
    .map(({ id, document }): VotedRelay => {
      const { operator } = document.body;
      const count = ofOperator.get(operator)?.length ?? 1;
      const { stake, reputationPpm } = standing.standingOf({ id, operator, relays: count });
      const { sent = 0, returned = 0 } = measured.get(id) ?? {};
      return { id, descriptor: document, stake: `${stake}`, reputationPpm, sent, returned };
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .slice(0, DIRECTORY_LIMITS.relays);
  const commitment = commitmentTo({ network, epoch }, { authority, value });
  const vote: Vote = { kind: 'vote', network, epoch, authority, commitment, previous: state.previous, relays };
  return signDocument(vote, context.sign);
}

export function makeReveal(epoch: number, value: string, context: AuthorityContext): SignedTestimony {
  const { network, authority } = context;
  return signDocument<RevealedValue>({ kind: 'reveal', network, epoch, authority, value }, context.sign);
}

export function makeProofList({ epoch, proofs }: RoundState, context: AuthorityContext): SignedTestimony {
  const { network, authority } = context;
  const listed = Object.entries(proofs)
    .map(([id, proof]) => ({ id, proof }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return signDocument<ProofList>({ kind: 'proof-list', network, epoch, authority, proofs: listed }, context.sign);
}

export function seedNotice(epoch: number, seed: string, context: AuthorityContext): Signed<SeedNotice> {
  const { network, authority } = context;
  return signDocument<SeedNotice>({ kind: 'seed-notice', network, epoch, authority, seed }, context.sign);
}

/** What it has to send to the others in the present step, if anything. Made again, it is the same to the byte. */
export function currentDocument(state: AuthorityState, context: AuthorityContext): AuthorityMessage | null {
  const round = state.round;
  if (round === null || round.failure !== null) return null;
  const { authority } = context;
  const own = (kind: keyof RoundState['exchanges']) =>
    documentsToPassOn(round.exchanges[kind]).find(({ document }) => document.body.authority === authority)?.document;
  switch (round.step) {
    case 'votes':
      return own('vote') ?? null;
    case 'reveals':
      return own('reveal') ?? null;
    case 'proof-lists':
      return own('proof-list') ?? null;
    case 'vote-witness':
      return makeWitness(round, 'vote', context);
    case 'reveal-witness':
      return makeWitness(round, 'reveal', context);
    case 'proof-witness':
      return makeWitness(round, 'proof-list', context);
    case 'consensus':
    case 'idle':
      return ownEndorsement(round, context);
    default:
      return null;
  }
}

function makeWitness(round: RoundState, of: Witness['of'], context: AuthorityContext): AuthorityMessage | null {
  const exchange = round.exchanges[of];
  if (!exchange.witnessed.some(({ authority }) => authority === context.authority)) return null;
  const { network, authority } = context;
  const seen = documentsToPassOn(exchange).map(({ document }) => document);
  return signDocument<Witness>({ kind: 'witness', network, epoch: round.epoch, authority, of, seen }, context.sign);
}

function ownEndorsement(
  { endorsed, endorsements }: RoundState,
  { authority }: AuthorityContext,
): AuthorityMessage | null {
  const own = endorsements.find((entry) => entry.authority === authority);
  if (endorsed === null || own === undefined) return null;
  return { body: endorsementOf(endorsed.body, own.digest, own), signature: own.signature };
}
