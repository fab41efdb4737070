/**
 * Checkpoints of votes. An entry goes on where the one above it ended, and begins anew when its first step mints. Ticks
 * and amounts may have names: `t` is the tick of the step that names it, `w0` an amount of our own choice.
 */
import assert from 'node:assert/strict';
import { nextCheckpoint, PowerBook, type PowerCheckpoint, withCheckpoint } from '@fog/economy/governance';
import { z } from 'zod';
import type { Check } from '../vector-shape.ts';
import { assertError } from './governor-world.ts';

const value = z.union([z.int().nonnegative(), z.string()]);
const expected = z.record(z.string(), value).optional();
export const checkpointSchema = z.strictObject({
  steps: z.array(z.string()).optional(),
  votes: expected,
  past: expected,
  past_total_supply: expected,
  error: z.string().optional(),
  rule: z.string().optional(),
});
type Entry = z.output<typeof checkpointSchema>;

const TICKS_APART = 5;

export function checkpointChecks(entries: readonly Entry[]): Check[] {
  let begun: Entry[] = [];
  return entries.map((entry, index) => {
    if (/^mint\b/.test(entry.steps?.[0] ?? '')) begun = [];
    const before = begun;
    if (entry.steps !== undefined) begun = [...begun, entry];
    const title = entry.steps?.join('; ') ?? entry.rule ?? '';
    return { name: `checkpoints ${index + 1}: ${title}`, run: () => checkEntry(entry, before) };
  });
}

function checkEntry(entry: Entry, before: readonly Entry[]): void {
  if (entry.steps === undefined) {
    checkRule(entry);
    return;
  }
  const story = new Story();
  for (const earlier of before) for (const step of earlier.steps ?? []) story.step(step);
  let error: unknown = null;
  try {
    for (const step of entry.steps) story.step(step);
  } catch (thrown) {
    if (entry.error === undefined) throw thrown;
    error = thrown;
  }
  if (entry.error !== undefined) {
    assert.ok(error !== null, `nothing is refused, and ${entry.error} is expected`);
    if (error instanceof assert.AssertionError) throw error;
    assertError(error, entry.error);
  }
  const { votes = {}, past = {}, past_total_supply: supply = {} } = entry;
  const told = [votes, past, supply].reduce((sum, part) => sum + Object.keys(part).length, 0);
  assert.ok(told > 0 || entry.error !== undefined, 'nothing is told of what comes of it');
  for (const [name, power] of Object.entries(votes)) assert.equal(story.book.powerOf(name), story.amount(power), name);
  for (const [key, power] of Object.entries(past)) assert.equal(story.pastPower(key), story.amount(power), key);
  for (const [key, power] of Object.entries(supply)) assert.equal(story.pastSupply(key), story.amount(power), key);
}

/** A rule that stands alone. */
function checkRule({ rule = '' }: Entry): void {
  assert.match(rule, /same.tick.*overwrites?\b.*checkpoint/i, `unknown rule "${rule}"`);
  let trace: PowerCheckpoint[] = [];
  const push = (sequence: number, deltaMicroFog: bigint) => {
    trace = withCheckpoint(trace, nextCheckpoint(trace.at(-1) ?? null, { of: 'a', sequence, deltaMicroFog }));
  };
  push(3, 5n);
  push(7, 2n);
  push(7, 4n);
  push(7, -1n);
  const rows = trace.map(({ sequence, powerMicroFog }) => [sequence, powerMicroFog]);
  assert.deepEqual(rows, [
    [3, 5n],
    [7, 10n],
  ]);
}

const HOLDER = 'holder';

class Story {
  readonly book = new PowerBook();
  readonly #ticks = new Map<string, number>();
  readonly #amounts = new Map<string, bigint>();
  #now = TICKS_APART;
  #subject: string | null = null;

  readonly #forms: readonly [form: RegExp, run: (...parts: string[]) => void][] = [
    [
      /^mint (\w+) (\d+)(?: \(undelegated\))?(?: at (\w+))?$/,
      (owner, amount, tick) => this.#add(owner, BigInt(amount), tick),
    ],
    [/^burn (\w+) (\d+)(?: at (\w+))?$/, (owner, amount, tick) => this.#add(owner, -BigInt(amount), tick)],
    [/^mint (\w+), ?(\w+)$/, (amount, tick) => this.#add(HOLDER, this.amount(amount), tick)],
    [/^burn (\w+), ?(\w+)$/, (amount, tick) => this.#add(HOLDER, -this.amount(amount), tick)],
    [
      /^(\w+) transfers (\d+) to (\w+)(?: at (\w+))?$/,
      (from, amount, to, tick) => {
        this.#add(from, -BigInt(amount), tick);
        this.#addNow(to, BigInt(amount));
      },
    ],
    [
      /^(\w+) delegates(?: to)? (\w+)(?: at (\w+))?$/,
      (owner, delegate, tick) => {
        this.#subject = delegate;
        this.book.apply({ owner, sequence: this.#at(tick), delegate });
      },
    ],
    [
      /^lookup at (?:\w+ ?)?(>=|=|>) ?now$/,
      (sign) => {
        this.book.pastSupply(this.#now - 1, this.#now);
        const refused = [this.#now + (sign === '>' ? 1 : 0), this.#now + 1000].map((tick) => {
          try {
            this.book.pastSupply(tick, this.#now);
            return null;
          } catch (error) {
            return error;
          }
        });
        // All of them or none: then the step did not fail.
        if (!refused.includes(null)) throw refused[0];
      },
    ],
  ];

  step(step: string): void {
    for (const [form, run] of this.#forms) {
      const match = form.exec(step.trim());
      if (match === null) continue;
      const [, ...parts] = match;
      run(...(parts as string[]));
      return;
    }
    assert.fail(`unknown step "${step}"`);
  }

  /** `t`, `t-1`, `alice t`: without a name, of whoever was delegated to last. */
  pastPower(key: string): bigint {
    const [first = '', second] = key.trim().split(/\s+/);
    const voter = second === undefined ? this.#subject : first;
    assert.ok(voter !== null, `whose power at ${key}?`);
    return this.book.pastPowerOf(voter, this.#pastTick(second ?? first), this.#later());
  }

  pastSupply(key: string): bigint {
    return this.book.pastSupply(this.#pastTick(key.trim()), this.#later());
  }

  /** A number, or a sum of named amounts. */
  amount(text: string | number): bigint {
    if (typeof text === 'number') return BigInt(text);
    const terms = [...text.replaceAll(' ', '').matchAll(/([+-]?)(\w+)/g)];
    assert.ok(terms.length > 0, `unknown amount "${text}"`);
    return terms.reduce((sum, [, sign, name = '']) => sum + (sign === '-' ? -1n : 1n) * this.#named(name), 0n);
  }

  #named(name: string): bigint {
    if (/^\d+$/.test(name)) return BigInt(name);
    const known = this.#amounts.get(name) ?? 1000n + 37n * 11n ** BigInt(this.#amounts.size);
    this.#amounts.set(name, known);
    return known;
  }

  #add(owner: string, delta: bigint, tick: string | undefined): void {
    this.#at(tick);
    this.#addNow(owner, delta);
  }

  #addNow(owner: string, delta: bigint): void {
    const bondedMicroFog = (this.book.stakeOf(owner)?.bondedMicroFog ?? 0n) + delta;
    this.book.apply({ owner, sequence: this.#now, bondedMicroFog });
  }

  /** The tick of a step: a later one than before, unless it names the present one. */
  #at(name: string | undefined): number {
    const known = name === undefined ? undefined : this.#ticks.get(name);
    if (known !== undefined) {
      assert.equal(known, this.#now, `the tick ${name} is over`);
      return known;
    }
    this.#now += TICKS_APART;
    if (name !== undefined) this.#ticks.set(name, this.#now);
    return this.#now;
  }

  #pastTick(text: string): number {
    const [, name = '', offset = '0'] = /^(\w+?)\s*([+-]\s*\d+)?$/.exec(text) ?? [];
    const tick = this.#ticks.get(name);
    assert.ok(tick !== undefined, `unknown tick "${text}"`);
    return tick + Number(offset.replaceAll(' ', ''));
  }

  #later(): number {
    return this.#now + TICKS_APART;
  }
}
