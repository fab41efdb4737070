/** What an authority remembers, what it is told and what it asks to be done. All state is plain JSON. */
import { z } from 'zod';
import type { VerifyProof } from '../lottery/relay-lottery.ts';
import type { StandingSource } from '../lottery/standing.ts';
import {
  type AuthorityMessage,
  type Consensus,
  consensusBodySchema,
  consensusSchema,
  previousSeedSchema,
  type SeedNotice,
  secretValueSchema,
  signedDescriptorSchema,
  signedTestimonySchema,
} from './documents.ts';
import { type Evidence, NEW_EXCHANGE } from './exchange.ts';
import { bytes32Schema, nameSchema, proofSchema, signatureSchema } from './fields.ts';
import { type Genesis, ROUND_STEPS } from './genesis.ts';
import { type ProbedLoop, type ProbeRecord, probeRecordSchema } from './probe-record.ts';
import type { SignBytes, Signed } from './signed-document.ts';

const exchangeSchema = z.strictObject({
  documents: z.array(z.strictObject({ digest: bytes32Schema, document: signedTestimonySchema })),
  direct: z.array(bytes32Schema),
  witnessed: z.array(z.strictObject({ authority: nameSchema, digests: z.array(bytes32Schema) })),
});

export const ROUND_FAILURES = ['too-few-votes', 'too-few-reveals'] as const;

const endorsementEntrySchema = z.strictObject({
  authority: nameSchema,
  digest: bytes32Schema,
  signedMilliseconds: z.int(),
  signature: signatureSchema,
});

const roundStateSchema = z.strictObject({
  epoch: z.int().min(0),
  step: z.enum([...ROUND_STEPS, 'idle']),
  failure: z.enum(ROUND_FAILURES).nullable(),
  /** The random value that the authority has committed to. Secret until its reveal is sent. */
  value: secretValueSchema.nullable(),
  exchanges: z.strictObject({ vote: exchangeSchema, reveal: exchangeSchema, 'proof-list': exchangeSchema }),
  /** Since the reveals: the seed, and keys in the lottery of the mixes that may show a proof for it. */
  seed: bytes32Schema.nullable(),
  vrfKeys: z.record(bytes32Schema, bytes32Schema),
  proofs: z.record(bytes32Schema, proofSchema),
  /** What this authority has computed and endorsed, once only. */
  endorsed: z.strictObject({ digest: bytes32Schema, body: consensusBodySchema }).nullable(),
  endorsements: z.array(endorsementEntrySchema),
  isPublished: z.boolean(),
});
export type RoundState = z.infer<typeof roundStateSchema>;
export type Endorsed = z.infer<typeof endorsementEntrySchema>;

const storedDescriptorSchema = z.strictObject({
  id: bytes32Schema,
  digest: bytes32Schema,
  document: signedDescriptorSchema,
  /** Whom it is counted on: the network prefix of the address that it was sent from. */
  source: z.string(),
  /** When it came, by the authority's clock. */
  takenMilliseconds: z.int(),
});
export type StoredDescriptor = z.infer<typeof storedDescriptorSchema>;

export const authorityStateSchema = z.strictObject({
  /** Of the round's epoch and the next; one for each relay and epoch. */
  descriptors: z.array(storedDescriptorSchema),
  probes: probeRecordSchema,
  previous: previousSeedSchema.nullable(),
  round: roundStateSchema.nullable(),
  /** The newest consensus that a threshold of authorities has endorsed. */
  latest: consensusSchema.nullable(),
});
export type AuthorityState = Omit<z.infer<typeof authorityStateSchema>, 'probes'> & { probes: ProbeRecord };

/** An authority that remembers nothing. */
export const NEW_AUTHORITY: AuthorityState = {
  descriptors: [],
  probes: [],
  previous: null,
  round: null,
  latest: null,
};

export function newRound(epoch: number): RoundState {
  return {
    epoch,
    step: 'descriptors',
    failure: null,
    value: null,
    exchanges: { vote: NEW_EXCHANGE, reveal: NEW_EXCHANGE, 'proof-list': NEW_EXCHANGE },
    seed: null,
    vrfKeys: {},
    proofs: {},
    endorsed: null,
    endorsements: [],
    isPublished: false,
  };
}

export interface AuthorityContext {
  genesis: Genesis;
  /** Id of the network, hex. */
  network: string;
  /** The authority's own name in the genesis. */
  authority: string;
  sign: SignBytes;
  /** Cryptographic randomness, `bytes` long. */
  random(bytes: number): Uint8Array;
  standing: StandingSource;
  verifyProof: VerifyProof;
}

/** `document` is whatever arrived: it is checked here. */
export type AuthorityEvent =
  | { kind: 'tick' }
  /** `source`: the network prefix that it came from. Whoever sends it cannot choose that, unlike what it says. */
  | { kind: 'descriptor'; document: unknown; source: string }
  | { kind: 'proof'; document: unknown }
  | { kind: 'message'; document: unknown }
  | { kind: 'consensus'; document: unknown }
  /** Probe loops that have ended since the last time. */
  | { kind: 'measured'; loops: readonly ProbedLoop[] };

export const REFUSALS = [
  'malformed',
  'wrong-network',
  'wrong-epoch',
  'before-first-round',
  'unknown-authority',
  'bad-signature',
  'bad-content',
  'late',
  'known',
  'older',
  'too-soon',
  'vrf-key-changed',
  'unreachable',
  'busy',
  'too-many-of-source',
  'full',
  'seed-unknown',
  'unknown-relay',
  'bad-proof',
  'not-endorsed',
  'private-address',
  'bad-key',
  'registered-in-the-future',
  'operator-not-proven',
] as const;
export type Refusal = (typeof REFUSALS)[number];

export type AuthorityEffect =
  /** To every other authority, until the step is over. */
  | { kind: 'broadcast'; document: AuthorityMessage }
  /** For relays to fetch: they can now compute their proofs. */
  | { kind: 'announce-seed'; document: Signed<SeedNotice> }
  | { kind: 'publish'; consensus: Consensus }
  /** The others agreed on a consensus without this authority, which keeps it. */
  | { kind: 'adopt'; consensus: Consensus }
  | { kind: 'evidence'; evidence: Evidence }
  /** Another has endorsed a different consensus. */
  | { kind: 'disagreement'; authority: string; digest: string }
  | { kind: 'round-failed'; epoch: number; reason: (typeof ROUND_FAILURES)[number] }
  /** The event changed nothing; to be counted by reason, and told to whoever sent it. */
  | { kind: 'refused'; reason: Refusal };

/** Save the state first, then carry out the effects: what is sent must survive a crash. */
export interface AuthorityStep {
  state: AuthorityState;
  effects: AuthorityEffect[];
}
