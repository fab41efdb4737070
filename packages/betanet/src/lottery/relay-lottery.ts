/**
 * The lottery that decides which relays are active in an epoch, and in which layer.
 *
 *     candidate --(stake, reputation, performance)--> weight --(output of its VRF)--> key --(smallest)--> seat --> layer
 *
 * Each relay's key is an exponential variate with its weight as rate, -log2(u) / weight with u from the output of its
 * verifiable random function: the smallest keys win. So the first seat is a relay's with a chance of exactly its share
 * of the weights, and each further seat likewise among those that are left. Of a stake cut in halves the smaller key
 * is distributed like the key of the whole: splitting it changes nothing at the first seat. At later seats it gains
 * what comes of drawing without putting back: of a chance p of a seat, while p is small, about a quarter (p x p/4).
 * `saturationStake` keeps p small, and the share of an operator bounds those who say who they are.
 *
 * Source of the race: Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006. All arithmetic is on
 * whole numbers, so that everybody who computes it agrees to the bit.
 */
import { domainHash, fieldBytes } from './domain-hash.ts';
import { verify } from './ecvrf.ts';
import { negativeLog2, PARTS_PER_MILLION } from './fixed-point.ts';
import { dealLayers } from './layer-deal.ts';
import type { Standing } from './standing.ts';

const ALPHA_LABEL = 'fog-betanet-lottery-v1';
const UNIFORM_LABEL = 'fog-betanet-uniform-v1';
/** Bits by which a key is moved up before it is divided by a weight, which has fewer than 160. */
const KEY_SHIFT = 192n;

export interface LotteryParameters {
  layers: number;
  seatsPerLayer: number;
  /** Less does not take part. */
  minimumStake: bigint;
  /** More counts as this. */
  saturationStake: bigint;
  /** Of the seats of a layer, for one operator, where others can fill them. Always at least one seat. */
  operatorSharePpm: number;
}

export interface Candidate extends Standing {
  /** Hex of the node's id. */
  id: string;
  operator: string;
  performancePpm: number;
  /** Output of its verifiable random function over `lotteryInput`, 64 bytes. */
  output: Uint8Array;
}

export interface Seat {
  id: string;
  /** From 1, the layer after the gateways. */
  layer: number;
  weight: bigint;
  key: bigint;
}

export const NOT_DRAWN_REASONS = ['stake-below-minimum', 'no-weight', 'operator-share', 'not-drawn'] as const;
export type NotDrawnReason = (typeof NOT_DRAWN_REASONS)[number];

export interface Draw {
  /** In the order of their keys. */
  seats: Seat[];
  notDrawn: { id: string; reason: NotDrawnReason }[];
}

/** Checks a proof and gives its output, or null. `verify` of ecvrf.ts, unless a simulation has something cheaper. */
export type VerifyProof = (publicKey: Uint8Array, alpha: Uint8Array, proof: Uint8Array) => Uint8Array | null;
export const verifyProof: VerifyProof = verify;

/**
 * What a relay's verifiable random function is computed over. Its own id is in it, so that nobody can register the key
 * of another and show the other's proof.
 */
export function lotteryInput(draw: { network: string; epoch: number; seed: string; id: string }): Uint8Array {
  return fieldBytes(ALPHA_LABEL, [draw.network, draw.epoch, draw.seed, draw.id]);
}

/** min(stake, saturation) x reputation x performance, exactly: in millionths of millionths. Linear in the stake. */
export function weightOf(candidate: Omit<Candidate, 'id' | 'operator' | 'output'>, saturationStake: bigint): bigint {
  const { stake, reputationPpm, performancePpm } = candidate;
  const counted = stake < saturationStake ? stake : saturationStake;
  return counted * BigInt(reputationPpm) * BigInt(performancePpm);
}

/** Why a relay, whatever its role, can have no part in the network; null when it can. */
export function ineligibility(
  candidate: Omit<Candidate, 'id' | 'operator' | 'output'>,
  { minimumStake, saturationStake }: LotteryParameters,
): 'stake-below-minimum' | 'no-weight' | null {
  if (candidate.stake < minimumStake) return 'stake-below-minimum';
  return weightOf(candidate, saturationStake) <= 0n ? 'no-weight' : null;
}

/** The key of a relay in the race. Its weight must be above zero. */
export function raceKey(output: Uint8Array, weight: bigint): bigint {
  return (negativeLog2(domainHash(UNIFORM_LABEL, [output])) << KEY_SHIFT) / weight;
}

/** Whether and where each candidate is active. Ids must be different; their order does not matter. */
export function drawRelays(candidates: readonly Candidate[], parameters: LotteryParameters, seed: Uint8Array): Draw {
  const { layers, seatsPerLayer, saturationStake } = parameters;
  const notDrawn: Draw['notDrawn'] = [];
  const racing: (Candidate & { weight: bigint; key: bigint })[] = [];
  for (const candidate of candidates) {
    const weight = weightOf(candidate, saturationStake);
    const reason = ineligibility(candidate, parameters);
    if (reason === null) racing.push({ ...candidate, weight, key: raceKey(candidate.output, weight) });
    else notDrawn.push({ id: candidate.id, reason });
  }
  racing.sort((a, b) => (a.key === b.key ? (a.id < b.id ? -1 : 1) : a.key < b.key ? -1 : 1));
  const winners = winnersOf(racing, layers * seatsPerLayer, seatsOfOperator(parameters));
  const layerOf = dealLayers(
    racing.filter(({ id }) => winners.get(id) === 'seat'),
    layers,
    seed,
  );
  const seats: Seat[] = [];
  for (const { id, weight, key } of racing) {
    const layer = layerOf.get(id);
    if (layer !== undefined) seats.push({ id, layer, weight, key });
    else notDrawn.push({ id, reason: winners.get(id) === 'operator-share' ? 'operator-share' : 'not-drawn' });
  }
  return { seats, notDrawn };
}

/** Seats in all layers together that one operator may have; an even deal then keeps to the share in each layer. */
function seatsOfOperator({ layers, seatsPerLayer, operatorSharePpm }: LotteryParameters): number {
  return layers * Math.max(1, Math.floor((seatsPerLayer * operatorSharePpm) / PARTS_PER_MILLION));
}

/** Who wins, in the order of the race. Those that an operator's share holds back come in where a seat would be empty. */
function winnersOf(
  racing: readonly Candidate[],
  seats: number,
  mostOfOperator: number,
): Map<string, 'seat' | 'operator-share'> {
  const winners = new Map<string, 'seat' | 'operator-share'>();
  const taken = new Map<string, number>();
  let left = seats;
  const held: string[] = [];
  for (const { id, operator } of racing) {
    if (left === 0) break;
    const amount = taken.get(operator) ?? 0;
    if (amount >= mostOfOperator) {
      held.push(id);
      continue;
    }
    taken.set(operator, amount + 1);
    winners.set(id, 'seat');
    left -= 1;
  }
  for (const [index, id] of held.entries()) winners.set(id, index < left ? 'seat' : 'operator-share');
  return winners;
}
