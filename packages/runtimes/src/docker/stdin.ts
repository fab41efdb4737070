/** Hands the standard input to a container. */
import { createReadStream } from 'node:fs';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { AttemptRequest } from '../runtime.ts';

/**
 * Resolves when everything and its end are with the engine. Rejects when the container does not take it, which is its
 * right. The other direction of the connection stays open.
 */
export async function deliverStdin(stdin: NonNullable<AttemptRequest['stdin']>, connection: Duplex): Promise<void> {
  if ('hostPath' in stdin) {
    await pipeline(createReadStream(stdin.hostPath), connection, { end: false });
  } else if (!connection.write(stdin.data)) {
    await new Promise<void>((resolve, reject) => {
      connection.once('drain', resolve);
      connection.once('error', reject);
      connection.once('close', () => reject(new Error('closed before it was taken')));
    });
  }
  await new Promise<void>((resolve) => connection.end(resolve));
}
