import { isIP } from 'node:net';

/** Whether only this machine can reach it. A name other than localhost counts as an address for others. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
