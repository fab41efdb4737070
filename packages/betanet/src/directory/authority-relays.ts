/** What relays and probes tell an authority: descriptors, proofs of the lottery, measurements. */
import { lotteryInput } from '../lottery/relay-lottery.ts';
import type {
  AuthorityContext,
  AuthorityEvent,
  AuthorityState,
  AuthorityStep,
  Refusal,
  StoredDescriptor,
} from './authority-state.ts';
import { descriptorFault, idOfDescriptor } from './descriptors.ts';
import { drawProofSchema, signedDescriptorSchema } from './documents.ts';
import { DIRECTORY_LIMITS } from './limits.ts';
import { type ProbedLoop, withLoops } from './probe-record.ts';
import { documentDigest } from './signed-document.ts';

export function refuse(state: AuthorityState, reason: Refusal): AuthorityStep {
  return { state, effects: [{ kind: 'refused', reason }] };
}

type DescriptorCame = Omit<Extract<AuthorityEvent, { kind: 'descriptor' }>, 'kind'>;

/**
 * Newer descriptors replace older ones of the same relay and epoch, as long as the round still takes descriptors; not
 * at once, for each costs a write of the state to the disk.
 */
export function onDescriptor(
  state: AuthorityState,
  { document, source }: DescriptorCame,
  now: number,
  context: AuthorityContext,
): AuthorityStep {
  const parsed = signedDescriptorSchema.safeParse(document);
  if (!parsed.success) return refuse(state, 'malformed');
  const { round } = state;
  if (round === null) return refuse(state, 'before-first-round');
  const { body } = parsed.data;
  if (body.epoch !== round.epoch && body.epoch !== round.epoch + 1) return refuse(state, 'wrong-epoch');
  if (body.epoch === round.epoch && round.step !== 'descriptors') return refuse(state, 'late');
  const id = idOfDescriptor(parsed.data);
  const digest = documentDigest(body);
  const ofRelay = state.descriptors.filter((stored) => stored.id === id);
  const before = ofRelay.find((stored) => stored.document.body.epoch === body.epoch);
  if (before !== undefined) {
    if (before.digest === digest) return refuse(state, 'known');
    if (before.document.body.sequence >= body.sequence) return refuse(state, 'older');
    if (Math.abs(now - before.takenMilliseconds) < leastReplacement(context)) return refuse(state, 'too-soon');
  }
  const fault = descriptorFault(parsed.data, { network: context.network, test: context.genesis.test });
  if (fault !== null) return refuse(state, fault);
  // A key and the epoch of its registration belong together: a new key is registered anew.
  const registered = registrationOf(state, id, ofRelay);
  if (registered !== null && isChanged(registered, body) && body.registeredEpoch < round.epoch - 1) {
    return refuse(state, 'vrf-key-changed');
  }
  return store(
    state,
    { id, digest, document: parsed.data, source, takenMilliseconds: Math.floor(now) },
    before,
    context,
  );
}

function leastReplacement({ genesis }: AuthorityContext): number {
  return Math.min(DIRECTORY_LIMITS.replacementMilliseconds, genesis.epochMilliseconds / 20);
}

/** The first proof of a mix for the seed that is right. */
export function onProof(state: AuthorityState, document: unknown, context: AuthorityContext): AuthorityStep {
  const parsed = drawProofSchema.safeParse(document);
  if (!parsed.success) return refuse(state, 'malformed');
  const { network, epoch, id, proof } = parsed.data;
  const { round } = state;
  if (network !== context.network) return refuse(state, 'wrong-network');
  if (round === null || epoch !== round.epoch) return refuse(state, 'wrong-epoch');
  if (round.seed === null) return refuse(state, 'seed-unknown');
  if (round.step !== 'proofs') return refuse(state, 'late');
  const vrfKey = Object.hasOwn(round.vrfKeys, id) ? round.vrfKeys[id] : undefined;
  if (vrfKey === undefined) return refuse(state, 'unknown-relay');
  if (Object.hasOwn(round.proofs, id)) return refuse(state, 'known');
  const input = lotteryInput({ network, epoch, seed: round.seed, id });
  if (context.verifyProof(Buffer.from(vrfKey, 'hex'), input, Buffer.from(proof, 'hex')) === null) {
    return refuse(state, 'bad-proof');
  }
  return { state: { ...state, round: { ...round, proofs: { ...round.proofs, [id]: proof } } }, effects: [] };
}

/** Loops through relays that nobody knows say nothing. */
export function onMeasured(state: AuthorityState, loops: readonly ProbedLoop[]): AuthorityStep {
  if (state.round === null) return refuse(state, 'before-first-round');
  const described = new Set(state.descriptors.map(({ id }) => id));
  const known = loops.filter(({ relays }) => relays.every((id) => described.has(id) || isActive(state, id)));
  const probes = known.length === 0 ? state.probes : withLoops(state.probes, state.round.epoch, known);
  const measured = { ...state, probes };
  return known.length < loops.length ? refuse(measured, 'unknown-relay') : { state: measured, effects: [] };
}

type Registration = { vrfKey: string; registeredEpoch: number };

function registrationOf(
  { latest }: AuthorityState,
  id: string,
  stored: readonly StoredDescriptor[],
): Registration | null {
  const [newest] = stored.toSorted((a, b) => b.document.body.sequence - a.document.body.sequence);
  if (newest !== undefined) return newest.document.body;
  const entrants = [...(latest?.body.nodes ?? []), ...(latest?.body.standby ?? [])];
  return entrants.find((entrant) => entrant.id === id)?.draw ?? null;
}

function isChanged(a: Registration, b: Registration): boolean {
  return a.vrfKey !== b.vrfKey || a.registeredEpoch !== b.registeredEpoch;
}

/**
 * Room is kept for relays that the network knows: where a source has brought in as many as it may, or the list is full,
 * the newest stranger (of that source, or of all) makes way for them, and for nobody else. Who it is that a source brings
 * in cannot be chosen by others, so nobody can use up the room of somebody else's.
 */
function store(
  state: AuthorityState,
  descriptor: StoredDescriptor,
  before: StoredDescriptor | undefined,
  { genesis }: AuthorityContext,
): AuthorityStep {
  const isKnown = isActive(state, descriptor.id);
  const others = state.descriptors.filter((stored) => stored !== before);
  const ofEpoch = others.filter(({ document }) => document.body.epoch === descriptor.document.body.epoch);
  const ofSource = ofEpoch.filter(({ source }) => source === descriptor.source);
  const newestStranger = (stored: readonly StoredDescriptor[]) => stored.findLast(({ id }) => !isActive(state, id));
  const gone = new Set<StoredDescriptor | undefined>();
  if (!genesis.test && ofSource.length >= DIRECTORY_LIMITS.relaysPerSource) {
    if (!isKnown) return refuse(state, 'too-many-of-source');
    gone.add(newestStranger(ofSource));
  }
  if (ofEpoch.filter((stored) => !gone.has(stored)).length >= DIRECTORY_LIMITS.relays) {
    const stranger = newestStranger(ofEpoch);
    if (!isKnown || stranger === undefined) return refuse(state, 'full');
    gone.add(stranger);
  }
  const descriptors = [...others.filter((stored) => !gone.has(stored)), descriptor];
  return { state: { ...state, descriptors }, effects: [] };
}

function isActive({ latest }: AuthorityState, id: string): boolean {
  const isOf = (entrants: readonly { id: string }[]) => entrants.some((entrant) => entrant.id === id);
  return latest !== null && (isOf(latest.body.nodes) || isOf(latest.body.standby));
}
