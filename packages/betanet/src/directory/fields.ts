/** Fields that the directory's documents are made of. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { VRF_PROOF_BYTES } from '../lottery/ecvrf.ts';
import { PARTS_PER_MILLION } from '../lottery/fixed-point.ts';
import { isAddressHost } from './addresses.ts';
import { DIRECTORY_LIMITS } from './limits.ts';

export const hexSchema = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`), `must be ${bytes * 2} lower-case hex digits`);

/** Keys, ids, digests, seeds, commitments. */
export const bytes32Schema = hexSchema(32);
export const signatureSchema = hexSchema(64);
export const proofSchema = hexSchema(VRF_PROOF_BYTES);

export const nameSchema = z
  .string()
  .max(DIRECTORY_LIMITS.nameCharacters)
  .regex(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/, 'must be letters, digits, and . _ - between them');

/** -1 is the time before the first epoch. */
export const epochSchema = z.int().min(-1);
export const ppmSchema = z.int().min(0).max(PARTS_PER_MILLION);
const decimalSchema = (digits: number) =>
  z
    .string()
    .regex(new RegExp(`^(0|[1-9][0-9]{0,${digits - 1}})$`), `must be a whole number of at most ${digits} digits`);
/** A whole number beyond those of JSON, in decimal digits. */
export const stakeSchema = decimalSchema(DIRECTORY_LIMITS.stakeDigits);
export const weightSchema = decimalSchema(DIRECTORY_LIMITS.weightDigits);
export const intervalSchema = z.int().min(1).max(DIRECTORY_LIMITS.intervalMilliseconds);

export const NODE_ROLES = ['gateway', 'mix', 'service'] as const;
export type NodeRole = (typeof NODE_ROLES)[number];

/** Where a relay listens: an address of IP as a literal, for a name could mean another network to each who asks. */
export const addressSchema = z.strictObject({
  host: z.string().max(45).refine(isAddressHost, 'must be an IPv4 or IPv6 address in its shortest spelling'),
  port: z.int().min(1).max(65_535),
});
export type NodeAddress = z.infer<typeof addressSchema>;

export const sphinxKeySchema = z.strictObject({ epoch: epochSchema, publicKey: bytes32Schema });

/** Lists that stand in one order and name nothing twice, so that equal lists are equal texts. */
export const sortedBy = <Entry>(key: (entry: Entry) => string, what: string) => ({
  check: (entries: readonly Entry[]) =>
    entries.every((entry, index) => index === 0 || key(entries[index - 1] as Entry) < key(entry)),
  message: `must be in the order of ${what}, each once`,
});

/** Hex of a node's id: SHA-256 of its identity key (hex). It is the id in headers of packets. */
export function nodeIdOf(identityKey: string): string {
  return createHash('sha256').update(Buffer.from(identityKey, 'hex')).digest('hex');
}
