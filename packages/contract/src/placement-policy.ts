/** What a job may say about where its tasks go, when, and at what price. The words are those of `@fog/scheduler`. */
import { z } from 'zod';
import { LIMITS } from './limits.ts';
import { constraintText, durationText } from './spec-texts.ts';

/** What a placement may be good at. All of them are minimised. */
export const OBJECTIVES = ['completionTime', 'cost', 'energy', 'failureRisk', 'fairness'] as const;
export type ObjectiveName = (typeof OBJECTIVES)[number];

/** How well what a task computes on has to be kept from others; `public`: not at all. Each includes those before it. */
export const PRIVACY_LEVELS = ['public', 'private', 'confidential', 'secret'] as const;
export type PrivacyLevel = (typeof PRIVACY_LEVELS)[number];

/** How a single task finds its node quickly. Whatever the strategy, the node suits the task and has room for it. */
export const ROUTER_STRATEGIES = [
  /** The node of which least is taken, one of less reputation counting as fuller; between equal ones in turn. */
  'balanced',
  /** The node of which least is taken. */
  'least-loaded',
  /** Nodes that have most of the inputs; else always the same node for the same affinity key, as long as it has room. */
  'affinity',
  /** The node on which the task could start soonest: latency, and transfer of what it does not have. */
  'proximity',
  /** The lowest sufficient level, so that nodes of higher levels are left to tasks that need them; then most reputation. */
  'privacy-aware',
  /** The less loaded of two nodes that are drawn. */
  'power-of-two-choices',
  'round-robin',
] as const;
export type RouterStrategyName = (typeof ROUTER_STRATEGIES)[number];

/** How soon tasks shall find a node, the cheapest first. */
export const SERVICE_TIERS = ['bronze', 'silver', 'gold'] as const;
export type ServiceTier = (typeof SERVICE_TIERS)[number];

export const objectivesSchema = z
  .partialRecord(z.enum(OBJECTIVES), z.number().nonnegative().max(1_000_000))
  .refine((weights) => Object.values(weights).some((weight) => weight > 0), 'must weigh one objective with more than 0')
  .refine(
    (weights) => Object.keys(weights).length <= LIMITS.objectives,
    `are more than ${LIMITS.objectives}: with more, nearly every placement is as good as every other`,
  )
  .meta({
    description:
      'What a good node is, at most four with their weights: completionTime, cost, energy, failureRisk, fairness',
  });
/** Weights, at least one of them above 0. */
export type ObjectiveWeights = z.infer<typeof objectivesSchema>;

const strategySchema = z.enum(ROUTER_STRATEGIES).meta({
  description: 'A quick rule in place of objectives: how a task finds its node among those that suit and have room',
});

const trustFloorSchema = z.number().min(0).max(1).meta({
  description: 'Least reputation of its node: the share of right results that verification vouches for, such as 0.95',
});

/** What decides the price of a result, below the most that it may cost. */
export const METERS = ['clock', 'fuel'] as const;
export type MeterName = (typeof METERS)[number];

export const budgetSchema = z
  .strictObject({
    perTask: z.int().min(0).max(LIMITS.microFog).optional().meta({
      description: 'Micro-FOG that one run may cost, or a replica for five minutes; dearer nodes are left out',
    }),
    meter: z.enum(METERS).optional().meta({
      description:
        'What a run is paid by: clock, the time that it takes (the default); fuel, for wasm: the instructions that it executes, of which every node counts the same number',
    }),
  })
  .refine((budget) => Object.keys(budget).length > 0, 'must say perTask or meter')
  .meta({ description: 'What may be paid, by the prices that nodes ask and the tier' });

export const tierSchema = z.enum(SERVICE_TIERS).meta({
  description:
    'How soon 95 of 100 tasks shall find a node: bronze 2.5 s (the default), silver 1.2 s, gold 400 ms; the price is 1, 2.5 and 5 times that of bronze',
});

export const privacySchema = z.enum(PRIVACY_LEVELS).meta({
  description: 'private: only nodes of the submitter, and trusted ones; public, the default: any',
});

export const placementSchema = z.strictObject({
  constraints: z.array(constraintText).max(LIMITS.constraints).default([]),
  strategy: strategySchema.optional(),
  trust: trustFloorSchema.optional(),
  maxLatency: durationText.optional().meta({
    description:
      'Longest way to its node and back, as the coordinator measures it; nodes that are further off are left out',
  }),
});
export type PlacementSpec = z.infer<typeof placementSchema>;

export const deadlineSchema = z
  .strictObject({
    within: durationText.meta({ description: 'From the submit to the end of each task' }),
    strict: z.boolean().default(false).meta({
      description: 'Nodes that would likely miss it are left out; else they are the last resort',
    }),
  })
  .meta({ description: 'When its tasks shall have ended; a strict one is not begun where it would likely be missed' });

const expectedSchema = z.strictObject({
  completionMilliseconds: z.number().nonnegative(),
  costMicroFog: z.number().nonnegative(),
  energyJoules: z.number().nonnegative(),
  /** Probability that there is no right result at the end. */
  failureRisk: z.number().min(0).max(1),
  /** By how much the deadline would be missed, if the run takes as long as one of twenty does. */
  latenessMilliseconds: z.number().nonnegative(),
});

/** Why an attempt was given to its node. */
export const placementReasonSchema = z.strictObject({
  /** `pinned`: the task is for this node; `strategy`, `objectives`: what the job asks for; `plan`: of a batch. */
  by: z.enum(['pinned', 'strategy', 'objectives', 'plan', 'moved']),
  strategy: z.enum(ROUTER_STRATEGIES).optional(),
  /** Weights. */
  objectives: z.partialRecord(z.enum(OBJECTIVES), z.number()).optional(),
  /** Nodes with room that were compared. */
  compared: z.int().nonnegative().optional(),
  /** Of the node in this runtime, by verification: 0 to 1; 1 for a trusted one. */
  reputation: z.number().min(0).max(1),
  expected: expectedSchema.optional(),
});
export type PlacementReason = z.infer<typeof placementReasonSchema>;

/** What a slice costs in a region, in bronze; the price of the other tiers is a multiple of it. */
export const marketPriceSchema = z.strictObject({
  /** What the label `region` of its nodes says; empty for those without. */
  region: z.string(),
  microFog: z.int().min(0),
  /** Slices at a time when the price last moved. */
  usedSlices: z.int().nonnegative(),
  offeredSlices: z.int().nonnegative(),
  steppedAt: z.int(),
});
export type MarketPrice = z.infer<typeof marketPriceSchema>;

/** What a node says of its price and power. */
export const nodeOfferSchema = z.strictObject({
  /** Micro-FOG for a standard slice: one processor, 2 GiB, 5 minutes. */
  pricePerSlice: z.int().min(0).max(LIMITS.microFog).optional(),
  /** Watts while nothing runs, and with all processors at work. */
  idleWatts: z.number().min(0).max(LIMITS.watts).optional(),
  busyWatts: z.number().min(0).max(LIMITS.watts).optional(),
});
export type NodeOfferTerms = z.infer<typeof nodeOfferSchema>;
