/** The service that every service node has: it answers what it is sent, so that `fog mix ping` can measure. */
import { type Genesis, type MixNode, type MixNodeOptions, ServiceHost } from '@fog/betanet';
import type { FogError } from '@fog/contract';
import { CLI_LIMITS } from '../limits.ts';

export const ECHO_SERVICE = 'echo';

export interface EchoOptions {
  genesis: Genesis;
  /** Null until it has started. */
  node(): MixNode | null;
  log: MixNodeOptions['log'];
  /** No service answers any more. */
  failed(error: FogError): void;
}

export function serveEcho({ genesis, node, log, failed }: EchoOptions): ServiceHost {
  const host = new ServiceHost({
    genesis,
    send: (block, payload) => node()?.sendReply(block, payload, CLI_LIMITS.mixReplyDelayMilliseconds),
    failed: (service, error) => log('warn', `the service "${service}" failed`, { error: String(error) }),
    stopped: failed,
  });
  host.register(ECHO_SERVICE, (bytes) => bytes);
  return host;
}
