/** What other authorities tell an authority: votes, reveals, proof lists, witness of them, endorsements, consensus. */
import { refuse } from './authority-relays.ts';
import type {
  AuthorityContext,
  AuthorityEffect,
  AuthorityState,
  AuthorityStep,
  RoundState,
} from './authority-state.ts';
import { descriptorFault, idOfDescriptor } from './descriptors.ts';
import {
  authorityMessageSchema,
  type Consensus,
  consensusSchema,
  type Endorsement,
  type SignedTestimony,
  type Vote,
  type Witness,
} from './documents.ts';
import { endorsersOf } from './endorsements.ts';
import { type Evidence, type Exchange, evidenceIn, receiveDocument, receiveWitness } from './exchange.ts';
import { ROUND_STEPS, type RoundStep } from './genesis.ts';
import { DIRECTORY_LIMITS } from './limits.ts';
import { documentDigest, isSignedBy, type Signed } from './signed-document.ts';

/** Until the end of which step each kind of document, and witness of it, is taken. */
const TAKEN_UNTIL: Readonly<Record<keyof RoundState['exchanges'], { direct: RoundStep; witness: RoundStep }>> = {
  vote: { direct: 'votes', witness: 'vote-witness' },
  reveal: { direct: 'reveals', witness: 'reveal-witness' },
  'proof-list': { direct: 'proof-lists', witness: 'proof-witness' },
};

export function onMessage(state: AuthorityState, document: unknown, context: AuthorityContext): AuthorityStep {
  const parsed = authorityMessageSchema.safeParse(document);
  if (!parsed.success) return refuse(state, 'malformed');
  const message = parsed.data;
  const { round } = state;
  const { authority, network, epoch } = message.body;
  if (network !== context.network) return refuse(state, 'wrong-network');
  if (round === null || epoch !== round.epoch) return refuse(state, 'wrong-epoch');
  const publicKey = keyOf(authority, context);
  if (publicKey === undefined) return refuse(state, 'unknown-authority');
  if (authority === context.authority) return refuse(state, 'known');
  if (!isSignedBy(message, publicKey)) return refuse(state, 'bad-signature');
  switch (message.body.kind) {
    case 'witness':
      return onWitness(state, round, message.body, context);
    case 'endorsement':
      return onEndorsement(state, round, { ...message, body: message.body }, context);
    default:
      return onTestimony(state, round, { ...message, body: message.body }, context);
  }
}

/** A consensus that others have published: the newest one is kept, also if this authority computed another. */
export function onConsensus(state: AuthorityState, document: unknown, context: AuthorityContext): AuthorityStep {
  const parsed = consensusSchema.safeParse(document);
  if (!parsed.success) return refuse(state, 'malformed');
  const { data: consensus } = parsed;
  const { network, epoch } = consensus.body;
  if (network !== context.network) return refuse(state, 'wrong-network');
  if (state.latest !== null && epoch <= state.latest.body.epoch) return refuse(state, 'known');
  // Signed by a threshold it cannot be of the future, unless this clock is wrong.
  if (epoch > (state.round?.epoch ?? 0)) return refuse(state, 'wrong-epoch');
  if (endorsersOf(consensus, context.genesis).length < context.genesis.threshold) return refuse(state, 'not-endorsed');
  return { state: withLatest(state, consensus), effects: [{ kind: 'adopt', consensus }] };
}

/** Publishes as soon as enough have endorsed what this authority has endorsed. */
export function withPublication(step: AuthorityStep, { genesis }: AuthorityContext): AuthorityStep {
  const { state, effects } = step;
  const { round } = state;
  if (round === null || round.endorsed === null || round.isPublished) return step;
  const { digest, body } = round.endorsed;
  const alike = round.endorsements.filter((entry) => entry.digest === digest);
  if (alike.length < genesis.threshold) return step;
  const signatures = alike
    .map(({ authority, signedMilliseconds, signature }) => ({ authority, signedMilliseconds, signature }))
    .sort((a, b) => (a.authority < b.authority ? -1 : 1));
  const consensus: Consensus = { body, signatures };
  const published = { ...state, round: { ...round, isPublished: true } };
  return { state: withLatest(published, consensus), effects: [...effects, { kind: 'publish', consensus }] };
}

function withLatest(state: AuthorityState, consensus: Consensus): AuthorityState {
  const { epoch, randomness } = consensus.body;
  if (state.latest !== null && state.latest.body.epoch > epoch) return state;
  return { ...state, latest: consensus, previous: { epoch, seed: randomness.seed } };
}

function onTestimony(
  state: AuthorityState,
  round: RoundState,
  document: SignedTestimony,
  context: AuthorityContext,
): AuthorityStep {
  const { kind } = document.body;
  if (isOver(round, TAKEN_UNTIL[kind].direct)) return refuse(state, 'late');
  if (!isSound(state, document, context)) return refuse(state, 'bad-content');
  const next = receiveDocument(round.exchanges[kind], document, documentDigest(document.body));
  return next === null ? refuse(state, 'known') : withExchange(state, round, kind, next);
}

function onWitness(
  state: AuthorityState,
  round: RoundState,
  { authority, of, seen }: Witness,
  context: AuthorityContext,
): AuthorityStep {
  if (isOver(round, TAKEN_UNTIL[of].witness)) return refuse(state, 'late');
  const exchange = round.exchanges[of];
  const passedOn = seen.map((document) => ({ digest: documentDigest(document.body), document }));
  const bySender = Map.groupBy(passedOn, ({ document }) => document.body.authority);
  const isFew = [...bySender.values()].every(({ length }) => length <= DIRECTORY_LIMITS.documentsPerSender);
  const unknown = passedOn.filter(({ digest }) => !exchange.documents.some((known) => known.digest === digest));
  const areSound = unknown.every(({ document }) => {
    const publicKey = keyOf(document.body.authority, context);
    return publicKey !== undefined && isSignedBy(document, publicKey) && isSound(state, document, context);
  });
  if (!isFew || !areSound) return refuse(state, 'bad-content');
  const next = receiveWitness(exchange, authority, passedOn);
  return next === null ? refuse(state, 'known') : withExchange(state, round, of, next);
}

function onEndorsement(
  state: AuthorityState,
  round: RoundState,
  { body, signature }: Signed<Endorsement>,
  context: AuthorityContext,
): AuthorityStep {
  const { authority, digest, signedMilliseconds } = body;
  if (round.endorsements.some((known) => known.authority === authority)) return refuse(state, 'known');
  const endorsements = [...round.endorsements, { authority, digest, signedMilliseconds, signature }];
  const isOther = round.endorsed !== null && round.endorsed.digest !== digest;
  const effects: AuthorityEffect[] = isOther ? [{ kind: 'disagreement', authority, digest }] : [];
  return withPublication({ state: { ...state, round: { ...round, endorsements } }, effects }, context);
}

/** Takes in what an exchange has come to, and tells of lies that have come out by it. */
function withExchange(
  state: AuthorityState,
  round: RoundState,
  of: keyof RoundState['exchanges'],
  next: Exchange,
): AuthorityStep {
  const known = new Set(evidenceIn(round.exchanges[of]).map(({ authority }) => authority));
  const found: Evidence[] = evidenceIn(next).filter(({ authority }) => !known.has(authority));
  return {
    state: { ...state, round: { ...round, exchanges: { ...round.exchanges, [of]: next } } },
    effects: found.map((evidence): AuthorityEffect => ({ kind: 'evidence', evidence })),
  };
}

/** What is in a document whose form and signature are right. It must not depend on what else this authority knows. */
function isSound(state: AuthorityState, { body }: SignedTestimony, context: AuthorityContext): boolean {
  return body.kind !== 'vote' || isSoundVote(state, body, context);
}

function isSoundVote({ descriptors }: AuthorityState, vote: Vote, { network, genesis }: AuthorityContext): boolean {
  const checked = new Map(descriptors.map(({ document, digest }) => [document.signature, digest]));
  return vote.relays.every(({ id, descriptor, sent, returned }) => {
    if (id !== idOfDescriptor(descriptor) || descriptor.body.epoch !== vote.epoch || returned > sent) return false;
    const own = checked.get(descriptor.signature);
    const isChecked = own !== undefined && own === documentDigest(descriptor.body);
    return isChecked || descriptorFault(descriptor, { network, test: genesis.test }) === null;
  });
}

function isOver(round: RoundState, step: RoundStep): boolean {
  return round.step === 'idle' || ROUND_STEPS.indexOf(round.step) > ROUND_STEPS.indexOf(step);
}

function keyOf(authority: string, { genesis }: AuthorityContext): string | undefined {
  return genesis.authorities.find(({ id }) => id === authority)?.publicKey;
}
