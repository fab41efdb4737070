/** What other parts use of the directory. */
export { isAddressHost, isPublicHost } from './addresses.ts';
export { type AgreedRelay, agreedRelays, belowFloor, upperMedian } from './agreed-relays.ts';
export { resend, stepAuthority } from './authority.ts';
export { type ClockVerdict, judgeClock, toldTime } from './authority-clocks.ts';
export {
  type AuthorityContext,
  type AuthorityEffect,
  type AuthorityEvent,
  type AuthorityState,
  type AuthorityStep,
  authorityStateSchema,
  NEW_AUTHORITY,
  REFUSALS,
  type Refusal,
  ROUND_FAILURES,
} from './authority-state.ts';
export { canonicalJson } from './canonical-json.ts';
export { composeConsensus, lotteryParameters, type RoundOutcome } from './compose-consensus.ts';
export { deliveryRates, type LoopEvidence } from './delivery-rates.ts';
export { DESCRIPTOR_FAULTS, type DescriptorFault, descriptorFault, idOfDescriptor } from './descriptors.ts';
export {
  type AuthorityMessage,
  authorityMessageSchema,
  type Consensus,
  type ConsensusBody,
  type ConsensusNode,
  consensusBodySchema,
  consensusSchema,
  type Descriptor,
  type DrawEntry,
  type DrawProof,
  drawProofSchema,
  type Endorsement,
  EXCLUSION_REASONS,
  type ExclusionReason,
  type SeedNotice,
  type SignedDescriptor,
  seedNoticeSchema,
  signedDescriptorSchema,
  type Vote,
} from './documents.ts';
export { doubleEndorsers, type Endorser, endorsersOf } from './endorsements.ts';
export type { Evidence } from './exchange.ts';
export { NODE_ROLES, type NodeAddress, type NodeRole, nodeIdOf } from './fields.ts';
export {
  type Authority,
  createGenesis,
  DEFAULT_LOTTERY,
  DEFAULT_SCHEDULE,
  DEFAULT_TRAFFIC,
  type Genesis,
  genesisSchema,
  geometryHashOf,
  type LotterySettings,
  networkIdOf,
  parseGenesis,
  ROUND_STEPS,
  type RoundStep,
  STARTING_SCHEDULE,
  type TrafficSettings,
} from './genesis.ts';
export { DIRECTORY_LIMITS } from './limits.ts';
export { keyedOperator, operatorNameOf } from './operators.ts';
export { measuredRelays, type ProbedLoop, type ProbeRecord, recentProbes, withLoops } from './probe-record.ts';
export { agreedSeed, descriptorEpoch, makeDescriptor, makeDrawProof } from './relay-part.ts';
export {
  acceptedEpochs,
  epochAt,
  epochStart,
  type Moment,
  momentAt,
  nextDeadline,
  type Round,
  roundFor,
  stepEnd,
} from './schedule.ts';
export { commitmentTo, type RandomValue, seedOf } from './shared-randomness.ts';
export {
  documentDigest,
  ed25519PublicKey,
  ed25519Signer,
  isSignatureOf,
  isSignedBy,
  readDocument,
  type SignBytes,
  type Signed,
  signDocument,
  signedSchema,
  signingBytes,
} from './signed-document.ts';
export { allDoubleEndorsers, type ValidConsensuses, validConsensuses } from './valid-consensuses.ts';
export {
  CONSENSUS_REFUSALS,
  type ConsensusRefusal,
  type ConsensusVerdict,
  firstEmptyLayer,
  type VerifyConsensusOptions,
  verifyConsensus,
} from './verify-consensus.ts';
