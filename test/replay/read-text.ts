/** Reads a file that may be compressed. */
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';

/** What a compressed file may grow to. */
const MOST_UNPACKED_BYTES = 1 << 29;

export async function readText(file: string): Promise<string> {
  const content = await readFile(file);
  const bytes = file.endsWith('.gz') ? gunzipSync(content, { maxOutputLength: MOST_UNPACKED_BYTES }) : content;
  return bytes.toString('utf8');
}
