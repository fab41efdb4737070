/** Tables of numbers as text: rows of lines, columns apart by blanks; some files are compressed. */
import { gunzipSync } from 'node:zlib';

export interface NumberTable {
  rows: number;
  columns: number;
  /** Row after row. */
  values: Float64Array;
}

export function textOf(path: string, content: Uint8Array): string {
  const bytes = path.endsWith('.gz') ? gunzipSync(content) : content;
  return Buffer.from(bytes).toString('utf8');
}

/** Throws for anything that is not a number, and for rows of different lengths. */
export function parseTable(text: string): NumberTable {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const filled = lines.filter((line) => line !== '' && !line.startsWith('#'));
  const rows = filled.map((line) => line.split(/[\s,]+/).map(parseNumber));
  const columns = rows[0]?.length ?? 0;
  const uneven = rows.findIndex((row) => row.length !== columns);
  if (columns === 0) throw new Error('unknown shape: no numbers');
  if (uneven >= 0)
    throw new Error(`unknown shape: row ${uneven + 1} has ${rows[uneven]?.length} numbers, not ${columns}`);
  return { rows: rows.length, columns, values: Float64Array.from(rows.flat()) };
}

export function parseNumber(word: string): number {
  const value = Number(word);
  if (word === '' || !Number.isFinite(value)) throw new Error(`unknown shape: "${word}" is not a number`);
  return value;
}
