/** What an errno of the kernel says, for messages. */
import { constants } from 'node:os';

export function errnoText(errno: number): string {
  const name = Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? `error ${errno}`;
  return name === 'ENOENT' ? 'No such file or directory' : name === 'EACCES' ? 'Permission denied' : name;
}
