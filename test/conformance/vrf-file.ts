/**
 * Examples of verifiable random functions as the text of RFC 9381, appendix B, has them: sections that name a suite,
 * examples in them, `key = value` with values broken over lines, and the page breaks of a printed RFC between.
 *
 * Every section is parsed, and a line, key or suite that is not known throws. Cases are made of those of the suite that
 * this project has; of the others it is only checked that they have the shape.
 */
import assert from 'node:assert/strict';
import { vrfProofSteps, vrfProofToHash, vrfProve, vrfVerify } from '@fog/betanet';

const OUR_SUITE = 'ECVRF-EDWARDS25519-SHA512-TAI';
const SUITES = [
  'ECVRF-P256-SHA256-TAI',
  'ECVRF-P256-SHA256-SSWU',
  OUR_SUITE,
  'ECVRF-EDWARDS25519-SHA512-ELL2',
] as const;

/** Keys of an example, as the text spells them -> what they are called here. */
const KEYS: Readonly<Record<string, string>> = {
  SK: 'SK',
  'SK = x': 'SK',
  PK: 'PK',
  alpha: 'alpha',
  x: 'x',
  H: 'H',
  k_string: 'k_string',
  k: 'k',
  'U = k*B': 'U',
  'V = k*H': 'V',
  pi: 'pi',
  beta: 'beta',
};
/** Steps of the other suites' way from alpha to a point; a value may follow in the next line. */
const OTHER_STEP = /^In (SSWU|Elligator2): (\w+ =( [0-9a-f]+)?|gx1 is a (non)?square)$/;
const COUNTER = /^try_and_increment succeeded on ctr = (\d+)$/;
const PAGE_BREAK = /^\S.*\[Page \d+\]$|^(Internet-Draft|RFC \d+) .* \d{4}$/;
const SECTION = /^(?:[A-Z]\.)?\d+\. +(ECVRF-\S+)$/;
const EXAMPLE = /^Example (\d+):$/;
const END = /^(Authors' Addresses|Contributors|Acknowledge?ments|Index)$/;
/** Keys and values stand this far from the margin; sentences between examples do not. */
const VALUE_INDENT = 6;

export interface VrfCase {
  /** E.g. `ECVRF-EDWARDS25519-SHA512-TAI, example 16`. */
  name: string;
  /** Hex, as are all values; `alpha` may be empty. */
  SK: string;
  PK: string;
  alpha: string;
  x?: string;
  ctr: number;
  H: string;
  k_string?: string;
  k: string;
  U: string;
  V: string;
  pi: string;
  beta: string;
}

const VALUE_BYTES: Readonly<Record<string, number>> = {
  SK: 32,
  PK: 32,
  x: 32,
  H: 32,
  k_string: 64,
  k: 32,
  U: 32,
  V: 32,
  pi: 80,
  beta: 64,
};

interface Example {
  suite: string;
  number: string;
  values: Map<string, string>;
  /** What the next line may go on with: hex of this key, or the words for a value in parentheses. */
  open: { key: string; in: 'value' | 'words' } | null;
}

/** The cases of our suite in the text of such a file, in order. Throws on whatever it does not understand. */
export function parseVrfFile(text: string): VrfCase[] {
  const examples = parseExamples(text);
  if (examples.length === 0) throw new Error('the file has no example of a verifiable random function');
  for (const { suite, number, values } of examples) {
    const missing = ['SK', 'PK', 'alpha', 'H', 'k', 'U', 'V', 'pi', 'beta'].filter((key) => !values.has(key));
    if (missing.length > 0) throw new Error(`example ${number} of ${suite} has no ${missing.join(', ')}`);
  }
  return examples.filter(({ suite }) => suite === OUR_SUITE).map(caseOf);
}

function parseExamples(text: string): Example[] {
  const examples: Example[] = [];
  let suite: string | null = null;
  let example: Example | null = null;
  for (const [index, raw] of text.split(/\r?\n|\f/).entries()) {
    const line = raw.trim();
    if (END.test(line)) break;
    if (line === '' || PAGE_BREAK.test(line)) continue;
    const section = SECTION.exec(line)?.[1];
    const number = EXAMPLE.exec(line)?.[1];
    const isValue = raw.length - raw.trimStart().length >= VALUE_INDENT;
    if (section !== undefined) {
      if (!SUITES.some((known) => known === section)) throw new Error(`line ${index + 1}: unknown suite ${section}`);
      suite = section;
      example = null;
    } else if (number !== undefined) {
      if (suite === null) throw new Error(`line ${index + 1}: an example before any suite`);
      example = { suite, number, values: new Map(), open: null };
      examples.push(example);
    } else if (isValue ? example === null || !readLine(example, line) : line.includes(' =')) {
      throw new Error(`line ${index + 1} is not understood: ${line}`);
    }
  }
  return examples;
}

/** False: the line is nothing that an example can have. */
function readLine(example: Example, line: string): boolean {
  const { suite, open } = example;
  const counter = COUNTER.exec(line)?.[1];
  if (counter !== undefined) return set(example, 'ctr', counter, null);
  if (OTHER_STEP.test(line)) {
    example.open = { key: 'of another suite', in: 'value' };
    return suite !== OUR_SUITE;
  }
  const at = line.lastIndexOf(' =');
  const key = at < 0 ? undefined : KEYS[line.slice(0, at)];
  if (open?.in !== 'words' && key !== undefined) return readValue(example, key, line.slice(at + 2).trim());
  return open !== null && goOn(example, open, line);
}

function readValue(example: Example, key: string, text: string): boolean {
  if (key === 'alpha' && text === '(the empty string)') return set(example, key, '', null);
  const parts = /^([0-9a-f]*)(?: (\(.*))?$/.exec(text);
  if (parts === null) return false;
  const [, hex = '', words] = parts;
  if (words === undefined) return set(example, key, hex, 'value');
  return key === 'alpha' && set(example, key, hex, words.endsWith(')') ? null : 'words');
}

function set(example: Example, key: string, value: string, goesOnIn: 'value' | 'words' | null): boolean {
  if (example.values.has(key)) return false;
  example.values.set(key, value);
  example.open = goesOnIn === null ? null : { key, in: goesOnIn };
  return true;
}

function goOn(example: Example, open: NonNullable<Example['open']>, line: string): boolean {
  if (open.in === 'value' && /^[0-9a-f]+$/.test(line)) {
    example.values.set(open.key, (example.values.get(open.key) ?? '') + line);
    return true;
  }
  // What alpha is in words: (62 bytes; ASCII "…"), over several lines.
  if (open.key !== 'alpha' || (open.in === 'value' && !line.startsWith('('))) return false;
  example.open = line.endsWith(')') ? null : { key: open.key, in: 'words' };
  return true;
}

function caseOf({ suite, number, values }: Example): VrfCase {
  const name = `${suite}, example ${number}`;
  const hex = Object.fromEntries([...values].filter(([key]) => key !== 'ctr'));
  for (const [key, text] of Object.entries(hex)) {
    const bytes = VALUE_BYTES[key];
    const isOf = bytes === undefined ? text.length % 2 === 0 : text.length === bytes * 2;
    if (!isOf) throw new Error(`${name}: ${key} is not of ${bytes ?? 'whole'} bytes`);
  }
  const counter = values.get('ctr');
  if (counter === undefined) throw new Error(`${name} has no ctr`);
  return { ...hex, name, ctr: Number(counter) } as VrfCase;
}

/** Throws unless we compute every value of the case, accept the proof, and refuse it when anything is changed. */
export function checkVrfCase({ name, ctr, ...hex }: VrfCase): void {
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
  const text = (value: Uint8Array | null) => (value === null ? null : Buffer.from(value).toString('hex'));
  const alpha = bytes(hex.alpha);
  const steps = vrfProofSteps(bytes(hex.SK), alpha);
  const found = {
    PK: steps.publicKey,
    x: steps.scalar,
    H: steps.hashedPoint,
    k_string: steps.nonceString,
    k: steps.nonce,
    U: steps.nonceTimesBase,
    V: steps.nonceTimesHash,
    pi: steps.proof,
  };
  for (const [key, value] of Object.entries(found)) {
    const expected = hex[key as keyof typeof found];
    if (expected !== undefined) assert.equal(text(value), expected, `${name}: ${key}`);
  }
  assert.equal(steps.counter, ctr, `${name}: ctr`);
  const publicKey = bytes(hex.PK);
  const pi = bytes(hex.pi);
  assert.equal(text(vrfProve(bytes(hex.SK), alpha)), hex.pi, `${name}: pi of prove`);
  assert.equal(text(vrfVerify(publicKey, alpha, pi)), hex.beta, `${name}: beta of verify`);
  assert.equal(text(vrfProofToHash(pi)), hex.beta, `${name}: beta of proofToHash`);
  assert.equal(vrfVerify(publicKey, bytes(`${hex.alpha}00`), pi), null, `${name}: a proof of another input`);
  const changed = Uint8Array.from(pi, (byte, index) => (index === 40 ? byte ^ 1 : byte));
  assert.equal(vrfVerify(publicKey, alpha, changed), null, `${name}: a changed challenge`);
}
