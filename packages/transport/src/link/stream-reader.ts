import type { Duplex } from 'node:stream';
import { handshakeError } from './link-faults.ts';

/**
 * Takes exactly so many bytes from a stream and leaves the rest in it. Rejects with the error that the stream was
 * destroyed with, or with `unavailable` when it ends before. One call at a time.
 */
export function readExactly(stream: Duplex, bytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const done = () => {
      stream.removeListener('readable', attempt);
      stream.removeListener('end', attempt);
      stream.removeListener('close', attempt);
    };
    const attempt = () => {
      // At its end a stream gives what it has, be it less.
      const chunk = stream.destroyed ? null : (stream.read(bytes) as Buffer | null);
      if (chunk?.length === bytes) {
        done();
        resolve(chunk);
      } else if (chunk !== null || stream.readableEnded || stream.destroyed) {
        done();
        reject(stream.errored ?? cutShort(bytes));
      }
    };
    stream.on('readable', attempt);
    stream.on('end', attempt);
    stream.on('close', attempt);
    attempt();
  });
}

function cutShort(bytes: number): Error {
  return handshakeError('cut', 'unavailable', `the stream ended before ${bytes} bytes of the handshake had come`, {
    hint: 'connect again; if it happens always, the other side does not know this node or is none of ours',
  });
}
