/**
 * @fog/sphinx: the packet format of the mix network. Pure: bytes in, bytes out (but for `requestTimeSlice`).
 *
 * A client chooses a path and calls `createPacket`; each node calls an `Unwrapper` of the fastest backend, and forwards
 * what it leaves, or gives it to the recipient. A recipient who was sent a reply block answers with
 * `packetFromReplyBlock`, and its owner opens the answer with `openReply`.
 */

export { type AezInputs, aezDecrypt, aezEncrypt, aezHash, aezPrf } from './aez/aez.ts';
export { extractKey } from './aez/tweaked-cipher.ts';
export {
  BACKEND_NAMES,
  type BackendName,
  type SphinxBackend,
  type Unwrapper,
  type UnwrapperOptions,
} from './backend.ts';
export {
  createNativeBackend,
  type LoadedNative,
  loadNative,
  type NativeBackend,
  type NativeChoice,
  X25519_TIERS,
  type X25519Tier,
} from './backends/native.ts';
export { loadSodium } from './backends/sodium.ts';
export { requestTimeSlice } from './backends/time-slice.ts';
export { TYPESCRIPT_BACKEND } from './backends/typescript.ts';
export { type ChosenBackend, chooseBackend } from './choose-backend.ts';
export {
  type Commands,
  delayCommand,
  nextHopCommand,
  readCommands,
  recipientCommand,
  replyCommand,
} from './commands.ts';
export {
  DEFAULT_GEOMETRY_CHOICE,
  type Geometry,
  type GeometryChoice,
  geometryHash,
  geometryOf,
  NODE_ID_BYTES,
  PAYLOAD_TAG_BYTES,
  RECIPIENT_BYTES,
  REPLY_ID_BYTES,
} from './geometry.ts';
export {
  createHeader,
  type HeaderFault,
  type HeaderSuite,
  type HopChain,
  hopChain,
  lastRegionBytes,
  openHeader,
  type Slot,
} from './header.ts';
export { KP_X25519 } from './kp-x25519.ts';
export { SPHINX_LIMITS } from './limits.ts';
export {
  isAuthentic,
  OUTCOME_BYTES,
  OUTCOME_STATUS,
  type Outcome,
  type OutcomeName,
  REPLAY_TAG_BYTES,
  readOutcome,
  writeOutcome,
} from './outcome.ts';
export {
  createPacket,
  createReplyBlock,
  openReply,
  type PacketOptions,
  type PathHop,
  packetFromReplyBlock,
  type ReplyBlock,
  type ReplyKeys,
} from './packet.ts';
export { hkdfExpand, nodePrimitives, type Primitives, PURE_PRIMITIVES, x25519PublicKey } from './primitives.ts';
export type { HopSecrets, PayloadCipher, Suite } from './suite.ts';
