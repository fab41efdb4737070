/**
 * What `npm run conformance` can check. An area is a part of the product that has vectors: files of inputs with the
 * outputs that they must give, most of them published by somebody else.
 *
 * To add one, implement `ConformanceArea` beside this file and enter it in `AREAS` under the name that people type.
 */
import { AUCTION_AREA } from './auction.ts';
import { CRYPTO_AREA } from './crypto/area.ts';
import { ECONOMY_AREA } from './economy/area.ts';
import { LEDGER_AREA } from './ledger/area.ts';
import { MOO_AREA } from './moo/area.ts';
import { NOISE_AREA } from './noise.ts';
import { SCHEDULING_AREA } from './scheduling/area.ts';
import { SPHINX_AREA } from './sphinx/area.ts';

/** A file of vectors or traces that belongs to an area. */
export interface VectorFile {
  /** Relative to its folder, with forward slashes, e.g. `noise/snow.json`. */
  path: string;
  content: Uint8Array;
  /** Another file, by its path like the one above; null when there is none. */
  sibling(path: string): Promise<Uint8Array | null>;
}

/** One thing to check. Its input and expected output are of the area's own making. */
export interface ConformanceCase {
  /** Names it in messages; unique within its file. */
  name: string;
  data: unknown;
}

export interface CaseOptions {
  /** Whether the cases that tell most are enough (`--quick`). */
  isQuick: boolean;
}

export interface ConformanceArea {
  /** One sentence for `--list`. */
  summary: string;
  /** Which of the two folders its files lie in: FOG_VECTORS or FOG_TRACES. */
  folder: 'vectors' | 'traces';
  /**
   * Whether this file is one of the area's. Goes by folder and ending, not by whole names or numbers: other files of
   * the same shapes are run as well.
   */
  files(path: string): boolean;
  /**
   * The cases of a file, in order. Throws when the file has a shape that the area does not know: that is a failure,
   * for what is not understood is not checked. What belongs together may lie in several files: `sibling` reads another.
   */
  cases(file: VectorFile, options: CaseOptions): Iterable<ConformanceCase> | Promise<Iterable<ConformanceCase>>;
  /** Checks one case. Throws when it fails, also when the case names something unknown. */
  run(test: ConformanceCase): void | Promise<void>;
  /** What of the product its cases do not reach on this machine, a line each: `name: why`. Nothing fails by it. */
  notRun?(): string[];
  /** Cases of a file that are not run, a line each: `name: why`. Nothing fails by it. */
  leftOut?(file: VectorFile): string[];
}

export type Areas = ReadonlyMap<string, ConformanceArea>;

export const AREAS: Areas = new Map([
  ['auction', AUCTION_AREA],
  ['crypto', CRYPTO_AREA],
  ['economy', ECONOMY_AREA],
  ['ledger', LEDGER_AREA],
  ['moo', MOO_AREA],
  ['noise', NOISE_AREA],
  ['scheduling', SCHEDULING_AREA],
  ['sphinx', SPHINX_AREA],
]);
