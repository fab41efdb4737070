import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** 16 bytes that are another after each boot of the machine, or null where the system does not tell. */
export async function bootId(): Promise<Uint8Array | null> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => null);
  if (text === null) return null;
  return createHash('sha256').update(text.trim()).digest().subarray(0, 16);
}
