/** What is at stake, as the API shows it. Amounts are whole micro-FOG, as texts. */
import { z } from 'zod';
import { nameSchema } from './identifiers.ts';
import { LIMITS } from './limits.ts';
import { currencySchema, microFogTextSchema } from './money.ts';

const timeSchema = z.int().nonnegative();
/** Whole parts per million. */
const ppmSchema = z.int().min(0).max(1_000_000);

/** Who owns nodes, and answers with stake for what they compute. */
export const validatorSchema = z.strictObject({
  validator: nameSchema,
  /** jailed: it gets no rewards until its owner unjails it; tombstoned: put out for its faults, for ever. */
  status: z.enum(['active', 'jailed', 'tombstoned']),
  jailedUntil: timeSchema,
  /** Slashes that were posted, and that are held. */
  faults: z.int().nonnegative(),
  heldSlashes: z.int().nonnegative(),
  /** Its own and what others delegated to it, without what held slashes have taken. */
  stake: microFogTextSchema,
  commissionPpm: ppmSchema,
});
export type ValidatorStanding = z.infer<typeof validatorSchema>;

export const stakeSchema = z.strictObject({
  principal: nameSchema,
  /** Null for who has never bonded. */
  validator: validatorSchema
    .extend({
      /** Earned from those who delegated to it, not yet withdrawn. */
      commission: microFogTextSchema,
      /** Of the last slots in which its nodes were looked for: how many, and how many it missed. */
      slots: z.int().nonnegative(),
      missedSlots: z.int().nonnegative(),
    })
    .nullable(),
  /** What is bonded with all validators. */
  bonded: microFogTextSchema,
  /** One's own bond is a delegation to oneself. */
  delegations: z.array(
    z.strictObject({
      validator: nameSchema,
      amount: microFogTextSchema,
      /** Of that: came from another validator, and cannot leave or move yet. */
      locked: microFogTextSchema,
      /** Earned, not yet withdrawn. */
      rewards: microFogTextSchema,
    }),
  ),
  /** What has left, until it is paid back. */
  unbonding: z.array(
    z.strictObject({
      validator: nameSchema,
      amount: microFogTextSchema,
      releasesAt: timeSchema,
      /** A slash of it is held: it waits for that as well. */
      isHeld: z.boolean(),
    }),
  ),
  /** What has moved, and answers for its former validator until then. */
  moved: z.array(z.strictObject({ from: nameSchema, to: nameSchema, until: timeSchema })),
  /** Until then stake that voted stays; null where none did. */
  votesUntil: timeSchema.nullable(),
});
export type Stake = z.infer<typeof stakeSchema>;

/** The same key does it once. */
const key = z.string().min(1).max(LIMITS.idempotencyKeyBytes);
const amount = microFogTextSchema;
/** Null: all that may leave. */
const leaving = microFogTextSchema.nullable();

/** What an owner does with its own stake. */
export const stakeChangeSchema = z.discriminatedUnion('kind', [
  /** Of its own, for its own nodes. The first one makes it a validator, with this commission, or without any. */
  z.strictObject({
    kind: z.literal('bond'),
    amount,
    currency: currencySchema.default('fog'),
    commissionPpm: ppmSchema.optional(),
    key,
  }),
  z.strictObject({
    kind: z.literal('delegate'),
    validator: nameSchema,
    amount,
    currency: currencySchema.default('fog'),
    key,
  }),
  /** From another validator, where one is named. */
  z.strictObject({ kind: z.literal('unbond'), validator: nameSchema.optional(), amount: leaving, key }),
  z.strictObject({ kind: z.literal('redelegate'), from: nameSchema, to: nameSchema, amount: leaving, key }),
  /** Rewards of all delegations, or of one, and the commission. */
  z.strictObject({ kind: z.literal('withdraw'), validator: nameSchema.optional() }),
  z.strictObject({ kind: z.literal('unjail') }),
  z.strictObject({ kind: z.literal('commission'), commissionPpm: ppmSchema }),
]);
export type StakeChange = z.input<typeof stakeChangeSchema>;

/** JOB/PARTITION/FENCE: the attempt whose result was proven wrong. */
export const faultSchema = z
  .string()
  .regex(/^j[0-9a-z]{18}\/\d{1,7}\/\d{1,10}$/, 'has to be JOB/PARTITION/FENCE, as "fog stake slashes" tells it');
const reasonSchema = z
  .string()
  .trim()
  .min(1)
  .max(LIMITS.reasonCharacters)
  .meta({ description: 'For people, up to 4,000 characters' });

/** How a task whose results differ was looked into, and what came of it. */
export const ARBITRATION_OUTCOMES = {
  proven: 'results were proven wrong',
  right: 'the result that was doubted is right',
  'nothing-at-stake': 'nobody whose result differs had anything at stake',
  'too-few-arbiters': 'no trusted node ran it again, and too few could be drawn as arbiters',
  disagreed: 'the arbiters did not agree',
  unanswered: 'an arbiter did not answer in time',
} as const;
export type ArbitrationOutcome = keyof typeof ARBITRATION_OUTCOMES;
export const ARBITRATION_OUTCOME_NAMES = Object.keys(ARBITRATION_OUTCOMES) as [ArbitrationOutcome];

/** Who proves a result wrong. */
export const PROVERS = ['trusted', 'arbiters'] as const;
export type Prover = (typeof PROVERS)[number];

export const slashSchema = z.strictObject({
  fault: faultSchema,
  validator: nameSchema,
  node: z.string(),
  /** held: it can be appealed against; appealed: it waits for the operator; posted: the money is gone. */
  state: z.enum(['held', 'appealed', 'posted', 'overturned']),
  /** Sum of what was taken from the validator and from those who delegated to it. */
  amount: microFogTextSchema,
  heldAt: timeSchema,
  appealableUntil: timeSchema,
  /** When it posts, unless it is decided otherwise before. */
  decideUntil: timeSchema,
  buyer: nameSchema,
  paidForTask: microFogTextSchema,
  /** The evidence: digests of the result that the node signed, and of that of a trusted node or of all arbiters. */
  claimedDigest: z.string(),
  digest: z.string(),
  provenBy: z.enum(PROVERS),
  /** Owners that were drawn; none where a trusted node has proven it. */
  arbiters: z.array(nameSchema),
  signature: z.string().nullable(),
  appealReason: z.string().nullable(),
  decidedBy: z.string().nullable(),
  decisionReason: z.string().nullable(),
});
export type SlashRecord = z.infer<typeof slashSchema>;

export const appealSchema = z.strictObject({ fault: faultSchema, reason: reasonSchema });
export const decisionSchema = z.strictObject({
  fault: faultSchema,
  /** upheld: it posts at once. */
  verdict: z.enum(['upheld', 'overturned']),
  reason: reasonSchema,
});
