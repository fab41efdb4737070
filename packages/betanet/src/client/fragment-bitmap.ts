/** One bit for each fragment of a message, lowest bit of the first byte first. */
import { BITMAP_BYTES } from './service-messages.ts';

export function bitmapOf(indices: Iterable<number>): Uint8Array {
  const bitmap = new Uint8Array(BITMAP_BYTES);
  for (const index of indices) bitmap[index >> 3] = (bitmap[index >> 3] as number) | (1 << (index & 7));
  return bitmap;
}

export function completeBitmap(): Uint8Array {
  return new Uint8Array(BITMAP_BYTES).fill(0xff);
}

export function hasBit(bitmap: Uint8Array, index: number): boolean {
  return (((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}
