/**
 * What a node or client checks of a consensus before it uses it. The checks stand in the order of their cost; the first
 * that fails is told.
 */
import { type VerifyProof, verifyProof } from '../lottery/relay-lottery.ts';
import { verifyLottery } from '../lottery/verify-lottery.ts';
import { canonicalJson } from './canonical-json.ts';
import { type Consensus, type ConsensusBody, consensusSchema } from './documents.ts';
import { endorsersOf } from './endorsements.ts';
import { nodeIdOf } from './fields.ts';
import { type Genesis, geometryHashOf, networkIdOf } from './genesis.ts';
import { DIRECTORY_LIMITS } from './limits.ts';
import { epochAt, epochStart } from './schedule.ts';

export const CONSENSUS_REFUSALS = [
  'malformed',
  'wrong-network',
  'wrong-geometry',
  'wrong-parameters',
  'not-endorsed',
  'clock-skew',
  'stale',
  'inconsistent',
  'empty-layer',
  'bad-lottery',
] as const;
export type ConsensusRefusal = (typeof CONSENSUS_REFUSALS)[number];

export type ConsensusVerdict =
  /** `startsInMilliseconds`: above zero, it is for the next epoch, and the keys of this one are in another. */
  | { valid: true; consensus: Consensus; endorsedBy: string[]; startsInMilliseconds: number }
  | { valid: false; reason: ConsensusRefusal; message: string };

export interface VerifyConsensusOptions {
  genesis: Genesis;
  /** Milliseconds since 1970, by the clock of whoever checks. */
  now: number;
  verifyProof?: VerifyProof;
  /** False: somebody whom one trusts has checked the lottery, which takes some 3 ms a relay. Default: true. */
  checksLottery?: boolean;
}

/** `document` is whatever was fetched. Never throws on it. */
export function verifyConsensus(document: unknown, options: VerifyConsensusOptions): ConsensusVerdict {
  const parsed = consensusSchema.safeParse(document);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refusal('malformed', `the consensus is malformed at ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const consensus: Consensus = parsed.data;
  const { genesis, now } = options;
  const endorsers = endorsersOf(consensus, genesis);
  const signedMilliseconds = Math.min(...endorsers.map((endorser) => endorser.signedMilliseconds));
  const refused =
    scopeRefusal(consensus.body, genesis) ??
    (endorsers.length < genesis.threshold
      ? refusal('not-endorsed', `${endorsers.length} of its signatures are right; ${genesis.threshold} are needed`)
      : null) ??
    timeRefusal(consensus.body.epoch, signedMilliseconds, genesis, now) ??
    contentRefusal(consensus.body, genesis) ??
    (options.checksLottery === false ? null : lotteryRefusal(consensus.body, options.verifyProof ?? verifyProof));
  if (refused !== null) return refused;
  return {
    valid: true,
    consensus,
    endorsedBy: endorsers.map(({ authority }) => authority),
    startsInMilliseconds: Math.max(0, epochStart(genesis, consensus.body.epoch) - now),
  };
}

type Refused = Extract<ConsensusVerdict, { valid: false }>;

function refusal(reason: ConsensusRefusal, message: string): Refused {
  return { valid: false, reason, message };
}

function scopeRefusal(body: ConsensusBody, genesis: Genesis): Refused | null {
  const network = networkIdOf(genesis);
  if (body.network !== network) {
    return refusal('wrong-network', `the consensus is of network ${body.network}, not of ${network}`);
  }
  if (body.geometryHash !== geometryHashOf(genesis)) {
    return refusal('wrong-geometry', 'the consensus announces packets of another geometry than the genesis');
  }
  const stated = ({ test, layers, lottery, traffic }: Genesis | ConsensusBody) =>
    canonicalJson({ test, layers, lottery, traffic });
  if (stated(body) !== stated(genesis)) {
    return refusal('wrong-parameters', 'the consensus states other parameters than the genesis');
  }
  return null;
}

function timeRefusal(epoch: number, signedMilliseconds: number, genesis: Genesis, now: number): Refused | null {
  const current = epochAt(genesis, now);
  const future = signedMilliseconds - now;
  if (future > DIRECTORY_LIMITS.clockSkewMilliseconds || epoch > current + 1) {
    const by = future > 0 ? `${Math.round(future / 1000)} s` : 'an epoch or more';
    return refusal('clock-skew', `the consensus for epoch ${epoch} was signed ${by} from now: this clock is behind`);
  }
  const usableUntil = epochStart(genesis, epoch + 1) + genesis.graceMilliseconds;
  if (now < usableUntil) return null;
  const since = Math.round((now - epochStart(genesis, epoch + 1)) / 1000);
  return refusal(
    'stale',
    `the consensus is for epoch ${epoch}, which ended ${since} s ago by this clock: fetch a newer one; if there is ` +
      'none, the authorities have not agreed since, or this clock is ahead',
  );
}

function contentRefusal(body: ConsensusBody, { authorities }: Genesis): Refused | null {
  const names = new Set(authorities.map(({ id }) => id));
  const { counted, equivocated, absent } = body.authorities;
  const { reveals, withheld } = body.randomness;
  const told = [...counted, ...equivocated, ...absent, ...withheld, ...reveals.map(({ authority }) => authority)];
  const stranger = told.find((name) => !names.has(name));
  if (stranger !== undefined) {
    return refusal('inconsistent', `the consensus names an authority ${stranger} that the genesis does not know`);
  }
  for (const { id, identityKey, sphinxKeys } of body.nodes) {
    if (nodeIdOf(identityKey) !== id)
      return refusal('inconsistent', `node ${id} has another identity key than its own`);
    if (!sphinxKeys.every(({ epoch }, index) => epoch === body.epoch + index)) {
      return refusal('inconsistent', `node ${id} has keys of other epochs than ${body.epoch} and the next two`);
    }
  }
  const empty = firstEmptyLayer(body);
  if (empty === null) return null;
  return refusal('empty-layer', `layer ${empty} of ${body.layers} has no mix: no path leads through it`);
}

/** Null when each layer has a mix. */
export function firstEmptyLayer({ layers, nodes }: Pick<ConsensusBody, 'layers' | 'nodes'>): number | null {
  const taken = new Set(nodes.map(({ layer }) => layer));
  for (let layer = 1; layer <= layers; layer += 1) if (!taken.has(layer)) return layer;
  return null;
}

function lotteryRefusal(body: ConsensusBody, check: VerifyProof): Refused | null {
  const { valid, faults } = verifyLottery(body, check);
  if (valid) return null;
  return refusal('bad-lottery', `the lottery was not drawn as it should be: ${faults[0]?.message}`);
}
