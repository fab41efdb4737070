/**
 * What is known of an owner or a node by checks of its results, and how good that is at least.
 *
 *     nothing known: 0 --right, right, ...--> up to, never at, the whole
 *        ^   ^            |          \--(days pass)--> fades towards 0
 *        |   +--proven wrong (a trusted node computed it again)
 *        +-- towards 0 --wrong (a quorum or a known answer contradicts, or it was withheld): most is lost
 *
 * The rank is Wilson's lower bound at 99.5 % of the share of right results. With r right ones and none that speaks against
 * them it is r / (r + z^2): 0 of nothing, 0.6 of ten, 0.938 of a hundred. It is no mean, which one right result would
 * bring to the top, and it needs no assumption about strangers but that nothing is known of them.
 *
 * A wrong result is not kept as a debt. Whoever has a debt comes back under a new name; so no record may ever be worth less
 * than none, now or after whatever follows. It takes right results away instead: as many as leave the bound that Wilson
 * gives for all of them and `WRONG_WEIGHT` wrong ones. All that happens to a record keeps order: of two that see the same,
 * the one with more of everything stays the one with more. A new one has nothing. So nobody gains by a new name, and what
 * a stranger has to earn first is the price of each lie.
 *
 * Evidence is counted by the value that was at risk. For a task of some value, a check of half of it counts half: a
 * thousand cheap results say little about what a node does when there is something to gain.
 *
 * Source of the bound: E. B. Wilson, "Probable Inference", JASA 22 (1927). Of the rule about new names: E. Friedman and
 * P. Resnick, "The Social Cost of Cheap Pseudonyms", 2001.
 */
import { FogError } from '@fog/contract';
import { assertAmount } from '../amounts.ts';
import { dayOf, faded } from './decay.ts';
import { REPUTATION_LIMITS } from './limits.ts';

/** Plain data; stored as JSON. */
export interface ReputationRecord {
  version: 1;
  /** Days since 1970 up to which it has faded. */
  day: number;
  /** Right results by class of value, in millionths of one; classes at the end that have none are left out. */
  right: readonly number[];
  /** Wrong results so far, and those proven: for people. They decide nothing. */
  wrong: number;
  proven: number;
}

export const FINDINGS = ['right', 'wrong', 'proven-wrong'] as const;
export type Finding = (typeof FINDINGS)[number];

export interface Evidence {
  finding: Finding;
  /** The price of the result, in micro-FOG; 0 in a fog that asks for no money. */
  valueMicroFog: bigint;
}

/** Parts of one right result. */
const CHECK = 1_000_000;
/** z = 2.576 of the bound, squared, in parts of a result. */
const Z_SQUARED = 6_635_776n;
/** So many right results of its value does a wrong one weigh. */
export const WRONG_WEIGHT = 4;
/**
 * What a wrong result leaves of r right ones is r x KEPT x r / (r + SCARCE): within a hundredth of what Wilson's bound of r
 * right and `WRONG_WEIGHT` wrong results is worth, in a form that keeps order to the last unit. At most this share is left,
 */
export const KEPT_PPM = 493_000n;
/** and next to nothing where little was known at that value: in parts of a result. */
const SCARCE = 2_100_000n;
/** How much of the evidence depends on uptime and latency: less than any wrong result takes. */
export const SERVICE_PPM = 250_000n;
const WHOLE = 1_000_000n;

export function unknownReputation(): ReputationRecord {
  return { version: 1, day: 0, right: [], wrong: 0, proven: 0 };
}

/**
 * The record after one more check. `now` in milliseconds since 1970; a time before the last one counts as that. Throws
 * `invalid-request` for what is no finding or value.
 */
export function recordEvidence(
  record: ReputationRecord,
  { finding, valueMicroFog }: Evidence,
  now: number,
): ReputationRecord {
  const at = valueClass(valueMicroFog);
  const before = fadedRecord(record, now);
  switch (finding) {
    case 'right': {
      const right = Array.from(
        { length: Math.max(before.right.length, at + 1) },
        (_, index) => before.right[index] ?? 0,
      );
      right[at] = Math.min((right[at] ?? 0) + CHECK, REPUTATION_LIMITS.checksOfClass * CHECK);
      return { ...before, right };
    }
    case 'wrong': {
      const known = evidenceAt(before.right, at);
      const kept = (amount: number) => Number((BigInt(amount) * known * KEPT_PPM) / ((known + SCARCE) * WHOLE));
      return { ...before, right: trimmed(before.right.map(kept)), wrong: oneMore(before.wrong) };
    }
    case 'proven-wrong':
      return { ...before, right: [], wrong: oneMore(before.wrong), proven: oneMore(before.proven) };
    default:
      throw new FogError('invalid-request', `"${finding}" is no finding of a check`, {
        hint: `findings are ${FINDINGS.join(', ')}`,
      });
  }
}

export interface RankOptions {
  /** What is at risk: the price of the task that is to be placed, in micro-FOG. */
  valueMicroFog?: bigint;
  /** How well the node is reached, parts per million: the whole is without fault. */
  servicePpm?: number;
}

/**
 * How good it is at least: parts per million, 0 to below 1,000,000. Rounded down. Changes nothing; `now` in milliseconds
 * since 1970. Throws `invalid-request` for what is no value or share.
 */
export function reputationOf(
  record: ReputationRecord,
  now: number,
  { valueMicroFog = 0n, servicePpm = 1_000_000 }: RankOptions = {},
): number {
  if (!Number.isSafeInteger(servicePpm) || servicePpm < 0 || servicePpm > 1_000_000) {
    throw new FogError('invalid-request', `the service of a node is ${servicePpm} parts per million`, {
      hint: 'give a whole number from 0 to 1,000,000',
    });
  }
  const known = evidenceAt(fadedRecord(record, now).right, valueClass(valueMicroFog));
  const counted = (known * (WHOLE - SERVICE_PPM + (SERVICE_PPM * BigInt(servicePpm)) / WHOLE)) / WHOLE;
  return Number((counted * WHOLE) / (counted + Z_SQUARED));
}

/** Right results of any value that have not faded by now, for people: a thousandth is the least. */
export function rightResults(record: ReputationRecord, now: number): number {
  return Number(evidenceAt(fadedRecord(record, now).right, 0) / 1000n) / 1000;
}

/** Right results as they count for a value of this class, in parts of one: one of half the value counts half. */
function evidenceAt(right: readonly number[], at: number): bigint {
  return right.reduce((sum, amount, index) => sum + (BigInt(amount) >> BigInt(Math.max(0, at - index))), 0n);
}

/** 0 for 0, 1 for 1, 2 for 2 and 3, 3 for 4 to 7, ... */
export function valueClass(valueMicroFog: bigint): number {
  assertAmount(valueMicroFog, { most: (1n << 64n) - 1n, what: 'the value at risk' });
  return valueMicroFog === 0n ? 0 : valueMicroFog.toString(2).length;
}

function fadedRecord(record: ReputationRecord, now: number): ReputationRecord {
  const day = Math.max(record.day, dayOf(now));
  if (day === record.day) return record;
  return { ...record, day, right: trimmed(record.right.map((amount) => faded(amount, day - record.day))) };
}

function trimmed(right: readonly number[]): number[] {
  return right.slice(0, right.findLastIndex((amount) => amount > 0) + 1);
}

function oneMore(count: number): number {
  return Math.min(count + 1, REPUTATION_LIMITS.counted);
}

/**
 * What verification knew of a node before there was a record, as evidence that no value was at risk with. `trust`: of the
 * node in a runtime (`NodeTrust`).
 */
export function takenOver(trust: { consecutiveValid: number }, now: number): ReputationRecord {
  const results = Math.min(Math.max(0, Math.floor(trust.consecutiveValid)), REPUTATION_LIMITS.takenOver);
  return { ...unknownReputation(), day: dayOf(now), right: results > 0 ? [results * CHECK] : [] };
}

export function writeReputation({ version, day, right, wrong, proven }: ReputationRecord): string {
  return JSON.stringify({ version, day, right, wrong, proven });
}

/** Throws `invalid-request` for what `writeReputation` did not write. */
export function readReputation(text: string): ReputationRecord {
  const { textBytes, valueClasses, checksOfClass, counted, day: mostDay } = REPUTATION_LIMITS;
  let raw: Partial<ReputationRecord> | null = null;
  try {
    if (Buffer.byteLength(text) <= textBytes) raw = JSON.parse(text) as Partial<ReputationRecord> | null;
  } catch {
    // Told below.
  }
  const isCount = (value: unknown, most: number) =>
    Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= most;
  const { version, day, right, wrong, proven } = raw ?? {};
  const isWell =
    version === 1 &&
    Object.keys(raw ?? {}).length === 5 &&
    isCount(day, mostDay) &&
    isCount(wrong, counted) &&
    isCount(proven, counted) &&
    Array.isArray(right) &&
    right.length <= valueClasses &&
    right.every((amount) => isCount(amount, checksOfClass * CHECK)) &&
    right.at(-1) !== 0;
  if (isWell) return { version, day: day as number, right, wrong: wrong as number, proven: proven as number };
  throw new FogError('invalid-request', 'this is no record of reputation of version 1', {
    details: { bytes: Buffer.byteLength(text) },
    hint: 'it was written by another version, or damaged',
  });
}
