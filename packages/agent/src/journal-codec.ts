/**
 * Text of the journal file: JSON Lines. The first line names the journal and the sequence number of the entry that
 * follows; every entry carries its number and the CRC-32 of its own text.
 *
 *     {"fogJournal":1,"id":"...","first":41}
 *     {"sequence":41,"crc":"1c291ca3","entry":{...}}
 */
import { crc32 } from 'node:zlib';
import { type JournalEntry, journalEntrySchema } from '@fog/contract';
import { z } from 'zod';

const headerSchema = z.strictObject({
  fogJournal: z.literal(1),
  id: z.string().min(8).max(64),
  first: z.int().min(1),
});
const lineSchema = z.strictObject({ sequence: z.int().min(1), crc: z.string(), entry: z.unknown() });

export type DecodedJournal =
  | {
      status: 'intact';
      id: string;
      /** Sequence number of the first entry, or of the next one when there are none. */
      first: number;
      entries: JournalEntry[];
      /** Bytes up to the end of the last whole line: what follows was torn by a crash and was never sent. */
      wholeBytes: number;
    }
  /** The file cannot be trusted to hold every number once; the entries that are readable are still worth sending. */
  | { status: 'corrupt'; entries: JournalEntry[] };

export function encodeHeader(id: string, first: number): string {
  return `${JSON.stringify({ fogJournal: 1, id, first })}\n`;
}

export function encodeEntry(sequence: number, entry: JournalEntry): string {
  const text = JSON.stringify(entry);
  return `{"sequence":${sequence},"crc":"${checksum(text)}","entry":${text}}\n`;
}

/**
 * Only a last line without its end is a torn write: it was not synced, hence not sent, and its number may be used
 * again. Any other fault means that numbers already sent may be gone.
 */
export function decodeJournal(content: Buffer): DecodedJournal {
  const wholeBytes = content.lastIndexOf(0x0a) + 1;
  const lines = content.toString('utf8', 0, wholeBytes).split('\n').slice(0, -1);
  const header = headerSchema.safeParse(parseJson(lines[0] ?? ''));
  const entries: JournalEntry[] = [];
  let isIntact = header.success;
  for (const line of lines.slice(1)) {
    const decoded = decodeLine(line);
    if (decoded === null) {
      isIntact = false;
      continue;
    }
    if (header.success && decoded.sequence !== header.data.first + entries.length) isIntact = false;
    entries.push(decoded.entry);
  }
  if (!isIntact || !header.success) return { status: 'corrupt', entries };
  return { status: 'intact', id: header.data.id, first: header.data.first, entries, wholeBytes };
}

function decodeLine(line: string): { sequence: number; entry: JournalEntry } | null {
  const parsed = lineSchema.safeParse(parseJson(line));
  if (!parsed.success || checksum(JSON.stringify(parsed.data.entry)) !== parsed.data.crc) return null;
  const entry = journalEntrySchema.safeParse(parsed.data.entry);
  return entry.success ? { sequence: parsed.data.sequence, entry: entry.data } : null;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
