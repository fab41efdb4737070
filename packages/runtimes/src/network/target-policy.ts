/**
 * Which targets a sandbox may reach. Pure.
 *
 * A request names HOST:PORT. The name is compared as it is written with the list; then the addresses it resolves to
 * are looked at, so that a listed name cannot lead into the networks of the node or to its cloud's metadata service.
 * An address of those is reached only where the list has that very address.
 */
import { BlockList, isIP } from 'node:net';

export interface Target {
  /** Lower case, without brackets, without a final dot. */
  host: string;
  port: number;
}

/** Loopback, private, link-local (with 169.254.169.254), shared, multicast, unspecified and tunnelled addresses. */
const INNER = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  INNER.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  // Unspecified, loopback and the old form of embedded IPv4 addresses.
  ['::', 96],
  // NAT64, 6to4 and Teredo carry an IPv4 address that this list would have to be asked about again.
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2001::', 32],
  ['2002::', 16],
  ['100::', 64],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  INNER.addSubnet(network, prefix, 'ipv6');
}

/** Whether an address belongs to the node, its networks or nobody. What is no address does too. */
export function isInnerAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0 || address.includes('%')) return true;
  return INNER.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** Of an entry of the list. */
export function isLoopbackTarget(entry: string): boolean {
  return /^(?:localhost:|127\.|\[::1\]:)/i.test(entry);
}

/** `HOST:PORT` as CONNECT has it, with brackets around IPv6 addresses. Null for anything else. */
export function parseAuthority(text: string): Target | null {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  if (port < 1 || port > 65535) return null;
  const [, address, name] = match;
  if (address !== undefined) return isIP(address) === 6 ? { host: canonical(address), port } : null;
  const host = (name ?? '').toLowerCase().replace(/\.$/, '');
  return host === '' || host.split('.').includes('') ? null : { host, port };
}

/** The target of a request in absolute form, and what the origin is to be asked for. Null for anything but http. */
export function parseAbsoluteForm(text: string): { target: Target; authority: string; path: string } | null {
  const match = /^http:\/\/([^/?#@\\\s]+)([/?][\x21-\x7e]*)?$/i.exec(text);
  if (match === null) return null;
  const [, authority = '', rest = ''] = match;
  const target = parseAuthority(/:[0-9]+$/.test(authority) ? authority : `${authority}:80`);
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  return target === null || path.includes('#') ? null : { target, authority, path };
}

function canonical(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

/** Whether the list names this target as it is written. A wildcard stands for one or more labels, never for an address. */
export function isListed({ host, port }: Target, allow: readonly string[]): boolean {
  return allow.some((entry) => {
    const colon = entry.lastIndexOf(':');
    const listedPort = entry.slice(colon + 1);
    if (listedPort !== '*' && listedPort !== String(port)) return false;
    const listed = entry
      .slice(0, colon)
      .toLowerCase()
      .replace(/^\[|\]$/g, '');
    if (!listed.startsWith('*.')) return isIP(listed) === 6 ? canonical(listed) === host : listed === host;
    return isIP(host) === 0 && host.endsWith(listed.slice(1)) && host.length > listed.length - 1;
  });
}

/** The first of the resolved addresses that may be connected to; null when none may. */
export function permittedAddress(
  target: Target,
  addresses: readonly string[],
  allow: readonly string[],
): string | null {
  return addresses.find((address) => !isInnerAddress(address) || isListed({ ...target, host: address }, allow)) ?? null;
}
