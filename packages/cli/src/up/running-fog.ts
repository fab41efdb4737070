/** Keeps a second `fog up` out of a data folder that is in use. */
import { connect } from 'node:net';
import { FogError } from '@fog/contract';
import { readEndpoint } from '@fog/sdk';

const ANSWER_MILLISECONDS = 1000;

/**
 * Throws `data-directory` when a coordinator runs on this folder: its process lives and its address answers. Both
 * are asked, because after a crash the number of the process, or the port, may belong to somebody else.
 */
export async function refuseSecondFog(dataDirectory: string): Promise<void> {
  const endpoint = await readEndpoint(dataDirectory).catch(() => null);
  if (endpoint === null || !isAlive(endpoint.pid) || !(await answers(endpoint.url))) return;
  throw new FogError(
    'data-directory',
    `${dataDirectory} is in use by the fog at ${endpoint.url} (process ${endpoint.pid})`,
    {
      details: { url: endpoint.url, pid: endpoint.pid },
      hint: 'use that one, stop it, or choose another folder with --data',
    },
  );
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    if (!URL.canParse(url)) {
      resolve(false);
      return;
    }
    const { hostname, port, protocol } = new URL(url);
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port) || (protocol === 'https:' ? 443 : 80),
    });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ANSWER_MILLISECONDS, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
