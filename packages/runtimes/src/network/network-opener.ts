import { FogError } from '@fog/contract';
import type { NetworkPolicy } from '../runtime.ts';
import { forwarderBinary } from './forwarder-binary.ts';
import { openSandboxNetwork, type SandboxNetwork } from './sandbox-network.ts';

/** Makes the way in and out of one sandbox; `directory` is a folder of the attempt. */
export type NetworkOpener = (policy: NetworkPolicy, directory: string) => Promise<SandboxNetwork>;

/**
 * With the forwarder kept in `cacheDirectory` once it is compiled. The opener throws `runtime-unavailable` where it
 * cannot be.
 */
export function networkOpener(cacheDirectory: string): NetworkOpener {
  return async (policy, directory) => {
    const binary = await forwarderBinary(cacheDirectory);
    if (!binary.available) {
      throw new FogError('runtime-unavailable', `the node has no forwarder for networks: ${binary.reason}`, {
        hint: binary.hint,
      });
    }
    return openSandboxNetwork({ directory, policy, forwarderPath: binary.path });
  };
}
