/**
 * Takes the values of secrets out of bytes that come in pieces.
 *
 * Every byte that belongs to an occurrence of a secret is left out, and each run of overlapping occurrences becomes one
 * `[secret]`. So it does not matter which of two overlapping secrets is looked for first, and no rest of one stays.
 *
 * The search is that of Aho and Corasick: one automaton for all secrets, one step a byte, whatever their number. Its
 * state is the longest beginning of a secret that the text ends with, which is also all that has to be held back: what
 * is held is never stored, since it is the beginning of a secret that is known.
 */
import { AGENT_LIMITS } from './limits.ts';

const MARK = Buffer.from('[secret]');
const ROOT = 0;

/**
 * What is looked for, each once: every secret without its last line break, and of those with several lines each line,
 * since a key is often printed so. Short ones would also be found where they are no secret, and make text unreadable.
 */
function soughtBytes(secrets: readonly string[]): Buffer[] {
  const sought = new Map<string, Buffer>();
  const add = (text: string, leastBytes: number): void => {
    const bytes = Buffer.from(text);
    if (bytes.length >= leastBytes) sought.set(text, bytes);
  };
  for (const secret of secrets) {
    add(secret.replace(/\r?\n$/, ''), AGENT_LIMITS.leastSecretBytes);
    const lines = secret.split(/\r?\n/);
    if (lines.length > 1) for (const line of lines) add(line, AGENT_LIMITS.leastSecretLineBytes);
  }
  return [...sought.values()];
}

/** Built once for all the text of an attempt. */
export class SecretMask {
  readonly #sought: Buffer[];
  /** Nodes are beginnings of secrets; a node's children are a list through `#nextSibling`. Those of the root stand apart. */
  readonly #fromRoot = new Int32Array(256);
  readonly #byte: Uint8Array;
  readonly #firstChild: Int32Array;
  readonly #nextSibling: Int32Array;
  readonly #depth: Int32Array;
  /** A secret that begins so. */
  readonly #owner: Int32Array;
  /** The longest end of this beginning that is a beginning too. */
  readonly #shorter: Int32Array;
  /** Bytes of the longest secret that ends here, or 0. */
  readonly #found: Int32Array;
  /** The longest end of this beginning from which a secret can still become whole. */
  readonly #open: Int32Array;
  #nodes = 1;

  constructor(secrets: readonly string[]) {
    this.#sought = soughtBytes(secrets);
    const most = this.#sought.reduce((sum, { length }) => sum + length, 1);
    this.#byte = new Uint8Array(most);
    [this.#firstChild, this.#nextSibling, this.#depth, this.#owner, this.#shorter, this.#found, this.#open] =
      Array.from({ length: 7 }, () => new Int32Array(most)) as [
        Int32Array,
        Int32Array,
        Int32Array,
        Int32Array,
        Int32Array,
        Int32Array,
        Int32Array,
      ];
    this.#sought.forEach((bytes, index) => {
      this.#insert(bytes, index);
    });
    this.#link();
  }

  get isEmpty(): boolean {
    return this.#sought.length === 0;
  }

  /** A stream of its own, from the start. */
  stream(): MaskedStream {
    return new MaskedStream(this);
  }

  /** A whole text; or a cut one, of which is left out what it ends with where that may be the beginning of a secret. */
  text(text: string, { isCut = false } = {}): string {
    if (this.isEmpty) return text;
    const stream = this.stream();
    const certain = stream.push(Buffer.from(text));
    return Buffer.concat(isCut ? [certain] : [certain, stream.end()]).toString();
  }

  /** The state after one more byte. */
  next(state: number, byte: number): number {
    for (let node = state; node !== ROOT; node = this.#shorter[node] as number) {
      const child = this.#child(node, byte);
      if (child !== ROOT) return child;
    }
    return this.#fromRoot[byte] as number;
  }

  /** Bytes of the longest secret that ends in this state, or 0. */
  foundBytes(state: number): number {
    return this.#found[state] as number;
  }

  /** What the text ends with that may yet become a secret. */
  openBytes(state: number): Buffer {
    const open = this.#open[state] as number;
    return open === ROOT
      ? NOTHING
      : (this.#sought[this.#owner[open] as number] as Buffer).subarray(0, this.#depth[open]);
  }

  #child(node: number, byte: number): number {
    if (node === ROOT) return this.#fromRoot[byte] as number;
    let child = this.#firstChild[node] as number;
    while (child !== ROOT && this.#byte[child] !== byte) child = this.#nextSibling[child] as number;
    return child;
  }

  #insert(bytes: Buffer, index: number): void {
    let node = ROOT;
    for (const byte of bytes) {
      let child = this.#child(node, byte);
      if (child === ROOT) {
        child = this.#nodes;
        this.#nodes += 1;
        this.#byte[child] = byte;
        this.#depth[child] = (this.#depth[node] as number) + 1;
        this.#owner[child] = index;
        this.#nextSibling[child] = this.#firstChild[node] as number;
        this.#firstChild[node] = child;
        if (node === ROOT) this.#fromRoot[byte] = child;
      }
      node = child;
    }
    this.#found[node] = bytes.length;
  }

  /** Shorter beginnings first: each node is linked through its parent's link. */
  #link(): void {
    const order = new Int32Array(this.#nodes);
    let count = 1;
    for (let index = 0; index < count; index += 1) {
      const node = order[index] as number;
      const shorter = this.#shorter[node] as number;
      this.#found[node] ||= this.#found[shorter] as number;
      this.#open[node] = this.#firstChild[node] === ROOT ? (this.#open[shorter] as number) : node;
      for (let child = this.#firstChild[node] as number; child !== ROOT; child = this.#nextSibling[child] as number) {
        if (node !== ROOT) this.#shorter[child] = this.next(shorter, this.#byte[child] as number);
        order[count] = child;
        count += 1;
      }
    }
  }
}

const NOTHING: Buffer = Buffer.alloc(0);

/** Bytes of occurrences that overlap, in positions of the stream. */
interface Run {
  start: number;
  end: number;
  isTold: boolean;
}

/** One stream. Positions count its bytes from 0; all before `#passed` is given out or left out. */
export class MaskedStream {
  readonly #mask: SecretMask;
  #state = ROOT;
  #position = 0;
  #passed = 0;
  /** Those that end after `#passed`, in order. */
  #runs: Run[] = [];

  constructor(mask: SecretMask) {
    this.#mask = mask;
  }

  /** What of the stream is certain after these bytes. May share memory with `data`. */
  push(data: Uint8Array): Buffer {
    const mask = this.#mask;
    if (mask.isEmpty) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const held = mask.openBytes(this.#state);
    const start = this.#position;
    let state = this.#state;
    for (let index = 0; index < data.length; index += 1) {
      state = mask.next(state, data[index] as number);
      const bytes = mask.foundBytes(state);
      if (bytes > 0) this.#cover(start + index + 1 - bytes, start + index + 1);
    }
    this.#state = state;
    this.#position += data.length;
    return this.#passTo(this.#position - mask.openBytes(state).length, held, data);
  }

  /** The rest: nothing follows. */
  end(): Buffer {
    const rest = this.#passTo(this.#position, this.#mask.openBytes(this.#state), NOTHING);
    this.#state = ROOT;
    return rest;
  }

  #cover(start: number, end: number): void {
    const run: Run = { start, end, isTold: false };
    for (let last = this.#runs.at(-1); last !== undefined && last.end > start; last = this.#runs.at(-1)) {
      run.start = Math.min(run.start, last.start);
      run.isTold ||= last.isTold;
      this.#runs.pop();
    }
    this.#runs.push(run);
  }

  /** Gives out what lies before `target`. `held` and `data` are the bytes that follow `#passed`. */
  #passTo(target: number, held: Buffer, data: Uint8Array): Buffer {
    const parts: Buffer[] = [];
    const from = this.#passed;
    const give = (until: number): void => {
      parts.push(held.subarray(this.#passed - from, until - from));
      const [first, last] = [this.#passed - from - held.length, until - from - held.length];
      if (last > 0)
        parts.push(Buffer.from(data.buffer, data.byteOffset + Math.max(0, first), last - Math.max(0, first)));
      this.#passed = until;
    };
    let done = 0;
    for (const run of this.#runs) {
      if (run.start >= target) break;
      if (run.start > this.#passed) give(run.start);
      if (!run.isTold) parts.push(MARK);
      run.isTold = true;
      this.#passed = Math.min(run.end, target);
      if (run.end > target) break;
      done += 1;
    }
    this.#runs.splice(0, done);
    if (this.#passed < target) give(target);
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }
}
