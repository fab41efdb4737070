/**
 * The part of an address that tells neighbours apart from strangers.
 *
 * One household or rented machine often has many addresses, so two nodes with the same prefix are taken for one. IPv4:
 * /24. IPv6: /48, what a site is given (RFC 6177). An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) counts as IPv4.
 *
 * Private and link-local addresses are no exception: machines of one network share a prefix and so never check each
 * other, which is wanted. The same holds for loopback (127.0.0.1 and 127.0.0.2 share one; 127.0.1.1 has another). It
 * also holds for a coordinator behind a proxy that hides where nodes come from: all of them then share the proxy's
 * prefix, no second replica can be placed, and the proxy has to be told to pass the addresses on.
 */
import { networkPrefix as prefixOf } from '@fog/contract/node';

const WIDTHS = { ipv4Bits: 24, ipv6Bits: 48 };

/** `192.0.2.0/24` or `2001:db8:1::/48`; null when the text is no address. A zone (`%eth0`) is ignored. */
export function networkPrefix(address: string): string | null {
  return prefixOf(address, WIDTHS);
}
