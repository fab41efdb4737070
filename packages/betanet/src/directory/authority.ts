/**
 * A directory authority: what follows from what it is told, and from time.
 *
 *     descriptors --> votes --> vote-witness --> reveals --> reveal-witness --> proofs --> proof-lists --> proof-witness
 *          ^                         |                             |                                            |
 *          |                   too few votes                too few reveals                                 consensus
 *          |                         +--------> failed <-----------+                                            |
 *          +------------------------------- next round ------------------ idle <--------------------------------+
 *
 * Time alone moves it on (schedule.ts); an event is looked at in the step that its time falls into. Entering a step:
 *
 *     votes           commits to a random value, names the descriptors it has; sends its vote
 *     vote-witness    passes on the votes it has received
 *     reveals         votes are settled; sends the value it committed to
 *     reveal-witness  passes on the reveals
 *     proofs          reveals are settled: the seed; who committed and did not reveal is known; announces the seed
 *     proof-lists     sends the proofs that relays have shown it
 *     proof-witness   passes on the lists
 *     consensus       lists are settled; computes, endorses and sends the digest of the consensus
 *
 * With endorsements of the same digest from a threshold, its own among them, it publishes, then or later in the round.
 * It endorses one consensus in a round. What should have been sent in a step that passed while it was down is not sent
 * any more; it goes on with what it has, and takes the others' consensus if it comes to nothing (`adopt`).
 *
 * Pure: the same state, event, time and context give the same step, but for the random value. Time that goes back
 * changes nothing.
 */

import { agreedRelays } from './agreed-relays.ts';
import { currentDocument, makeProofList, makeReveal, makeVote, seedNotice } from './authority-documents.ts';
import { onConsensus, onMessage, withPublication } from './authority-messages.ts';
import { onDescriptor, onMeasured, onProof } from './authority-relays.ts';
import {
  type AuthorityContext,
  type AuthorityEffect,
  type AuthorityEvent,
  type AuthorityState,
  type AuthorityStep,
  newRound,
  type RoundState,
} from './authority-state.ts';
import { composeConsensus } from './compose-consensus.ts';
import { endorsementOf, type ProofList, type Vote } from './documents.ts';
import { documentsToPassOn, receiveDocument, receiveWitness, type Settled, settleExchange } from './exchange.ts';
import { ROUND_STEPS } from './genesis.ts';
import { recentProbes } from './probe-record.ts';
import { momentAt } from './schedule.ts';
import { agreedPrevious, commitmentTo, type RandomValue, seedOf } from './shared-randomness.ts';
import { documentDigest, signDocument } from './signed-document.ts';

const STEPS = [...ROUND_STEPS, 'idle'] as const;
type Step = (typeof STEPS)[number];

/** What follows from an event at a time (milliseconds since 1970). Save the state before carrying out the effects. */
export function stepAuthority(
  state: AuthorityState,
  event: AuthorityEvent,
  now: number,
  context: AuthorityContext,
): AuthorityStep {
  const moved = moveOn(state, now, context);
  const step = onEvent(moved.state, event, now, context);
  return { state: step.state, effects: [...moved.effects, ...step.effects] };
}

/** What of its own should reach the others in the present step: to be sent again to who may not have received it. */
export function resend(state: AuthorityState, context: AuthorityContext): AuthorityEffect[] {
  const document = currentDocument(state, context);
  return document === null ? [] : [{ kind: 'broadcast', document }];
}

function onEvent(state: AuthorityState, event: AuthorityEvent, now: number, context: AuthorityContext): AuthorityStep {
  switch (event.kind) {
    case 'tick':
      return { state, effects: [] };
    case 'descriptor':
      return onDescriptor(state, event, now, context);
    case 'proof':
      return onProof(state, event.document, context);
    case 'message':
      return onMessage(state, event.document, context);
    case 'consensus':
      return onConsensus(state, event.document, context);
    case 'measured':
      return onMeasured(state, event.loops);
  }
}

/** Enters the steps that time has brought, one after another. */
function moveOn(state: AuthorityState, now: number, context: AuthorityContext): AuthorityStep {
  const moment = momentAt(context.genesis, now);
  if (moment === null || moment.epoch < (state.round?.epoch ?? 0)) return { state, effects: [] };
  let moved: AuthorityStep = { state, effects: [] };
  if (moment.epoch !== state.round?.epoch) moved = { state: beginRound(state, moment.epoch), effects: [] };
  const from = STEPS.indexOf(moved.state.round?.step ?? 'descriptors');
  for (const step of STEPS.slice(from + 1, STEPS.indexOf(moment.step) + 1)) {
    const next = enter(moved.state, step, step === moment.step, now, context);
    moved = { state: next.state, effects: [...moved.effects, ...next.effects] };
  }
  return moved;
}

function beginRound(state: AuthorityState, epoch: number): AuthorityState {
  return {
    ...state,
    descriptors: state.descriptors.filter(({ document }) => document.body.epoch >= epoch),
    probes: recentProbes(state.probes, epoch),
    round: newRound(epoch),
  };
}

/** `inTime`: the step is the present one, so that what it asks to be sent will still be accepted. */
function enter(
  state: AuthorityState,
  step: Step,
  inTime: boolean,
  now: number,
  context: AuthorityContext,
): AuthorityStep {
  const round = state.round;
  if (round === null) return { state, effects: [] };
  const at = withRound(state, { ...round, step });
  if (round.failure !== null) return { state: at, effects: [] };
  const settled = settle(at, step, now, context);
  if (!inTime || settled.state.round?.failure != null) return settled;
  const made = make(settled.state, step, context);
  const sent = currentDocument(made, context);
  const broadcast: AuthorityEffect[] = sent === null ? [] : [{ kind: 'broadcast', document: sent }];
  return withPublication({ state: made, effects: [...settled.effects, ...broadcast] }, context);
}

/** What the end of the step before has decided. */
function settle(state: AuthorityState, step: Step, now: number, context: AuthorityContext): AuthorityStep {
  const round = state.round;
  if (round === null) return { state, effects: [] };
  if (step === 'reveals') {
    const { counted } = settledOf(round, 'vote', context);
    return counted.length < context.genesis.threshold ? fail(state, round, 'too-few-votes') : { state, effects: [] };
  }
  if (step === 'proofs') return settleReveals(state, round, context);
  if (step === 'consensus') return endorse(state, round, now, context);
  return { state, effects: [] };
}

function settleReveals(state: AuthorityState, round: RoundState, context: AuthorityContext): AuthorityStep {
  const { genesis } = context;
  const { votes, reveals, previous } = randomnessOf(round, context);
  if (reveals.length < genesis.threshold) return fail(state, round, 'too-few-reveals');
  const seed = seedOf({ network: context.network, epoch: round.epoch }, reveals, previous);
  const mixes = agreedRelays(votes, genesis.threshold, genesis.lottery).agreed.filter(
    ({ descriptor: { role, registeredEpoch } }) => role === 'mix' && registeredEpoch < round.epoch,
  );
  const vrfKeys = Object.fromEntries(mixes.map(({ id, descriptor }) => [id, descriptor.vrfKey]));
  const next = withRound(state, { ...round, seed, vrfKeys });
  return { state: next, effects: [{ kind: 'announce-seed', document: seedNotice(round.epoch, seed, context) }] };
}

function endorse(state: AuthorityState, round: RoundState, now: number, context: AuthorityContext): AuthorityStep {
  const { network, authority, genesis } = context;
  if (round.seed === null || round.endorsed !== null) return { state, effects: [] };
  const { votes, votesSettled, reveals, withheld, previous } = randomnessOf(round, context);
  const revealsSettled = settledOf(round, 'reveal', context);
  const listsSettled = settledOf(round, 'proof-list', context);
  const equivocated = new Set([votesSettled, revealsSettled, listsSettled].flatMap(({ equivocated }) => equivocated));
  const body = composeConsensus(
    genesis,
    {
      network,
      epoch: round.epoch,
      votes,
      proofLists: listsSettled.counted.map(({ body }) => body as ProofList),
      randomness: { previous, reveals, withheld, seed: round.seed },
      equivocated: [...equivocated],
      absent: votesSettled.absent,
    },
    context.verifyProof,
  );
  const digest = documentDigest(body);
  const endorsement = endorsementOf(body, digest, { authority, signedMilliseconds: Math.max(0, Math.floor(now)) });
  const { signature } = signDocument(endorsement, context.sign);
  const { signedMilliseconds } = endorsement;
  const others = round.endorsements.filter((entry) => entry.authority !== authority);
  const endorsements = [...others, { authority, digest, signedMilliseconds, signature }];
  const disagreements = others
    .filter((entry) => entry.digest !== digest)
    .map((entry): AuthorityEffect => ({ kind: 'disagreement', authority: entry.authority, digest: entry.digest }));
  return {
    state: withRound(state, { ...round, endorsed: { digest, body }, endorsements }),
    effects: disagreements,
  };
}

/** Puts into the state what is to be sent in this step. */
function make(state: AuthorityState, step: Step, context: AuthorityContext): AuthorityState {
  const round = state.round;
  if (round === null) return state;
  switch (step) {
    case 'votes': {
      // Standing changes: made again, it could be another vote, and nobody may send two.
      if (round.exchanges.vote.documents.some(({ document }) => document.body.authority === context.authority)) {
        return state;
      }
      const value = round.value ?? Buffer.from(context.random(32)).toString('hex');
      return withOwn(withRound(state, { ...round, value }), makeVote(state, value, context));
    }
    case 'reveals':
      return round.value === null ? state : withOwn(state, makeReveal(round.epoch, round.value, context));
    case 'proof-lists':
      return round.seed === null ? state : withOwn(state, makeProofList(round, context));
    case 'vote-witness':
      return withOwnWitness(state, 'vote', context);
    case 'reveal-witness':
      return withOwnWitness(state, 'reveal', context);
    case 'proof-witness':
      return withOwnWitness(state, 'proof-list', context);
    default:
      return state;
  }
}

function withOwn(state: AuthorityState, document: ReturnType<typeof makeVote>): AuthorityState {
  const round = state.round;
  if (round === null) return state;
  const { kind } = document.body;
  const next = receiveDocument(round.exchanges[kind], document, documentDigest(document.body));
  return next === null ? state : withRound(state, { ...round, exchanges: { ...round.exchanges, [kind]: next } });
}

function withOwnWitness(
  state: AuthorityState,
  of: keyof RoundState['exchanges'],
  { authority }: AuthorityContext,
): AuthorityState {
  const round = state.round;
  if (round === null) return state;
  const next = receiveWitness(round.exchanges[of], authority, documentsToPassOn(round.exchanges[of]));
  return next === null ? state : withRound(state, { ...round, exchanges: { ...round.exchanges, [of]: next } });
}

function settledOf(round: RoundState, of: keyof RoundState['exchanges'], { genesis }: AuthorityContext): Settled {
  const names = genesis.authorities.map(({ id }) => id);
  return settleExchange(round.exchanges[of], names, genesis.threshold);
}

/** Reveals that count: seen by enough, and what their authors had committed to in a vote that counts. */
function randomnessOf(round: RoundState, context: AuthorityContext) {
  const scope = { network: context.network, epoch: round.epoch };
  const votesSettled = settledOf(round, 'vote', context);
  const votes = votesSettled.counted.map(({ body }) => body as Vote);
  const commitments = new Map(votes.map(({ authority, commitment }) => [authority, commitment]));
  const reveals = settledOf(round, 'reveal', context).counted.flatMap(({ body }): RandomValue[] => {
    if (body.kind !== 'reveal') return [];
    const { authority, value } = body;
    return commitments.get(authority) === commitmentTo(scope, body) ? [{ authority, value }] : [];
  });
  const revealed = new Set(reveals.map(({ authority }) => authority));
  const withheld = [...commitments.keys()].filter((authority) => !revealed.has(authority)).sort();
  return { votesSettled, votes, reveals, withheld, previous: agreedPrevious(votes) };
}

function fail(state: AuthorityState, round: RoundState, failure: NonNullable<RoundState['failure']>): AuthorityStep {
  return {
    state: withRound(state, { ...round, failure, value: null }),
    effects: [{ kind: 'round-failed', epoch: round.epoch, reason: failure }],
  };
}

function withRound(state: AuthorityState, round: RoundState): AuthorityState {
  return { ...state, round };
}
