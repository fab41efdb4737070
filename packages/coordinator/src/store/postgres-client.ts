/**
 * A PostgreSQL connection that prepares the statements it runs again and again, so that they are parsed and planned
 * once. Turns consist of a few texts with arrays for parameters; planning them costs as much as running them.
 * Statements that are handed over together run one after the other.
 */
import { createHash } from 'node:crypto';
import pg from 'pg';

/** Texts that differ by the number of their parameters would fill the memory of the server. */
const MOST_PREPARED = 200;
const names = new Map<string, string>();

export class PreparingClient extends pg.Client {
  #previous: Promise<unknown> = Promise.resolve();

  // The signature of pg has a dozen forms; Kysely uses (text, values), which is the one that is changed here.
  override query(...parameters: unknown[]): never {
    const [text, values, ...rest] = parameters;
    const name = typeof text === 'string' && Array.isArray(values) && values.length > 0 ? preparedName(text) : null;
    const form = name === null ? parameters : [{ name, text, values }, ...rest];
    const run = () => (super.query as (...form: unknown[]) => Promise<unknown>)(...form);
    const answer = this.#previous.then(run);
    this.#previous = answer.catch(() => undefined);
    return answer as never;
  }
}

function preparedName(text: string): string | null {
  const known = names.get(text);
  if (known !== undefined) return known;
  if (names.size >= MOST_PREPARED) return null;
  const name = `fog_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`;
  names.set(text, name);
  return name;
}
