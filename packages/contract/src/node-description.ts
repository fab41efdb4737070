/** What a node says of itself when it connects. */
import { z } from 'zod';
import { nameSchema } from './identifiers.ts';
import { LIMITS } from './limits.ts';
import { nodeOfferSchema } from './placement-policy.ts';

export const capacitySchema = z.strictObject({
  /** Attempts at the same time: the credits the node grants. */
  slots: z.int().min(0).max(4096),
  milliCpu: z.int().min(0),
  memoryBytes: z.int().min(0),
  diskBytes: z.int().min(0),
});
export type Capacity = z.infer<typeof capacitySchema>;

export const runtimeProbeSchema = z.discriminatedUnion('available', [
  z.strictObject({
    available: z.literal(true),
    version: z.string().max(256),
    features: z.record(z.string().max(64), z.string().max(512)),
  }),
  z.strictObject({ available: z.literal(false), reason: z.string().max(1024), hint: z.string().max(1024).optional() }),
]);

export const RUNTIME_NAMES = ['wasm', 'javascript', 'process', 'docker', 'kubernetes'] as const;
export type RuntimeName = (typeof RUNTIME_NAMES)[number];

/** Whose jobs the node runs. `*` is everybody. The names are those on tokens (principals). */
export const nodePolicySchema = z.strictObject({
  /** Jobs of others are not placed here. */
  accept: z.array(z.union([z.literal('*'), nameSchema])).max(256),
  /** Their scripts may run in v8 without an operating-system sandbox, like the owner's own. */
  trusted: z.array(z.union([z.literal('*'), nameSchema])).max(256),
});
export type NodePolicy = z.infer<typeof nodePolicySchema>;

export function policyIncludes(names: readonly string[], principal: string): boolean {
  return names.includes('*') || names.includes(principal);
}

export const nodeDescriptionSchema = z.strictObject({
  name: nameSchema,
  agentVersion: z.string().max(64),
  labels: z
    .record(z.string().min(1).max(LIMITS.labelBytes), z.string().max(LIMITS.labelBytes))
    .refine((labels) => Object.keys(labels).length <= LIMITS.labels, `at most ${LIMITS.labels} labels`),
  capacity: capacitySchema,
  runtimes: z.partialRecord(z.enum(RUNTIME_NAMES), runtimeProbeSchema),
  policy: nodePolicySchema,
  /** What its owner asks, and what it draws; left out where that was not said. */
  offer: nodeOfferSchema.optional(),
});
export type NodeDescription = z.infer<typeof nodeDescriptionSchema>;
