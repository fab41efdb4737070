/** Governance as the API shows it. Amounts are whole micro-FOG, and other large numbers too, as texts. */
import { z } from 'zod';
import { nameSchema } from './identifiers.ts';
import { microFogTextSchema } from './money.ts';

const hex = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`), `must be ${bytes * 2} lower-case hex digits`);
const time = z.int().nonnegative();
const wholeText = z.string().regex(/^(0|[1-9]\d{0,38})$/, 'must be a whole number, as text');

export const voteChoiceSchema = z.enum(['against', 'for', 'abstain']);
export type VoteChoice = z.infer<typeof voteChoiceSchema>;

/** What a proposal does when it is executed. */
export const proposalActionSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('text') }),
  z.strictObject({
    kind: z.literal('parameter'),
    changes: z.array(z.strictObject({ name: z.string(), value: wholeText })).min(1),
  }),
  z.strictObject({
    kind: z.literal('treasury'),
    grants: z.array(z.strictObject({ to: nameSchema, amountMicroFog: microFogTextSchema })).min(1),
  }),
]);
export type ProposalActionDocument = z.infer<typeof proposalActionSchema>;

export const proposeSchema = z.strictObject({
  title: z.string(),
  text: z.string(),
  action: proposalActionSchema,
});

export const PROPOSAL_STATES = [
  'pending',
  'active',
  'succeeded',
  'queued',
  'executed',
  'defeated',
  'expired',
  'cancelled',
  'vetoed',
] as const;
export type ProposalState = (typeof PROPOSAL_STATES)[number];
export const proposalStateSchema = z.enum(PROPOSAL_STATES);

/** As it stands in the record of its vote, so that its id can be computed again. */
export const proposalSchema = z.strictObject({
  /** A hash of all that does not change of it. */
  id: hex(32),
  network: nameSchema,
  proposer: nameSchema,
  title: z.string(),
  text: z.string(),
  action: proposalActionSchema,
  /** Frozen when it was made. */
  terms: z.strictObject({
    weighing: z.enum(['lesser', 'snapshot']),
    votingDelayMilliseconds: time,
    votingPeriodMilliseconds: time,
    lateQuorumMilliseconds: time,
    timelockMilliseconds: time.nullable(),
    executionWindowMilliseconds: time,
    quorum: z.union([z.strictObject({ ppm: wholeText }), z.strictObject({ votesMicroFog: microFogTextSchema })]),
    approvalPpm: wholeText,
    depositMicroFog: microFogTextSchema,
  }),
  createdSequence: time,
  createdAtMilliseconds: time,
  state: proposalStateSchema,
  openedAtMilliseconds: time.nullable(),
  snapshotSequence: time.nullable(),
  snapshotRoot: hex(32).nullable(),
  supplyMicroFog: microFogTextSchema.nullable(),
  quorumMicroFog: microFogTextSchema.nullable(),
  /** Ballots are taken until then, inclusive. */
  votesUntilMilliseconds: time.nullable(),
  quorumReachedAtMilliseconds: time.nullable(),
  tally: z.strictObject({ for: microFogTextSchema, against: microFogTextSchema, abstain: microFogTextSchema }),
  ballots: time,
  executableAtMilliseconds: time.nullable(),
  expiresAtMilliseconds: time.nullable(),
  endedAtMilliseconds: time.nullable(),
  vetoReason: z.string().nullable(),
  deposit: z.enum(['held', 'returned', 'forfeited']),
});
export type ProposalDocument = z.infer<typeof proposalSchema>;

/** Signed with Ed25519, by the key that the snapshot names. */
export const signedBallotSchema = z.strictObject({
  network: nameSchema,
  proposal: hex(32),
  voter: nameSchema,
  choice: voteChoiceSchema,
  nonce: hex(16),
  signature: hex(64),
});

/** A ballot that was counted. */
export const ballotSchema = z.strictObject({
  ...signedBallotSchema.shape,
  publicKey: hex(32),
  powerMicroFog: microFogTextSchema,
  castSequence: time,
  castAtMilliseconds: time,
});
export type BallotDocument = z.infer<typeof ballotSchema>;

/** What the snapshot of a proposal says of a voter. */
export const voterSchema = z.strictObject({ voter: nameSchema, publicKey: hex(32), powerMicroFog: microFogTextSchema });
export type VoterDocument = z.infer<typeof voterSchema>;

export const voteOfSchema = z.strictObject({
  voter: nameSchema,
  /** Null for who has no power over it, and before the vote opens. */
  power: voterSchema.nullable(),
  /** Null before the voter's ballot. */
  choice: voteChoiceSchema.nullable(),
});

/** The head of a published snapshot; the voters come in pages. */
export const snapshotHeadSchema = z.strictObject({
  network: nameSchema,
  proposal: hex(32),
  beforeSequence: z.int().min(-1),
  snapshotSequence: time,
  supplyMicroFog: microFogTextSchema,
  voters: time,
  treeRoot: hex(32),
  root: hex(32),
});
export type SnapshotHeadDocument = z.infer<typeof snapshotHeadSchema>;

/** What a principal has to vote with. */
export const membershipSchema = z.strictObject({
  network: nameSchema,
  principal: nameSchema,
  /** Of Ed25519; null before one is registered. */
  votingKey: hex(32).nullable(),
  /** Who votes with the principal's stake; null: nobody. */
  delegate: nameSchema.nullable(),
  /** Own stake. */
  bonded: microFogTextSchema,
  /** Stake of all who delegated to the principal. */
  power: microFogTextSchema,
  /** All bonded stake. */
  supply: microFogTextSchema,
  /** Stake that voted stays bonded until then; null when it is free. */
  lockedUntil: time.nullable(),
});
export type Membership = z.infer<typeof membershipSchema>;

export const parameterSchema = z.strictObject({
  name: z.string(),
  /** What holds now. */
  value: wholeText,
  default: wholeText,
  least: wholeText,
  most: wholeText,
  unit: z.enum(['ppm', 'micro-fog', 'milliseconds', 'count', 'switch']),
  meaning: z.string(),
  /** The proposal that set it, and when; null for a default. */
  proposal: hex(32).nullable(),
  changedAt: time.nullable(),
});
export type ParameterDocument = z.infer<typeof parameterSchema>;

/** Something that a vote has done. */
export const auditEntrySchema = z.strictObject({
  proposal: hex(32),
  title: z.string(),
  kind: z.enum(['parameter', 'grant', 'text']),
  /** Name of the parameter, or who was paid; empty for words. */
  subject: z.string(),
  before: wholeText.nullable(),
  /** The new value, or what was paid. */
  after: wholeText.nullable(),
  /** Who asked for it; null when its time had come. */
  by: nameSchema.nullable(),
  sequence: time,
  at: time,
});
export type AuditEntryDocument = z.infer<typeof auditEntrySchema>;
