/**
 * The documents of the directory, and who signs them:
 *
 *     descriptor   a relay: what it is, where it listens, its keys of three epochs
 *     draw-proof   a relay, not signed: its proof in the lottery proves itself
 *     vote         an authority: the relays that it knows, what it measured, its commitment to a random value
 *     reveal       an authority: that value
 *     proof-list   an authority: the proofs that relays have shown it
 *     witness      an authority: the votes, reveals or proof lists that it has received in time
 *     seed-notice  an authority: the seed of the lottery, as soon as it is known
 *     endorsement  an authority: the digest of the consensus that it computed
 *     clock        an authority: its time, to somebody who asked for it
 *     consensus    what all of this comes to, with the endorsements of a threshold of authorities
 *
 * Each names the network and, but for the clock, the epoch that it is for. Lists stand in a fixed order and name nothing twice: a document
 * that says the same is the same.
 */
import { z } from 'zod';
import {
  addressSchema,
  bytes32Schema,
  epochSchema,
  hexSchema,
  NODE_ROLES,
  nameSchema,
  ppmSchema,
  proofSchema,
  signatureSchema,
  sortedBy,
  sphinxKeySchema,
  stakeSchema,
  weightSchema,
} from './fields.ts';
import { lotterySettingsSchema, trafficSettingsSchema } from './genesis.ts';
import { DIRECTORY_LIMITS } from './limits.ts';
import { type DocumentBody, type Signed, signedSchema } from './signed-document.ts';

/** Keys of the epoch of a document and of the next two. */
const SPHINX_KEYS = 3;

const byId = sortedBy<{ id: string }>(({ id }) => id, 'id');
const byAuthority = sortedBy<{ authority: string }>(({ authority }) => authority, 'authority');
const byName = sortedBy<string>((name) => name, 'name');
const namesSchema = z.array(nameSchema).max(DIRECTORY_LIMITS.authorities).refine(byName.check, byName.message);
const probesSchema = z.int().min(0).max(DIRECTORY_LIMITS.probes);

/** Fields of every document. */
const scopeOf = <Kind extends string>(kind: Kind) => ({
  kind: z.literal(kind),
  network: bytes32Schema,
  epoch: epochSchema,
});

/** What a relay says of itself in its descriptor, and the consensus passes on. */
const relayFields = {
  /** Ed25519; its hash is the node's id. */
  identityKey: bytes32Schema,
  /** X25519, the static key of its links. */
  linkKey: bytes32Schema,
  role: z.enum(NODE_ROLES),
  /** Who runs it. A path has at most one relay of an operator. */
  operator: nameSchema,
  addresses: z.array(addressSchema).min(1).max(DIRECTORY_LIMITS.addressesPerRelay),
  protocolVersions: z.array(z.int().min(1).max(255)).min(1).max(DIRECTORY_LIMITS.protocolVersions),
  /** Of three epochs in a row, the document's first. */
  sphinxKeys: z.array(sphinxKeySchema).length(SPHINX_KEYS),
};

const vrfFields = {
  /** Its key in the lottery, and the epoch in which that was registered: it counts in later epochs only. */
  vrfKey: bytes32Schema,
  registeredEpoch: epochSchema,
};

/** Of an operator whose name is the hash of its key, over the identity key of the relay, see operators.ts. */
const operatorProofSchema = z.strictObject({ publicKey: bytes32Schema, signature: signatureSchema });
export type OperatorProof = z.infer<typeof operatorProofSchema>;

export const descriptorSchema = z
  .strictObject({
    ...scopeOf('descriptor'),
    sequence: z.int().min(0),
    ...relayFields,
    ...vrfFields,
    /** Null where the operator has but a name. */
    operatorProof: operatorProofSchema.nullable(),
  })
  .refine(({ epoch, sphinxKeys }) => sphinxKeys.every((key, index) => key.epoch === epoch + index), {
    path: ['sphinxKeys'],
    message: 'must be of the epoch of the descriptor and the next two, in this order',
  });
export type Descriptor = z.infer<typeof descriptorSchema>;
export const signedDescriptorSchema = signedSchema(descriptorSchema);
export type SignedDescriptor = Signed<Descriptor>;

export const drawProofSchema = z.strictObject({ ...scopeOf('draw-proof'), id: bytes32Schema, proof: proofSchema });
export type DrawProof = z.infer<typeof drawProofSchema>;

/** The consensus that the authority's last seed is from; the next one is chained to it. */
export const previousSeedSchema = z.strictObject({ epoch: epochSchema, seed: bytes32Schema });
export type PreviousSeed = z.infer<typeof previousSeedSchema>;

const votedRelaySchema = z.strictObject({
  id: bytes32Schema,
  descriptor: signedDescriptorSchema,
  stake: stakeSchema,
  reputationPpm: ppmSchema,
  /** Probe loops through it: sent, and how many of them it let pass, by the authority's estimate. */
  sent: probesSchema,
  returned: probesSchema,
});
export type VotedRelay = z.infer<typeof votedRelaySchema>;

export const voteSchema = z.strictObject({
  ...scopeOf('vote'),
  authority: nameSchema,
  commitment: bytes32Schema,
  previous: previousSeedSchema.nullable(),
  relays: z.array(votedRelaySchema).max(DIRECTORY_LIMITS.relays).refine(byId.check, byId.message),
});
export type Vote = z.infer<typeof voteSchema>;

export const revealSchema = z.strictObject({ ...scopeOf('reveal'), authority: nameSchema, value: bytes32Schema });
export type RevealedValue = z.infer<typeof revealSchema>;

const listedProofSchema = z.strictObject({ id: bytes32Schema, proof: proofSchema });

export const proofListSchema = z.strictObject({
  ...scopeOf('proof-list'),
  authority: nameSchema,
  proofs: z.array(listedProofSchema).max(DIRECTORY_LIMITS.relays).refine(byId.check, byId.message),
});
export type ProofList = z.infer<typeof proofListSchema>;

/** What authorities exchange and bear witness of. */
export const testimonySchema = z.discriminatedUnion('kind', [voteSchema, revealSchema, proofListSchema]);
export type Testimony = z.infer<typeof testimonySchema>;
export const signedTestimonySchema = signedSchema(testimonySchema);
export type SignedTestimony = Signed<Testimony>;

export const witnessSchema = z
  .strictObject({
    ...scopeOf('witness'),
    authority: nameSchema,
    of: z.enum(['vote', 'reveal', 'proof-list']),
    seen: z.array(signedTestimonySchema).max(DIRECTORY_LIMITS.authorities * DIRECTORY_LIMITS.documentsPerSender),
  })
  .refine(
    ({ of, epoch, network, seen }) =>
      seen.every(({ body }) => body.kind === of && body.epoch === epoch && body.network === network),
    {
      path: ['seen'],
      message: 'must be of the kind, epoch and network that the witness is for',
    },
  );
export type Witness = z.infer<typeof witnessSchema>;

export const seedNoticeSchema = z.strictObject({
  ...scopeOf('seed-notice'),
  authority: nameSchema,
  seed: bytes32Schema,
});
export type SeedNotice = z.infer<typeof seedNoticeSchema>;

export const authorityClockSchema = z.strictObject({
  kind: z.literal('clock'),
  network: bytes32Schema,
  authority: nameSchema,
  /** Of whoever asked, so that the answer is none of an earlier time. */
  nonce: bytes32Schema,
  /** By the authority's clock, since 1970. */
  milliseconds: z.int().min(0),
});
export type AuthorityClock = z.infer<typeof authorityClockSchema>;

const signedMillisecondsSchema = z.int().min(0);
export const endorsementSchema = z.strictObject({
  ...scopeOf('endorsement'),
  authority: nameSchema,
  /** Of the consensus. */
  digest: bytes32Schema,
  /** By the authority's clock; from it a node learns that its own is behind. */
  signedMilliseconds: signedMillisecondsSchema,
});
export type Endorsement = z.infer<typeof endorsementSchema>;

/** What authorities send each other. */
export const authorityMessageSchema = z.union([
  signedTestimonySchema,
  signedSchema(witnessSchema),
  signedSchema(endorsementSchema),
]);
export type AuthorityMessage = Signed<Testimony | Witness | Endorsement>;

const standingFields = {
  stake: stakeSchema,
  reputationPpm: ppmSchema,
  /** In millionths of millionths of a unit of stake. */
  weight: weightSchema,
};

/** Part of a mix in the lottery. */
const drawSchema = z.strictObject({ ...vrfFields, ...standingFields, proof: proofSchema });
export type DrawEntry = z.infer<typeof drawSchema>;

const consensusNodeSchema = z.strictObject({
  id: bytes32Schema,
  ...relayFields,
  performancePpm: ppmSchema,
  /** From 1, of a mix; null for gateways and services. */
  layer: z.int().min(1).max(DIRECTORY_LIMITS.layers).nullable(),
  /** Of a mix; null for gateways and services, which are not drawn. */
  draw: drawSchema.nullable(),
  /** Of gateways and services: clients draw them by its weight. Null for a mix, whose draw has it. */
  standing: z.strictObject(standingFields).nullable(),
});
export type ConsensusNode = z.infer<typeof consensusNodeSchema>;

/** A mix that took part in the lottery and won no seat: what is needed to check that. */
const standbySchema = z.strictObject({
  id: bytes32Schema,
  operator: nameSchema,
  performancePpm: ppmSchema,
  draw: drawSchema,
});

export const EXCLUSION_REASONS = [
  'known-to-too-few',
  'performance-below-floor',
  'stake-below-minimum',
  'no-weight',
  'registered-too-late',
  'no-proof',
] as const;
export type ExclusionReason = (typeof EXCLUSION_REASONS)[number];

export const consensusBodySchema = z.strictObject({
  ...scopeOf('consensus'),
  test: z.boolean(),
  geometryHash: bytes32Schema,
  layers: z.int().min(1).max(DIRECTORY_LIMITS.layers),
  lottery: lotterySettingsSchema,
  traffic: trafficSettingsSchema,
  randomness: z.strictObject({
    previous: previousSeedSchema.nullable(),
    reveals: z
      .array(z.strictObject({ authority: nameSchema, value: bytes32Schema }))
      .max(DIRECTORY_LIMITS.authorities)
      .refine(byAuthority.check, byAuthority.message),
    /** Authorities that committed to a value and did not reveal it. */
    withheld: namesSchema,
    seed: bytes32Schema,
  }),
  authorities: z.strictObject({
    /** Whose votes counted. */
    counted: namesSchema,
    /** Who signed two different documents where one is due. */
    equivocated: namesSchema,
    /** Of whom no vote was seen by enough. */
    absent: namesSchema,
  }),
  nodes: z.array(consensusNodeSchema).max(DIRECTORY_LIMITS.relays).refine(byId.check, byId.message),
  standby: z.array(standbySchema).max(DIRECTORY_LIMITS.relays).refine(byId.check, byId.message),
  excluded: z
    .array(z.strictObject({ id: bytes32Schema, reason: z.enum(EXCLUSION_REASONS) }))
    .max(DIRECTORY_LIMITS.relays)
    .refine(byId.check, byId.message),
});
export type ConsensusBody = z.infer<typeof consensusBodySchema>;

export const consensusSchema = z.strictObject({
  body: consensusBodySchema,
  /** Endorsements, less what they have in common. */
  signatures: z
    .array(
      z.strictObject({
        authority: nameSchema,
        signedMilliseconds: signedMillisecondsSchema,
        signature: signatureSchema,
      }),
    )
    .max(DIRECTORY_LIMITS.authorities)
    .refine(byAuthority.check, byAuthority.message),
});
export type Consensus = z.infer<typeof consensusSchema>;

/** Secret of an authority until it is revealed. */
export const secretValueSchema = hexSchema(32);

/** The endorsement that an entry of a consensus' signatures stands for. */
export function endorsementOf(
  body: DocumentBody & Pick<ConsensusBody, 'network' | 'epoch'>,
  digest: string,
  entry: { authority: string; signedMilliseconds: number },
): Endorsement {
  const { authority, signedMilliseconds } = entry;
  return { kind: 'endorsement', network: body.network, epoch: body.epoch, authority, digest, signedMilliseconds };
}
