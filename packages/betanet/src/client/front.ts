/** What other parts use of the client. */
export type { Destination } from './client-session.ts';
export { type KeyedPath, type KeyUse, keyAcceptance, keyedPath, type PathHop } from './epoch-keys.ts';
export { CLIENT_LIMITS } from './limits.ts';
export { MixClient } from './mix-client.ts';
export {
  type ClientEffect,
  type MessageReference,
  MixClientCore,
  type MixClientDependencies,
  type MixClientOptions,
  type SendRequest,
} from './mix-client-core.ts';
export type { MixClientProgramOptions, Request } from './mix-client-options.ts';
export type { EpochTimes, NetworkNode, NetworkView, TrafficParameters } from './network-view.ts';
export type { PacketFactory } from './packet-factory.ts';
export type { Journey, JourneyHop } from './packet-journeys.ts';
export {
  assertLevel,
  type PathRequest,
  PRIVACY_HOPS,
  PRIVACY_LEVELS,
  type PrivacyLevel,
  type SelectedPath,
  selectPath,
} from './path-selection.ts';
export type { TracedAnswer } from './pending-answers.ts';
export { clientRoundTripMilliseconds } from './round-trip.ts';
export {
  type Delivery,
  type ReplyPacket,
  ServiceCore,
  type ServiceEffect,
  type ServiceOptions,
} from './service-core.ts';
export { type ServiceHandler, ServiceHost, type ServiceHostOptions, type ServiceNode } from './service-host.ts';
export { coverRecipient, type PayloadSizes, serviceRecipient } from './service-messages.ts';
export { deliveryOf, sphinxPackets } from './sphinx-packets.ts';
