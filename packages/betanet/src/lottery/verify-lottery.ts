/** Whether the lottery of a consensus was drawn as it should be: anybody can check it with nothing but the consensus. */

import { lotteryParameters } from '../directory/compose-consensus.ts';
import type { ConsensusBody, ConsensusNode, DrawEntry } from '../directory/documents.ts';
import { seedOf } from '../directory/shared-randomness.ts';
import {
  type Candidate,
  drawRelays,
  ineligibility,
  type LotteryParameters,
  lotteryInput,
  type VerifyProof,
  verifyProof,
  weightOf,
} from './relay-lottery.ts';

export const LOTTERY_FAULTS = [
  'seed-not-of-reveals',
  'mix-without-draw',
  'drawn-though-no-mix',
  'registered-too-late',
  'bad-proof',
  'wrong-weight',
  'not-eligible',
  'wrong-layer',
  'should-have-a-seat',
  'should-have-no-seat',
  'twice',
] as const;
export type LotteryFaultCode = (typeof LOTTERY_FAULTS)[number];

export interface LotteryFault {
  code: LotteryFaultCode;
  /** The relay's, hex; null when it is about the whole. */
  id: string | null;
  message: string;
}

export interface LotteryVerdict {
  valid: boolean;
  faults: LotteryFault[];
  /** Relays whose proofs were right. */
  checked: number;
}

/**
 * Recomputes the seed from the reveals, checks each proof, and holds the draw again. Takes some 3 ms a relay. That the
 * authorities left nobody out who showed them a proof cannot be seen from a consensus; their signatures answer for it.
 */
export function verifyLottery(consensus: ConsensusBody, check: VerifyProof = verifyProof): LotteryVerdict {
  const { randomness, nodes, standby, layers, lottery } = consensus;
  const faults: LotteryFault[] = [];
  const fault = (code: LotteryFaultCode, id: string | null, message: string) => faults.push({ code, id, message });
  if (seedOf(consensus, randomness.reveals, randomness.previous) !== randomness.seed) {
    fault('seed-not-of-reveals', null, 'the seed is not the hash of the reveals and the seed before');
  }
  for (const node of nodes) {
    if (node.role === 'mix' && (node.draw === null || node.layer === null)) {
      fault('mix-without-draw', node.id, `mix ${short(node.id)} has no part in the lottery, or no layer`);
    } else if (node.role !== 'mix' && (node.draw !== null || node.layer !== null)) {
      fault('drawn-though-no-mix', node.id, `${node.role} ${short(node.id)} has a part in the lottery, or a layer`);
    }
  }
  for (const node of nodes) {
    const checked = node.role === 'mix' ? null : checkStanding(node, lotteryParameters(layers, lottery));
    if (checked !== null) fault(checked.code, node.id, checked.message);
  }
  const mixes = nodes.filter((node): node is DrawnNode => node.role === 'mix' && node.draw !== null);
  const entrants = [...mixes, ...standby];
  const twice = new Set(entrants.map(({ id }) => id)).size < entrants.length;
  if (twice) fault('twice', null, 'a relay stands among those with seats and among those without');
  const parameters = lotteryParameters(layers, lottery);
  const candidates = entrants.flatMap((entrant): Candidate[] => {
    const checked = checkEntrant(consensus, entrant, parameters.saturationStake, check);
    if ('code' in checked) {
      fault(checked.code, entrant.id, checked.message);
      return [];
    }
    return [checked];
  });
  if (faults.length === 0) {
    const { seats, notDrawn } = drawRelays(candidates, parameters, Buffer.from(randomness.seed, 'hex'));
    const stated = new Map(mixes.map(({ id, layer }) => [id, layer]));
    for (const { id, layer } of seats) {
      const found = stated.get(id);
      if (found === undefined) fault('should-have-a-seat', id, `${short(id)} has won a seat in layer ${layer}`);
      else if (found !== layer) fault('wrong-layer', id, `${short(id)} belongs into layer ${layer}, not ${found}`);
    }
    for (const { id, reason } of notDrawn) {
      if (reason === 'stake-below-minimum' || reason === 'no-weight') {
        fault('not-eligible', id, `${short(id)} could not take part: ${reason}`);
      } else if (stated.has(id)) fault('should-have-no-seat', id, `${short(id)} has won no seat: ${reason}`);
    }
  }
  return { valid: faults.length === 0, faults, checked: candidates.length };
}

type DrawnNode = ConsensusNode & { draw: DrawEntry };
type Entrant = Pick<DrawnNode, 'id' | 'operator' | 'performancePpm' | 'draw'>;

/** Of a gateway or service node, which clients draw by its weight. */
function checkStanding(
  { id, role, performancePpm, standing }: ConsensusNode,
  parameters: LotteryParameters,
): { code: LotteryFaultCode; message: string } | null {
  const { stake = '0', reputationPpm = 0, weight = '0' } = standing ?? {};
  const stated = { stake: BigInt(stake), reputationPpm, performancePpm };
  const reason = ineligibility(stated, parameters);
  if (reason !== null) return { code: 'not-eligible', message: `${role} ${short(id)} could not take part: ${reason}` };
  const right = weightOf(stated, parameters.saturationStake);
  if (`${right}` === weight) return null;
  return { code: 'wrong-weight', message: `${role} ${short(id)} has weight ${right}, not ${weight}` };
}

function checkEntrant(
  { network, epoch, randomness }: ConsensusBody,
  { id, operator, performancePpm, draw }: Entrant,
  saturationStake: bigint,
  check: VerifyProof,
): Candidate | { code: LotteryFaultCode; message: string } {
  if (draw.registeredEpoch >= epoch) {
    const message = `${short(id)} registered its key in epoch ${draw.registeredEpoch}, not before ${epoch}`;
    return { code: 'registered-too-late', message };
  }
  const input = lotteryInput({ network, epoch, seed: randomness.seed, id });
  const output = check(Buffer.from(draw.vrfKey, 'hex'), input, Buffer.from(draw.proof, 'hex'));
  if (output === null) return { code: 'bad-proof', message: `the proof of ${short(id)} is wrong` };
  const standing = { stake: BigInt(draw.stake), reputationPpm: draw.reputationPpm, performancePpm };
  const weight = weightOf(standing, saturationStake);
  if (`${weight}` !== draw.weight) {
    return { code: 'wrong-weight', message: `${short(id)} has weight ${weight}, not ${draw.weight}` };
  }
  return { id, operator, ...standing, output };
}

function short(id: string): string {
  return id.slice(0, 12);
}
