export { type Clock, SYSTEM_CLOCK, type Timer } from './clock.ts';
export { LINK_LIMITS, NOISE_LIMITS, TRANSPORT_LIMITS } from './limits.ts';
export { GOODBYE_CODES, type Goodbye, type GoodbyeCode } from './link/goodbye.ts';
export type { Caller, GateLimits } from './link/handshake-gate.ts';
export { LINK_VERSIONS, NETWORK_ID_BYTES } from './link/hello.ts';
export type { Link, LinkCounters, LinkHandlers, SendResult } from './link/link.ts';
export {
  HANDSHAKE_FAULTS,
  type HandshakeFault,
  handshakeFaultOf,
  LINK_FAULTS,
  type LinkEnd,
  type LinkFault,
} from './link/link-faults.ts';
export {
  type AcceptLinkOptions,
  type Admission,
  type Admit,
  acceptLink,
  type LinkOptions,
  type OpenLinkOptions,
  openLink,
} from './link/link-handshake.ts';
export {
  type DialLinkOptions,
  dialLink,
  dialLinkAtAny,
  type LinkListener,
  type LinkListenerOptions,
  listenForLinks,
} from './link/link-listener.ts';
export type { PacketRun } from './link/records.ts';
export { MemoryNetwork, type MemoryNetworkOptions } from './memory/memory-network.ts';
export { openText, type SealedText, sealText } from './noise/aead.ts';
export { CipherState } from './noise/cipher-state.ts';
export { Handshake, type HandshakeOptions, type TransportCiphers } from './noise/handshake.ts';
export { type HandshakePattern, type NoiseProtocol, PATTERN_NAMES, protocolOf } from './noise/patterns.ts';
export {
  generateKeyPair,
  KEY_BYTES,
  keyPairFrom,
  MAC_BYTES,
  type NoiseKeyPair,
  sharedSecret,
} from './noise/primitives.ts';
export { sourcePrefixOf } from './source-prefix.ts';
export { formatTcpAddress, parseTcpAddress, type TcpAddress } from './tcp/tcp-address.ts';
export { tcpTransport } from './tcp/tcp-transport.ts';
export type { DialOptions, Listener, ListenOptions, OnStream, Transport } from './transport.ts';
