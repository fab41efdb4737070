/** Tar archives made by hand, whatever a well-behaved program would refuse to write. */
import { gzipSync } from 'node:zlib';

export type EntryType =
  | 'file'
  | 'hardlink'
  | 'symlink'
  | 'character-device'
  | 'block-device'
  | 'folder'
  | 'fifo'
  | 'sparse'
  | 'pax'
  | 'long-name'
  | 'long-target';

const TYPE_FLAGS: Readonly<Record<EntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  folder: '5',
  fifo: '6',
  sparse: 'S',
  pax: 'x',
  'long-name': 'L',
  'long-target': 'K',
};

export interface TarEntry {
  name: string | Buffer;
  type?: EntryType;
  content?: string | Uint8Array;
  target?: string;
  mode?: number;
  modifiedSeconds?: number;
  /** Told instead of the length of the content. */
  bytes?: number;
  /** Records of a pax header before the entry. */
  pax?: Readonly<Record<string, string>>;
}

const BLOCK_BYTES = 512;
export const END = Buffer.alloc(2 * BLOCK_BYTES);

export function tarArchive(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), END]);
}

export function gzipArchive(entries: readonly TarEntry[]): Buffer {
  return gzipSync(tarArchive(entries));
}

/** Header and content, padded to whole blocks. */
export function tarEntry({ pax, ...entry }: TarEntry): Buffer {
  const content = Buffer.from(entry.content ?? '');
  const padding = Buffer.alloc((BLOCK_BYTES - (content.length % BLOCK_BYTES)) % BLOCK_BYTES);
  const own = Buffer.concat([tarHeader(entry, content.length), content, padding]);
  if (pax === undefined) return own;
  const records = Object.entries(pax).map(([key, value]) => paxRecord(key, value));
  return Buffer.concat([tarEntry({ name: 'pax', type: 'pax', content: records.join('') }), own]);
}

function tarHeader(entry: TarEntry, contentBytes: number): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const { name, type = 'file', target = '', mode = 0o644, modifiedSeconds = 0, bytes = contentBytes } = entry;
  Buffer.from(name).copy(header, 0, 0, 100);
  header.write(octal(mode, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(bytes, 11), 124);
  header.write(octal(modifiedSeconds, 11), 136);
  header.write(TYPE_FLAGS[type], 156);
  Buffer.from(target).copy(header, 157, 0, 100);
  header.write('ustar\0' + '00', 257);
  return withChecksum(header);
}

/** Of a header that was changed: what a parser checks first. */
export function withChecksum(header: Buffer): Buffer {
  header.fill(' ', 148, 156);
  const sum = header.subarray(0, BLOCK_BYTES).reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148);
  return header;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

/** Its length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest);
  while (String(length).length + Buffer.byteLength(rest) !== length) {
    length = String(length).length + Buffer.byteLength(rest);
  }
  return `${length}${rest}`;
}
