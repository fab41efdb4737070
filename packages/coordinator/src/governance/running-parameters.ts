/**
 * The parameters that hold now. A vote writes them in the transaction that executes it; each coordinator reads them when it
 * starts, after a vote of its own, and every other second, so that what another has executed holds here too.
 */
import type { ParameterDocument } from '@fog/contract';
import {
  DEFAULT_PARAMETERS,
  PARAMETER_NAMES,
  PARAMETERS,
  type Parameters,
  parametersFrom,
} from '@fog/economy/governance';
import { readChangesSince, readParameters, type StoredParameter } from '../store/dao-rows.ts';
import type { Database, Reader } from '../store/database.ts';

export class RunningParameters {
  readonly #read: Reader;
  #values: Parameters = DEFAULT_PARAMETERS;
  #stored: ReadonlyMap<string, StoredParameter> = new Map();

  constructor({ read }: Pick<Database, 'read'>) {
    this.#read = read;
  }

  get values(): Parameters {
    return this.#values;
  }

  /** Reads them anew. Throws `invalid-request` for a stored value that cannot hold; what held before stays. */
  async look(): Promise<void> {
    const stored = await readParameters(this.#read);
    this.#values = valuesOf(stored);
    this.#stored = new Map(stored.map((parameter) => [parameter.name, parameter]));
  }

  /** All of the catalogue, in its order. */
  list(): ParameterDocument[] {
    return PARAMETER_NAMES.map((name) => {
      const { least, most, unit, meaning, default: preset } = PARAMETERS[name];
      const { proposal = null, changedAt = null } = this.#stored.get(name) ?? {};
      const bounds = { default: String(preset), least: String(least), most: String(most) };
      return { name, value: String(this.#values[name]), ...bounds, unit, meaning, proposal, changedAt };
    });
  }
}

/** As they are in this transaction. */
export async function parametersIn(reader: Reader): Promise<Parameters> {
  return valuesOf(await readParameters(reader));
}

/** As they were just before a moment, in milliseconds, by the record of what votes have done since. */
export async function readParametersAt(reader: Reader, at: number): Promise<Parameters> {
  const values = new Map((await readParameters(reader)).map(({ name, value }) => [name, value]));
  // The first change since then says what was before it.
  for (const { name, before } of (await readChangesSince(reader, at)).reverse()) values.set(name, before);
  return {
    ...DEFAULT_PARAMETERS,
    ...Object.fromEntries([...values].filter(([name]) => Object.hasOwn(PARAMETERS, name))),
  };
}

function valuesOf(stored: readonly StoredParameter[]): Parameters {
  return parametersFrom(Object.fromEntries(stored.map(({ name, value }) => [name, value])));
}
