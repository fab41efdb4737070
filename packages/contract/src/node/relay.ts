import type { Duplex } from 'node:stream';
import { FogError } from '../errors.ts';

/**
 * Joins two connections, which are to be half-open ones: bytes, half-closes and failures of each go to the other.
 * Resolves when both are closed. Never rejects.
 */
export function relay(left: Duplex, right: Duplex): Promise<void> {
  const both = [passOn(left, right), passOn(right, left)];
  return Promise.all(both).then(() => undefined);
}

/** Resolves when `from` is closed. */
function passOn(from: Duplex, to: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const closed = (): void => {
      const isWhole = from.readableEnded && from.writableFinished;
      if (!isWhole) to.destroy(new FogError('unavailable', 'the other end of the connection was cut'));
      resolve();
    };
    from.on('error', (error) => to.destroy(error));
    if (from.closed) closed();
    else from.once('close', closed);
    from.pipe(to);
  });
}
