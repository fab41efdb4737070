/** What relays and probes tell an authority: descriptors, proofs of the lottery, measurements. */
import { lotteryInput } from '../lottery/relay-lottery.ts';
import type { AuthorityContext, AuthorityState, AuthorityStep, Refusal, StoredDescriptor } from './authority-state.ts';
import { descriptorFault, idOfDescriptor } from './descriptors.ts';
import { drawProofSchema, signedDescriptorSchema } from './documents.ts';
import { DIRECTORY_LIMITS } from './limits.ts';
import { type ProbedLoop, withLoops } from './probe-record.ts';
import { documentDigest } from './signed-document.ts';

export function refuse(state: AuthorityState, reason: Refusal): AuthorityStep {
  return { state, effects: [{ kind: 'refused', reason }] };
}

/** Newer descriptors replace older ones of the same relay and epoch, as long as the round still takes descriptors. */
export function onDescriptor(state: AuthorityState, document: unknown, context: AuthorityContext): AuthorityStep {
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
  }
  const fault = descriptorFault(parsed.data, { network: context.network, test: context.genesis.test });
  if (fault !== null) return refuse(state, fault);
  // A key and the epoch of its registration belong together: a new key is registered anew.
  const registered = registrationOf(state, id, ofRelay);
  if (registered !== null && isChanged(registered, body) && body.registeredEpoch < round.epoch - 1) {
    return refuse(state, 'vrf-key-changed');
  }
  return store(state, { id, digest, document: parsed.data }, before, context);
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
 * Room is kept for relays that the network knows: when the list is full, the newest stranger makes way for them, and
 * for nobody else.
 */
function store(
  state: AuthorityState,
  descriptor: StoredDescriptor,
  before: StoredDescriptor | undefined,
  { genesis }: AuthorityContext,
): AuthorityStep {
  const others = state.descriptors.filter((stored) => stored !== before);
  const { epoch, addresses } = descriptor.document.body;
  const ofEpoch = others.filter(({ document }) => document.body.epoch === epoch);
  const hosts = new Set(addresses.map(({ host }) => host));
  const ofHosts = ofEpoch.filter(({ document }) => document.body.addresses.some(({ host }) => hosts.has(host)));
  if (!genesis.test && ofHosts.length >= DIRECTORY_LIMITS.relaysPerHost) return refuse(state, 'too-many-of-host');
  if (ofEpoch.length < DIRECTORY_LIMITS.relays) {
    return { state: { ...state, descriptors: [...others, descriptor] }, effects: [] };
  }
  const stranger = ofEpoch.findLast(({ id }) => !isActive(state, id));
  if (stranger === undefined || !isActive(state, descriptor.id)) return refuse(state, 'full');
  const descriptors = [...others.filter((stored) => stored !== stranger), descriptor];
  return { state: { ...state, descriptors }, effects: [] };
}

function isActive({ latest }: AuthorityState, id: string): boolean {
  const isOf = (entrants: readonly { id: string }[]) => entrants.some((entrant) => entrant.id === id);
  return latest !== null && (isOf(latest.body.nodes) || isOf(latest.body.standby));
}
