/** From which part of the network a stream comes, for limits that a stranger cannot escape by another address. */
import { networkPrefix } from '@fog/contract/node';
import { parseTcpAddress } from './tcp/tcp-address.ts';

/** IPv6 as far as anybody gets it for nothing: subscribers and tunnels have /56 to /48, with 65,536 networks of /64 each. */
const WIDTHS = { ipv4Bits: 24, ipv6Bits: 48 };

/**
 * The prefix of an address `host:port`. What is no IP address, such as a name of the memory network, stands for itself.
 */
export function sourcePrefixOf(address: string): string {
  try {
    const { host } = parseTcpAddress(address);
    return networkPrefix(host, WIDTHS) ?? host;
  } catch {
    return address;
  }
}
