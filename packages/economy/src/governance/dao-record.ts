/**
 * The record of a vote as a file: JSON with the proposal, the snapshot of power and all ballots, which is all that a
 * recount needs. Amounts are text of decimal digits; hashes, keys and signatures are lower-case hex.
 *
 *     { "format": "fog-dao-record", "version": 1, "proposal": {...}, "snapshot": {...}, "ballots": [...] }
 */
import { nameSchema } from '@fog/contract';
import { z } from 'zod';
import { CHOICES } from './counting.ts';
import { governanceFault } from './faults.ts';
import { amountSchema, hexSchema, isPrintable, wholeSchema } from './fields.ts';
import { GOVERNANCE_LIMITS } from './limits.ts';
import { PARAMETER_NAMES, type ParameterName, RETIRED_PARAMETERS } from './parameters.ts';
import type { PublishedSnapshot } from './power-snapshot.ts';
import { PROPOSAL_STATES, type Proposal, WEIGHINGS } from './proposals.ts';
import type { PublishedBallot } from './recount.ts';

export interface DaoRecord {
  proposal: Proposal;
  snapshot: PublishedSnapshot;
  ballots: readonly PublishedBallot[];
}

const FORMAT = 'fog-dao-record';
const VERSION = 1;

const text = (most: number, isLines: boolean) =>
  z
    .string()
    .max(most)
    .refine((value) => isPrintable(value, { isLines }), 'must be text that can be shown');
const digest = hexSchema(32);
const time = wholeSchema.nullable();
const tally = z.strictObject({ for: amountSchema, against: amountSchema, abstain: amountSchema });
const ppm = amountSchema.refine((value) => value <= 1_000_000n, 'must be parts per million');
/** Any whole number: whether a value is in its range is not what a recount asks. */
const parameterValue = amountSchema;
/** Nor whether there still is such a parameter: an execution asks that. */
const parameterName = z.enum([...PARAMETER_NAMES, ...RETIRED_PARAMETERS]).transform((name) => name as ParameterName);

const action = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('text') }),
  z.strictObject({
    kind: z.literal('parameter'),
    changes: z
      .array(z.strictObject({ name: parameterName, value: parameterValue }))
      .min(1)
      .max(GOVERNANCE_LIMITS.actions),
  }),
  z.strictObject({
    kind: z.literal('treasury'),
    grants: z
      .array(z.strictObject({ to: nameSchema, amountMicroFog: amountSchema }))
      .min(1)
      .max(GOVERNANCE_LIMITS.actions),
  }),
]);

const terms = z.strictObject({
  weighing: z.enum(WEIGHINGS),
  votingDelayMilliseconds: wholeSchema,
  votingPeriodMilliseconds: wholeSchema,
  lateQuorumMilliseconds: wholeSchema,
  timelockMilliseconds: time,
  executionWindowMilliseconds: wholeSchema,
  quorum: z.union([z.strictObject({ ppm }), z.strictObject({ votesMicroFog: amountSchema })]),
  approvalPpm: ppm,
  depositMicroFog: amountSchema,
});

const proposal = z.strictObject({
  network: nameSchema,
  proposer: nameSchema,
  title: text(GOVERNANCE_LIMITS.titleCharacters, false),
  text: text(GOVERNANCE_LIMITS.textCharacters, true),
  action,
  terms,
  createdSequence: wholeSchema,
  createdAtMilliseconds: wholeSchema,
  id: digest,
  state: z.enum(PROPOSAL_STATES),
  openedAtMilliseconds: time,
  snapshotSequence: wholeSchema.nullable(),
  snapshotRoot: digest.nullable(),
  supplyMicroFog: amountSchema.nullable(),
  quorumMicroFog: amountSchema.nullable(),
  votesUntilMilliseconds: time,
  quorumReachedAtMilliseconds: time,
  tally,
  ballots: wholeSchema,
  executableAtMilliseconds: time,
  expiresAtMilliseconds: time,
  endedAtMilliseconds: time,
  vetoReason: text(GOVERNANCE_LIMITS.reasonCharacters, true).nullable(),
  deposit: z.enum(['held', 'returned', 'forfeited']),
});

const voterPower = { voter: nameSchema, publicKey: digest, powerMicroFog: amountSchema };

const snapshot = z.strictObject({
  network: nameSchema,
  proposal: digest,
  beforeSequence: z.int().min(-1),
  snapshotSequence: wholeSchema,
  supplyMicroFog: amountSchema,
  voters: wholeSchema.max(GOVERNANCE_LIMITS.voters),
  treeRoot: digest,
  root: digest,
  leaves: z.array(z.strictObject(voterPower)).max(GOVERNANCE_LIMITS.voters).nullable(),
});

const ballot = z.strictObject({
  ...voterPower,
  network: nameSchema,
  proposal: digest,
  choice: z.enum(CHOICES),
  nonce: hexSchema(GOVERNANCE_LIMITS.nonceBytes),
  signature: hexSchema(64),
  castSequence: wholeSchema,
  castAtMilliseconds: wholeSchema,
  index: wholeSchema,
  proof: z.array(digest).max(GOVERNANCE_LIMITS.proofHashes),
});

const record = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  proposal,
  snapshot,
  ballots: z.array(ballot).max(GOVERNANCE_LIMITS.ballots),
});

/**
 * The file of a vote. Keys stand in one order, so equal records are equal texts. Throws `invalid-request` for a record
 * that could not be read again.
 */
export function formatDaoRecord({ proposal, snapshot, ballots }: DaoRecord): string {
  const { placeOf: _, ...published } = snapshot as PublishedSnapshot & { placeOf?: unknown };
  const file = textOf({ format: FORMAT, version: VERSION, proposal, snapshot: published, ballots });
  return textOf({ format: FORMAT, version: VERSION, ...parseDaoRecord(file) });
}

/** A proposal as JSON, as it stands in a record. */
export function writeProposal(given: Proposal): string {
  return textOf(given);
}

/** Throws `invalid-request` for what `writeProposal` did not write. */
export function readProposal(text: string): Proposal {
  return proposalFrom(jsonOf(text));
}

/** The same of a document that was parsed. */
export function proposalFrom(document: unknown): Proposal {
  const parsed = proposal.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw governanceFault(
    'malformed',
    `no proposal: ${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? ''}`,
  );
}

function textOf(document: object): string {
  return JSON.stringify(document, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/**
 * Reads such a file. Throws `invalid-request` for one that is too long, no JSON, or not of this form, with the place of
 * the first fault. What it says is not judged here: that is `recount`.
 */
export function parseDaoRecord(file: string): DaoRecord {
  if (file.length > GOVERNANCE_LIMITS.recordCharacters) {
    throw governanceFault('malformed', `a record of ${file.length} characters; one has at most 2^28`);
  }
  const parsed = record.safeParse(jsonOf(file));
  if (parsed.success) {
    const { proposal, snapshot, ballots } = parsed.data;
    return { proposal, snapshot, ballots };
  }
  const [issue] = parsed.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? 'the document' : issue.path.map(String).join('.');
  throw governanceFault(
    'malformed',
    `no record of a vote: ${where.slice(0, 200)}: ${issue?.message.slice(0, 200) ?? ''}`,
    {
      hint: 'get the file from the coordinator again',
    },
  );
}

function jsonOf(file: string): unknown {
  try {
    return JSON.parse(file);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.slice(0, 200) : '';
    throw governanceFault('malformed', `no record of a vote: not JSON: ${why}`, {
      hint: 'get the file from the coordinator again',
    });
  }
}
