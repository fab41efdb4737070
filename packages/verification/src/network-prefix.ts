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
import { isIPv4, isIPv6 } from 'node:net';

const IPV4_PARTS = 3;
const IPV6_GROUPS = 3;

/** `192.0.2.0/24` or `2001:db8:1::/48`; null when the text is no address. A zone (`%eth0`) is ignored. */
export function networkPrefix(address: string): string | null {
  if (isIPv4(address)) return ipv4Prefix(address);
  const [bare = ''] = address.split('%');
  if (!isIPv6(bare)) return null;
  const groups = ipv6Groups(bare);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) {
    const [high = 0, low = 0] = groups.slice(6);
    return ipv4Prefix([high >> 8, high & 0xff, low >> 8, low & 0xff].join('.'));
  }
  const kept = groups.slice(0, IPV6_GROUPS).map((group) => group.toString(16));
  return `${kept.join(':')}::/48`;
}

function ipv4Prefix(address: string): string {
  return `${address.split('.').slice(0, IPV4_PARTS).join('.')}.0/24`;
}

/** The eight groups of a valid address, whichever way it is written. */
function ipv6Groups(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const left = groupsOf(head);
  if (tail === undefined) return left;
  const right = groupsOf(tail);
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
