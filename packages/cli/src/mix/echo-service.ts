/** The service that every service node has: it answers what it is sent, so that `fog mix ping` can measure. */
import { type Genesis, type MixNode, type MixNodeOptions, ServiceHost } from '@fog/betanet';
import type { FogError } from '@fog/contract';

export const ECHO_SERVICE = 'echo';

export interface EchoOptions {
  genesis: Genesis;
  /** Null until it has started. */
  node(): MixNode | null;
  log: MixNodeOptions['log'];
  /** No service answers any more. */
  failed(error: FogError): void;
  /** Whoever asks for a rate gets it, whatever it costs. Default: that of `CLIENT_LIMITS`, within its budget. */
  slotsPerSecond?: number | undefined;
}

export function serveEcho({ genesis, node, log, failed, slotsPerSecond }: EchoOptions): ServiceHost {
  const host = new ServiceHost({
    genesis,
    node,
    ...(slotsPerSecond === undefined ? {} : { slotsPerSecond, bytesPerHour: null }),
    failed: (service, error) => log('warn', `the service "${service}" failed`, { error: String(error) }),
    stopped: failed,
  });
  host.register(ECHO_SERVICE, (bytes) => bytes);
  return host;
}
