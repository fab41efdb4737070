/** Opaque cursors: the sort key of the last item of a page, so that pages stay right while rows come and go. */
import { FogError } from '@fog/contract';

export function encodeCursor(key: string): string {
  return Buffer.from(key).toString('base64url');
}

/** Throws `invalid-request` when the text is no cursor of the expected form. */
export function decodeCursor(cursor: string | undefined, pattern: RegExp): string | undefined {
  if (cursor === undefined) return undefined;
  const key = Buffer.from(cursor, 'base64url').toString();
  if (!pattern.test(key) || encodeCursor(key) !== cursor) {
    throw new FogError('invalid-request', 'query: cursor: is not the "next" of a page', {
      details: { faults: [{ path: 'cursor', message: 'is not the "next" of a page' }] },
    });
  }
  return key;
}
