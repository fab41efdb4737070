/**
 * How far apart the nodes of replicas have to be. Verification counts neighbours by /24 and /48 when it judges results;
 * placement keeps replicas further apart, where it can choose: one provider or company often has a /16, and is given a
 * /32 of IPv6 addresses.
 */
import { networkPrefix } from '@fog/contract/node';

/** `192.0.0.0/16` or `2001:db8::/32`; null when the text is no address. */
export function replicaPrefix(address: string): string | null {
  return networkPrefix(address, { ipv4Bits: 16, ipv6Bits: 32 });
}
