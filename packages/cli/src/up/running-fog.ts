/** Names the fog that a data folder belongs to. */
import { FogError } from '@fog/contract';
import { readEndpoint } from '@fog/sdk';

/**
 * `error` with the address and the process of the coordinator that uses the folder; as it is when it says something
 * else, or when who uses it has not written that down yet.
 */
export async function namingItsUser(error: unknown, dataDirectory: string): Promise<unknown> {
  if (!(error instanceof FogError) || error.details?.inUse !== true) return error;
  const endpoint = await readEndpoint(dataDirectory).catch(() => null);
  // One that ended without a goodbye has left its endpoint behind.
  if (endpoint === null || !isAlive(endpoint.pid)) return error;
  const { url, pid } = endpoint;
  return new FogError('data-directory', `${dataDirectory} is in use by the fog at ${url} (process ${pid})`, {
    details: { url, pid },
    hint: 'use that one, stop it, or choose another folder with --data',
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
