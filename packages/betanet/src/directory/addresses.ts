/** Which addresses a relay may announce. */
import { BlockList, isIP, isIPv4 } from 'node:net';

/** Ranges that are not for the open internet. Source: the IANA registries of special-purpose addresses (RFC 6890). */
const INNER_RANGES = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
] as const;

/** Only 2000::/3 is given out for the open internet; these parts of it are not, or hold an IPv4 address. */
const INNER_RANGES_6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'] as const;
const GLOBAL_UNICAST = blockList(['2000::/3'], 'ipv6');
const INNER = blockList(INNER_RANGES, 'ipv4');
const INNER_6 = blockList(INNER_RANGES_6, 'ipv6');

/** An IPv4 or IPv6 address, spelt as RFC 5952 does it, without a zone. */
export function isAddressHost(host: string): boolean {
  const family = isIP(host);
  if (family === 0 || host.includes('%')) return false;
  return family === 4 || new URL(`http://[${host}]/`).hostname === `[${host}]`;
}

/** Whether everybody on the internet can mean this machine by it. `host` must be an `isAddressHost`. */
export function isPublicHost(host: string): boolean {
  if (isIPv4(host)) return !INNER.check(host, 'ipv4');
  return GLOBAL_UNICAST.check(host, 'ipv6') && !INNER_6.check(host, 'ipv6');
}

function blockList(ranges: readonly string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = '', bits] = range.split('/');
    list.addSubnet(network, Number(bits), family);
  }
  return list;
}
