/** Plain columns for people. */
import Table from 'cli-table3';
import type { Colours } from '../terminal.ts';

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Rows under a dim head; the columns are as wide as they must be. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[], colours: Colours): string {
  const table = new Table({
    head: head.map((title) => colours.dim(title.toUpperCase())),
    chars: NO_LINES,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  table.push(...rows.map((row) => row.map(safeText)));
  return trimLines(table.toString());
}

/** `name  value` lines; values that are null are left out. */
export function renderFields(fields: readonly (readonly [string, string | null])[], colours: Colours): string {
  const shown = fields.filter((field): field is [string, string] => field[1] !== null);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${colours.dim(name.padEnd(width))}  ${safeText(value)}`).join('\n');
}

/**
 * Text that came from somebody else, made harmless: control characters could move the cursor or forge lines.
 * Our own colours (CSI ... m) stay.
 */
export function safeText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced
  return text.replace(/\u001b(?!\[\d*m)|[\u0000-\u0009\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g, '\ufffd');
}

function trimLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
