/**
 * The entries of a tar archive, plain or gzip, that a stranger made: read as a stream, and refused at the first thing
 * that breaks a rule. Touches nothing but the archive.
 *
 * Known are the formats ustar, pax and GNU with long names. tar-stream parses the blocks; it takes names for text of
 * any kind, so they are had as bytes and must be UTF-8.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { type Extract, extract, type Header as ParsedHeader } from 'tar-stream';
import { ARCHIVE_LIMITS } from '../limits.ts';

export type ArchiveLimits = Readonly<Record<keyof typeof ARCHIVE_LIMITS, number>>;

/** What is wrong with an archive, and where in it. The message completes a sentence for the user. */
export class ArchiveFault extends Error {
  override readonly name = 'ArchiveFault';
}

interface EntryHead {
  /** Names from the root on; none is empty, `.` or `..`. Empty for the root itself. */
  path: readonly string[];
  /** Since 1970; 0 where the archive tells none that makes sense. */
  modifiedSeconds: number;
}

export type ArchiveEntry =
  | ({ kind: 'folder' } & EntryHead)
  /** `content` has `bytes` in all, and must be read to its end before the next entry is asked for. */
  | ({ kind: 'file'; bytes: number; isExecutable: boolean; content: AsyncIterable<Uint8Array> } & EntryHead)
  /** Any text: it is resolved in the sandbox alone. */
  | ({ kind: 'symlink'; target: string } & EntryHead)
  /** Another name of an entry before it. */
  | ({ kind: 'hardlink'; target: readonly string[] } & EntryHead);

type Parsed = Extract extends AsyncIterable<infer Source> ? Source : never;

/** What tar-stream's own types leave out: `type` is null for what it does not know. */
type Header = Omit<ParsedHeader, 'type' | 'linkname' | 'pax'> & {
  type: ParsedHeader['type'] | null;
  linkname: string | null;
  pax: Readonly<Record<string, string>> | null;
};

/**
 * Throws `ArchiveFault` for what is wrong with the archive, what the file system says when it cannot be read, and the
 * reason of `signal`.
 */
export async function* archiveEntries(
  archivePath: string,
  signal: AbortSignal,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): AsyncGenerator<ArchiveEntry> {
  await using file = await open(archivePath, 'r');
  // Names as bytes: each character is one.
  const options = { filenameEncoding: 'latin1', highWaterMark: limits.readBytes };
  const parser = extract(options);
  parser.on('error', () => {}); // it comes out of the iterator, too
  const rules = new EntryRules(limits);
  boundExtensions(parser, rules);
  const feeding = new Feeding(file, parser, signal, limits);
  try {
    for await (const entry of feeding.entries()) {
      const known = rules.look(entry.header as Header, feeding.content(entry), entry.offset);
      if (known !== null) yield known;
      else entry.resume();
    }
  } finally {
    parser.destroy();
    await feeding.ended;
  }
}

/**
 * tar-stream lets one header of pax or GNU have 4 MiB, copies the records of the last global one for each of an entry,
 * so that an archive of a few kilobytes could keep it busy for hours, and loses its place where such a header has no
 * size. It has no hook for them but this.
 */
function boundExtensions(parser: Extract, rules: EntryRules): void {
  const inside = parser as unknown as { _consumeHeader(): boolean; _longHeader: boolean; _header: { size: number } };
  const consume = inside._consumeHeader;
  inside._consumeHeader = () => {
    const goesOn = consume.call(parser);
    if (!goesOn || !inside._longHeader) return goesOn;
    try {
      rules.lookAtExtension(inside._header.size);
      return true;
    } catch (fault) {
      parser.destroy(fault as Error);
      return false;
    }
  };
}

/** Passes the bytes of an archive on to its parser, no faster than they are taken. */
class Feeding {
  /** Without compression. */
  readBytes = 0;
  /** Never rejects. */
  readonly ended: Promise<void>;
  readonly #parser: Extract;
  readonly #signal: AbortSignal;
  readonly #limits: ArchiveLimits;
  #failure: { error: unknown } | null = null;
  /** Zeros at the end of what was read, at least so many; an archive ends with two blocks of them. */
  #zeroBytes = 0;

  constructor(file: FileHandle, parser: Extract, signal: AbortSignal, limits: ArchiveLimits) {
    this.#parser = parser;
    this.#signal = signal;
    this.#limits = limits;
    this.ended = this.#feed(file);
  }

  async *entries(): AsyncGenerator<Parsed> {
    const iterator = this.#parser[Symbol.asyncIterator]();
    for (;;) {
      const step = await iterator.next().catch((error: unknown) => this.#rethrow(error));
      if (step.done === true) break;
      yield step.value;
    }
    await this.ended;
    if (this.#failure !== null) throw this.#failure.error;
  }

  async *content(entry: Parsed): AsyncGenerator<Uint8Array> {
    const iterator = entry[Symbol.asyncIterator]();
    for (;;) {
      const step = await iterator.next().catch((error: unknown) => this.#rethrow(error));
      if (step.done === true) return;
      yield step.value as Uint8Array;
    }
  }

  /** What the parser was ended with, or what it found by itself, which is a fault of the archive. */
  #rethrow(error: unknown): never {
    if (this.#failure !== null) throw this.#failure.error;
    if (error instanceof ArchiveFault) throw error;
    throw new ArchiveFault(`is damaged after ${this.readBytes} bytes: ${(error as Error).message}`, { cause: error });
  }

  async #feed(file: FileHandle): Promise<void> {
    try {
      for await (const chunk of plainBytes(file, this.#limits)) {
        this.#signal.throwIfAborted();
        this.#count(chunk);
        if (!this.#parser.write(chunk)) await this.#drained();
        if (this.#parser.destroyed) return;
      }
      this.#signal.throwIfAborted();
      if (this.#zeroBytes < BLOCK_BYTES) throw new ArchiveFault(`ends too early, after ${this.readBytes} bytes`);
      this.#parser.end(null);
    } catch (error) {
      this.#failure ??= { error: decompressionFault(error, this.readBytes) };
      this.#parser.destroy(error as Error);
    }
  }

  #count(chunk: Uint8Array): void {
    this.readBytes += chunk.length;
    if (this.readBytes > this.#limits.bytes) {
      throw new ArchiveFault(`has more than the ${this.#limits.bytes} bytes that it may have unpacked`);
    }
    const tail = chunk.subarray(-BLOCK_BYTES);
    const last = tail.findLastIndex((byte) => byte !== 0);
    this.#zeroBytes = last === -1 ? this.#zeroBytes + tail.length : tail.length - 1 - last;
  }

  /** Until the parser takes more, or is ended. */
  async #drained(): Promise<void> {
    if (this.#parser.destroyed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    for (const event of ['drain', 'close']) this.#parser.on(event, wake);
    this.#signal.addEventListener('abort', wake);
    await promise;
    for (const event of ['drain', 'close']) this.#parser.off(event, wake);
    this.#signal.removeEventListener('abort', wake);
  }
}

const BLOCK_BYTES = 512;
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
/** Told by name, so that their owner knows what to do. */
const OTHER_FORMATS: readonly [name: string, magic: Buffer][] = [
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a])],
  ['bzip2', Buffer.from('BZh')],
  ['zip', Buffer.from('PK')],
];

async function* plainBytes(file: FileHandle, { readBytes }: ArchiveLimits): AsyncGenerator<Buffer> {
  const head = Buffer.alloc(8);
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  const magic = head.subarray(0, bytesRead);
  const begins = (bytes: Buffer): boolean => magic.subarray(0, bytes.length).equals(bytes);
  const other = OTHER_FORMATS.find(([, bytes]) => begins(bytes));
  if (other !== undefined) throw new ArchiveFault(`is ${other[0]}, and has to be tar, plain or gzip`);
  const stored = file.createReadStream({ start: 0, highWaterMark: readBytes, autoClose: false });
  if (!begins(GZIP_MAGIC)) {
    yield* stored as AsyncIterable<Buffer>;
    return;
  }
  const plain = createGunzip({ chunkSize: readBytes });
  stored.on('error', (error) => plain.destroy(error));
  try {
    yield* stored.pipe(plain) as AsyncIterable<Buffer>;
  } finally {
    stored.destroy();
    plain.destroy();
  }
}

function decompressionFault(error: unknown, readBytes: number): unknown {
  if (!(error instanceof Error) || !/^Z_/.test((error as NodeJS.ErrnoException).code ?? '')) return error;
  return new ArchiveFault(`is damaged after ${readBytes} bytes: ${error.message}`, { cause: error });
}

/** One of pax, and a long name and a long target of GNU. */
const EXTENSIONS_PER_ENTRY = 3;

/** Decides over one header after the other. */
class EntryRules {
  readonly #limits: ArchiveLimits;
  #entries = 0;
  #extensions = 0;
  #namesBytes = 0;

  constructor(limits: ArchiveLimits) {
    this.#limits = limits;
  }

  /** A header that says more of the next entry, or of all. */
  lookAtExtension(bytes: number): void {
    const { entries, headerBytes } = this.#limits;
    this.#extensions += 1;
    const most = EXTENSIONS_PER_ENTRY * entries;
    if (this.#extensions > most) throw new ArchiveFault(`has more than ${most} headers of names and attributes`);
    if (!isSize(bytes) || bytes === 0) throw new ArchiveFault('is damaged: a header of names has no size');
    if (bytes > headerBytes) {
      throw new ArchiveFault(`has a header of ${bytes} bytes of names and attributes: more than ${headerBytes}`);
    }
  }

  /** Null for what is left out. `offset` is where in the archive the header stands. */
  look(header: Header, content: AsyncIterable<Uint8Array>, offset: number): ArchiveEntry | null {
    const { entries, bytes: mostBytes } = this.#limits;
    this.#entries += 1;
    if (this.#entries > entries) throw new ArchiveFault(`has more than ${entries} entries`);
    const name = textOf(header.name, header.pax?.path, 'a name');
    const path = this.#path(name, 'an entry');
    const head = { path, modifiedSeconds: secondsOf(header.mtime) };
    const { size: bytes, mode } = header;
    // tar-stream takes null, and then waits for ever.
    if (!isSize(bytes)) throw new ArchiveFault(`is damaged: the size of an entry is no number, ${shown(name)}`);
    switch (header.type) {
      case 'directory':
        return { kind: 'folder', ...head };
      case 'file':
      case 'contiguous-file':
        if (isSparse(header)) throw new ArchiveFault(`has a sparse file, ${shown(name)}`);
        if (offset + BLOCK_BYTES + bytes > mostBytes) {
          throw new ArchiveFault(`has more than the ${mostBytes} bytes that it may have unpacked: ${shown(name)}`);
        }
        return { kind: 'file', bytes, isExecutable: (mode & 0o111) !== 0, content, ...head };
      case 'symlink':
      case 'link':
        if (bytes > 0) throw new ArchiveFault(`has a link with contents, ${shown(name)}`);
        return this.#link(header, name, head);
      case 'character-device':
      case 'block-device':
      case 'fifo':
        // Every sandbox has a /dev of its own.
        if (path.length > 1 && path[0] === 'dev' && bytes === 0) return null;
        throw new ArchiveFault(`has a ${header.type.replace('-', ' ')} outside of /dev, ${shown(name)}`);
      default:
        throw new ArchiveFault(`has an entry of a kind that is not known, ${shown(name)}`);
    }
  }

  #link(header: Header, name: string, head: EntryHead): ArchiveEntry {
    const target = textOf(header.linkname ?? '', header.pax?.linkpath, `the target of ${shown(name)}`);
    if (header.type === 'link') {
      return { kind: 'hardlink', target: this.#path(target, `the target of ${shown(name)}`), ...head };
    }
    const bytes = Buffer.byteLength(target);
    this.#countNames(bytes);
    if (bytes === 0 || bytes > this.#limits.targetBytes || target.includes('\0')) {
      throw new ArchiveFault(`has a link that leads nowhere, ${shown(name)}: its target is empty, too long or no name`);
    }
    return { kind: 'symlink', target, ...head };
  }

  /** Absolute ones begin at the root, too. */
  #path(name: string, what: string): string[] {
    const { pathBytes, pathDepth, nameBytes } = this.#limits;
    const bytes = Buffer.byteLength(name);
    this.#countNames(bytes);
    if (name.includes('\0')) throw new ArchiveFault(`names ${what} with a zero byte: ${shown(name)}`);
    if (bytes > pathBytes) throw new ArchiveFault(`names ${what} by more than ${pathBytes} bytes: ${shown(name)}`);
    const path = name.split('/').filter((part) => part !== '' && part !== '.');
    if (path.includes('..')) throw new ArchiveFault(`names ${what} by "..": ${shown(name)}`);
    if (path.length > pathDepth) throw new ArchiveFault(`names ${what} deeper than ${pathDepth}: ${shown(name)}`);
    if (path.some((part) => Buffer.byteLength(part) > nameBytes)) {
      throw new ArchiveFault(`names ${what} by more than ${nameBytes} bytes in one folder: ${shown(name)}`);
    }
    return path;
  }

  #countNames(bytes: number): void {
    const { namesBytes } = this.#limits;
    this.#namesBytes += bytes;
    if (this.#namesBytes > namesBytes) throw new ArchiveFault(`has more than ${namesBytes} bytes of names`);
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `latin1` has a character for each byte. A pax record is text already, with a mark for what was none. */
function textOf(latin1: string, pax: string | undefined, what: string): string {
  if (pax !== undefined && pax !== '') {
    if (pax.includes('\ufffd')) throw new ArchiveFault(`has ${what} that is not UTF-8: ${shown(pax)}`);
    return pax;
  }
  try {
    return UTF8.decode(Buffer.from(latin1, 'latin1'));
  } catch {
    throw new ArchiveFault(`has ${what} that is not UTF-8: ${shown(latin1)}`);
  }
}

function isSize(bytes: number | null): boolean {
  return Number.isSafeInteger(bytes) && Number(bytes) >= 0;
}

function isSparse({ pax }: Header): boolean {
  return Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse.'));
}

/** The year 2242: beyond it some file systems know no time. */
const MOST_SECONDS = 2 ** 33;

function secondsOf(time: Date): number {
  const seconds = Math.floor(time.getTime() / 1000);
  return seconds > 0 && seconds < MOST_SECONDS ? seconds : 0;
}

/** A name as a message may repeat it: in one line, without what a terminal could take for a command. */
export function shown(name: string): string {
  const { shownCharacters } = ARCHIVE_LIMITS;
  const short = name.length > shownCharacters ? `${name.slice(0, shownCharacters)}…` : name;
  return JSON.stringify(short).replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '?');
}
