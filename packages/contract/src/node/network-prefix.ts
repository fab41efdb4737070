/**
 * The part of an address that whoever rents or owns it cannot change at will: limits and rules about neighbours go by
 * it. How much that is depends on what it is asked for. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) counts as
 * IPv4.
 */
import { isIPv4, isIPv6 } from 'node:net';

export interface PrefixWidths {
  /** From 1 to 32. */
  ipv4Bits: number;
  /** From 1 to 128. */
  ipv6Bits: number;
}

/** E.g. `192.0.2.0/24` or `2001:db8:1:2300::/56`; null when the text is no address. A zone (`%eth0`) is ignored. */
export function networkPrefix(address: string, widths: PrefixWidths): string | null {
  const [bare = ''] = address.split('%');
  if (isIPv4(bare)) return ipv4Prefix(bare.split('.').map(Number), widths.ipv4Bits);
  if (!isIPv6(bare)) return null;
  const groups = groupsOf(bare);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) {
    const [high = 0, low = 0] = groups.slice(6);
    return ipv4Prefix([high >> 8, high & 0xff, low >> 8, low & 0xff], widths.ipv4Bits);
  }
  const kept = masked(groups, 16, widths.ipv6Bits).map((group) => group.toString(16));
  const written = kept.slice(0, Math.ceil(widths.ipv6Bits / 16));
  return `${written.join(':')}${written.length < kept.length ? '::' : ''}/${widths.ipv6Bits}`;
}

function ipv4Prefix(parts: readonly number[], bits: number): string {
  return `${masked(parts, 8, bits).join('.')}/${bits}`;
}

/** Numbers of `width` bits each, of which only the first `bits` bits in all are kept. */
function masked(numbers: readonly number[], width: number, bits: number): number[] {
  return numbers.map((number, index) => {
    const dropped = Math.min(width, Math.max(0, (index + 1) * width - bits));
    return (number >> dropped) << dropped;
  });
}

/** The eight groups of a valid IPv6 address, whichever way it is written. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const left = writtenGroups(head);
  if (tail === undefined) return left;
  const right = writtenGroups(tail);
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function writtenGroups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
