/** Computes the consensus from what counts. Whoever counts the same gets the same, to the byte. */
import {
  type Candidate,
  drawRelays,
  ineligibility,
  type LotteryParameters,
  lotteryInput,
  type VerifyProof,
  weightOf,
} from '../lottery/relay-lottery.ts';
import { type AgreedRelay, agreedRelays, belowFloor, type Excluded } from './agreed-relays.ts';
import {
  type ConsensusBody,
  type ConsensusNode,
  type DrawEntry,
  EXCLUSION_REASONS,
  type ProofList,
  type Vote,
} from './documents.ts';
import type { NodeRole } from './fields.ts';
import { type Genesis, geometryHashOf, type LotterySettings } from './genesis.ts';
import { DIRECTORY_LIMITS } from './limits.ts';

export interface RoundOutcome {
  network: string;
  epoch: number;
  votes: readonly Vote[];
  proofLists: readonly ProofList[];
  randomness: ConsensusBody['randomness'];
  equivocated: readonly string[];
  absent: readonly string[];
}

type Drawn = AgreedRelay & { proof: string; output: Uint8Array };

/** The numbers of the lottery as a genesis or consensus states them. */
export function lotteryParameters(layers: number, lottery: LotterySettings): LotteryParameters {
  return {
    layers,
    seatsPerLayer: lottery.seatsPerLayer,
    minimumStake: BigInt(lottery.minimumStake),
    saturationStake: BigInt(lottery.saturationStake),
    operatorSharePpm: lottery.operatorSharePpm,
  };
}

export function composeConsensus(genesis: Genesis, outcome: RoundOutcome, verifyProof: VerifyProof): ConsensusBody {
  const { network, epoch, votes, randomness } = outcome;
  const { agreed, excluded } = agreedRelays(votes, genesis.threshold, genesis.lottery);
  const parameters = lotteryParameters(genesis.layers, genesis.lottery);
  const proved: Drawn[] = [];
  const proofs = proofsById(outcome.proofLists);
  for (const relay of agreed) {
    if (relay.descriptor.role !== 'mix') continue;
    const checked = checkedProof(relay, proofs.get(relay.id) ?? [], outcome, verifyProof);
    if (typeof checked === 'string') excluded.push({ id: relay.id, reason: checked });
    else proved.push({ ...relay, ...checked });
  }
  const unfit = new Map(
    agreed.flatMap((relay) => {
      const reason = relay.descriptor.role === 'mix' ? null : ineligibility(relay, parameters);
      return reason === null ? [] : [[relay.id, reason] as const];
    }),
  );
  excluded.push(...[...unfit].map(([id, reason]): Excluded => ({ id, reason })));
  const out = failing(genesis, agreed, proved, parameters);
  excluded.push(...[...out].map((id): Excluded => ({ id, reason: 'performance-below-floor' })));
  const fixed = agreed.filter(({ id, descriptor }) => descriptor.role !== 'mix' && !unfit.has(id) && !out.has(id));
  const drawn = proved.filter(({ id }) => !out.has(id));
  const { seats, notDrawn } = drawRelays(drawn.map(candidateOf), parameters, Buffer.from(randomness.seed, 'hex'));
  const layerOf = new Map(seats.map(({ id, layer }) => [id, layer]));
  const outOf = new Map(notDrawn.map(({ id, reason }) => [id, reason]));
  const standby: ConsensusBody['standby'] = [];
  const nodes = fixed.map((relay) => nodeOf(relay, null, null, standingOf(relay, parameters.saturationStake)));
  for (const relay of drawn) {
    const layer = layerOf.get(relay.id);
    const reason = outOf.get(relay.id);
    const draw = drawEntry(relay, parameters.saturationStake);
    if (layer !== undefined) nodes.push(nodeOf(relay, layer, draw, null));
    else if (reason === 'stake-below-minimum' || reason === 'no-weight') excluded.push({ id: relay.id, reason });
    else {
      const { id, performancePpm, descriptor } = relay;
      standby.push({ id, operator: descriptor.operator, performancePpm, draw });
    }
  }
  return {
    kind: 'consensus',
    network,
    epoch,
    test: genesis.test,
    geometryHash: geometryHashOf(genesis),
    layers: genesis.layers,
    lottery: genesis.lottery,
    traffic: genesis.traffic,
    randomness,
    authorities: {
      counted: votes.map(({ authority }) => authority).toSorted(),
      equivocated: outcome.equivocated.toSorted(),
      absent: outcome.absent.toSorted(),
    },
    nodes: nodes.sort(byId),
    standby: standby.sort(byId),
    excluded: withinLimit(excluded),
  };
}

/** Who is put out for what it loses. Relays that have no part in the network anyway do not count as those that stay. */
function failing(
  { layers, lottery }: Genesis,
  agreed: readonly AgreedRelay[],
  proved: readonly Drawn[],
  parameters: LotteryParameters,
): Set<string> {
  const isFit = (relay: AgreedRelay) => ineligibility(relay, parameters) === null;
  const ofRole = (role: NodeRole) => agreed.filter((relay) => relay.descriptor.role === role && isFit(relay));
  const mixes = proved.filter(isFit);
  const floor = lottery.performanceFloorPpm;
  return new Set([
    ...belowFloor(mixes, floor, layers),
    ...belowFloor(ofRole('gateway'), floor, 1),
    ...belowFloor(ofRole('service'), floor, 1),
  ]);
}

/** All proofs that anybody lists for a relay. */
function proofsById(lists: readonly ProofList[]): Map<string, string[]> {
  const all = Map.groupBy(
    lists.flatMap(({ proofs }) => proofs),
    ({ id }) => id,
  );
  return new Map([...all].map(([id, entries]) => [id, [...new Set(entries.map(({ proof }) => proof))].sort()]));
}

/** The first of the proofs, in the order of their digits, that is right; a relay can make several for its one output. */
function checkedProof(
  { id, descriptor }: AgreedRelay,
  proofs: readonly string[],
  { network, epoch, randomness }: RoundOutcome,
  verifyProof: VerifyProof,
): { proof: string; output: Uint8Array } | 'registered-too-late' | 'no-proof' {
  if (descriptor.registeredEpoch >= epoch) return 'registered-too-late';
  const input = lotteryInput({ network, epoch, seed: randomness.seed, id });
  for (const proof of proofs) {
    const output = verifyProof(Buffer.from(descriptor.vrfKey, 'hex'), input, Buffer.from(proof, 'hex'));
    if (output !== null) return { proof, output };
  }
  return 'no-proof';
}

function candidateOf({ id, descriptor, stake, reputationPpm, performancePpm, output }: Drawn): Candidate {
  return { id, operator: descriptor.operator, stake, reputationPpm, performancePpm, output };
}

function drawEntry(relay: Drawn, saturationStake: bigint): DrawEntry {
  const { vrfKey, registeredEpoch } = relay.descriptor;
  return { vrfKey, registeredEpoch, ...standingOf(relay, saturationStake), proof: relay.proof };
}

function standingOf(relay: AgreedRelay, saturationStake: bigint): NonNullable<ConsensusNode['standing']> {
  const { stake, reputationPpm } = relay;
  return { stake: `${stake}`, reputationPpm, weight: `${weightOf(relay, saturationStake)}` };
}

function nodeOf(
  { id, descriptor, performancePpm }: AgreedRelay,
  layer: number | null,
  draw: DrawEntry | null,
  standing: ConsensusNode['standing'],
): ConsensusNode {
  const { identityKey, linkKey, role, operator, addresses, protocolVersions, sphinxKeys } = descriptor;
  return {
    ...{ id, identityKey, linkKey, role, operator, addresses, protocolVersions, sphinxKeys },
    performancePpm,
    layer,
    draw,
    standing,
  };
}

/** Relays that only some authorities know are told last: one authority could name any number of them. */
function withinLimit(excluded: readonly Excluded[]): Excluded[] {
  const rank = ({ reason }: Excluded) => (reason === 'known-to-too-few' ? EXCLUSION_REASONS.length : 0);
  return excluded
    .toSorted((a, b) => rank(a) - rank(b) || byId(a, b))
    .slice(0, DIRECTORY_LIMITS.relays)
    .sort(byId);
}

function byId(a: { id: string }, b: { id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
