/**
 * @fog/betanet: BetaNet, the mix network.
 *
 * `AuthorityServer` keeps the directory, `MixNode` is a mix, gateway or service node, `MixClient` sends and receives,
 * `ServiceHost` answers at the exit. Beneath each of them is a pure core that knows neither clock nor network.
 */
export * from './client/front.ts';
export * from './directory/front.ts';
export { type AuthorityMetrics, authorityMetrics } from './directory-service/authority-metrics.ts';
export { AuthorityServer, type AuthorityServerOptions } from './directory-service/authority-server.ts';
export { ConsensusFollower, type ConsensusFollowerOptions } from './directory-service/consensus-follower.ts';
export { DirectoryClient } from './directory-service/directory-client.ts';
export { type AuthorityStatus, DIRECTORY_ROUTES } from './directory-service/directory-routes.ts';
export { DIRECTORY_SERVICE_LIMITS } from './directory-service/limits.ts';
export { probeDepths } from './directory-service/probe-clients.ts';
export { ProbeLedger } from './directory-service/probes.ts';
export * from './lottery/front.ts';
export * from './mixing/front.ts';
export { readOrMakeKey } from './node/key-file.ts';
export { type MixNodeLimits, NODE_LIMITS } from './node/limits.ts';
export { type NodeMetrics, nodeMetrics } from './node/metrics.ts';
export { MixNode, type MixNodeOptions, type MixNodeStatus } from './node/mix-node.ts';
export { openIdentity } from './node/node-identity.ts';
export { PacketTrace, type TracedTimes } from './node/packet-trace.ts';
export { preferShortPauses } from './node/short-pauses.ts';
