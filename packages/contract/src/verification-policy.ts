/** The `verification` block of a job specification. */
import { z } from 'zod';
import { blobDigest } from './identifiers.ts';
import { LIMITS } from './limits.ts';

const toleranceSchema = z.strictObject({
  absolute: z.number().nonnegative().default(0).meta({ description: 'Numbers this close are equal' }),
  relative: z.number().min(0).lt(1).default(0).meta({ description: 'As a share of the larger of the two' }),
});
export type Tolerance = z.infer<typeof toleranceSchema>;

export const comparatorSchema = z
  .union([z.literal('exact'), z.strictObject({ tolerance: toleranceSchema }), z.strictObject({ script: blobDigest })])
  .meta({
    description: 'When two results count as the same; a script finds them at /left and /right, and returns true',
  });
export type ComparatorChoice = z.infer<typeof comparatorSchema>;

export const verificationPolicySchema = z
  .strictObject({
    mode: z.enum(['none', 'replicate', 'adaptive']).default('adaptive').meta({
      description: 'none: the first result counts; replicate: always a quorum; adaptive: proven nodes mostly run alone',
    }),
    quorum: z.int().min(2).max(LIMITS.resultsPerTask).default(2).meta({ description: 'Results that must agree' }),
    maxReplicas: z
      .int()
      .min(2)
      .max(LIMITS.resultsPerTask)
      .default(5)
      .meta({ description: 'Results without a quorum after which a trusted node decides' }),
    trust: z
      .number()
      .gt(0)
      .lt(1)
      .optional()
      .meta({ description: 'The credibility, such as 0.999, that a result needs besides' }),
    compare: comparatorSchema.default('exact'),
    spotChecks: z
      .number()
      .min(0)
      .max(LIMITS.spotCheckShare)
      .default(0.02)
      .meta({ description: 'Share of the leases of proven nodes that are checks with a known answer' }),
  })
  .refine(({ quorum, maxReplicas }) => maxReplicas >= quorum, {
    path: ['maxReplicas'],
    message: 'must be at least the quorum',
  });
/** As it is used, with defaults filled in. */
export type VerificationPolicy = z.infer<typeof verificationPolicySchema>;
