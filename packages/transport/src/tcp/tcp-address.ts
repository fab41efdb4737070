import { FogError } from '@fog/contract';

export interface TcpAddress {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  host: string;
  port: number;
}

/** Reads `host:port` or `[IPv6 address]:port`. Throws `invalid-configuration`. */
export function parseTcpAddress(address: string): TcpAddress {
  const [, bracketed, plain, digits = ''] =
    /^(?:\[([0-9A-Fa-f:.]+(?:%\w+)?)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new FogError('invalid-configuration', `"${address.slice(0, 100)}" is no address`, {
    hint: 'write host:port, e.g. 127.0.0.1:4000 or [::1]:4000',
  });
}

export function formatTcpAddress({ host, port }: TcpAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
