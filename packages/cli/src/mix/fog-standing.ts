/** What relays of a mix network have staked with a fog, and what it is worth trusting them: for the lottery. */
import { readFile } from 'node:fs/promises';
import { NO_ECONOMY, type Standing, type StandingSource } from '@fog/betanet';
import { FogError, nameSchema } from '@fog/contract';
import { NEW_RELAY_PPM } from '@fog/economy/reputation';
import { relayStake } from '@fog/economy/staking';
import type { Fog } from '@fog/sdk';
import { allPages } from '../commands/command-context.ts';
import { CLI_LIMITS } from '../limits.ts';

/** By operator the principal of the fog that answers for its relays. */
export type Operators = ReadonlyMap<string, string>;

/** A name that follows from a key: others may say any other. */
const KEYED_NAME = /^key-[0-9a-f]{40}$/;

/** Reads a JSON object of `key-…` names and principals. Throws `invalid-configuration`. */
export async function readOperators(path: string): Promise<Operators> {
  const hint = 'write {"key-<40 digits>": "principal", …}; the names are those that the relays have by --operator-key';
  try {
    const named = Object.entries(JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>);
    const unkeyed = named.find(([operator]) => !KEYED_NAME.test(operator));
    if (unkeyed !== undefined) throw new Error(`"${unkeyed[0]}" is no name that follows from a key`);
    return new Map(named.map(([operator, principal]) => [operator, nameSchema.parse(principal)]));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FogError('invalid-configuration', `${path} does not say who runs which relays: ${why}`, { cause, hint });
  }
}

export interface KnownOwners {
  /** By principal. */
  reputationPpm: ReadonlyMap<string, number>;
  /** Of validators; null in a fog without money. */
  stake: ReadonlyMap<string, { status: 'active' | 'jailed' | 'tombstoned'; tokens: bigint }> | null;
}

/** Where the fog has no money, all stand alike. Of operators that nobody answers for, none has stake. */
export function standingIn(
  known: KnownOwners,
  operators: Operators,
  relay: { id: string; operator: string; relays: number },
): Standing {
  if (known.stake === null) return NO_ECONOMY.standingOf(relay);
  const owner = operators.get(relay.operator);
  if (owner === undefined) return { stake: 0n, reputationPpm: NEW_RELAY_PPM };
  return {
    stake: relayStake(known.stake.get(owner), relay.relays),
    reputationPpm: known.reputationPpm.get(owner) ?? NEW_RELAY_PPM,
  };
}

/** Asks a fog now and then; while it does not answer, what it said last stands. */
export class FogStanding implements StandingSource, Disposable {
  #known: KnownOwners;
  readonly #operators: Operators;
  readonly #timer: NodeJS.Timeout;

  private constructor(known: KnownOwners, operators: Operators, look: () => Promise<KnownOwners>, warn: Warn) {
    this.#known = known;
    this.#operators = operators;
    this.#timer = setInterval(() => {
      look().then(
        (newer) => {
          this.#known = newer;
        },
        (error: unknown) => warn('the fog does not tell the standing of relays', { error: String(error) }),
      );
    }, CLI_LIMITS.standingMilliseconds);
  }

  /** Throws what the fog answers. */
  static async open(fog: Fog, operators: Operators, warn: Warn): Promise<FogStanding> {
    const look = () => ownersOf(fog, new Set(operators.values()));
    return new FogStanding(await look(), operators, look, warn);
  }

  standingOf(relay: { id: string; operator: string; relays: number }): Standing {
    return standingIn(this.#known, this.#operators, relay);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

type Warn = (message: string, details: Record<string, unknown>) => void;

async function ownersOf(fog: Fog, wanted: ReadonlySet<string>): Promise<KnownOwners> {
  const queryOf = (cursor: string | undefined) => ({ query: cursor === undefined ? {} : { cursor } });
  const reputationPpm = new Map<string, number>();
  for await (const { owner, relayReputationPpm } of allPages((cursor) =>
    fog.client.call('listOwners', queryOf(cursor)),
  )) {
    if (wanted.has(owner)) reputationPpm.set(owner, relayReputationPpm);
  }
  const stake = new Map<string, { status: 'active' | 'jailed' | 'tombstoned'; tokens: bigint }>();
  try {
    for await (const row of allPages((cursor) => fog.client.call('listValidators', queryOf(cursor)))) {
      if (wanted.has(row.validator)) stake.set(row.validator, { status: row.status, tokens: BigInt(row.stake) });
    }
  } catch (error) {
    if (error instanceof FogError && error.code === 'unsupported') return { reputationPpm, stake: null };
    throw error;
  }
  return { reputationPpm, stake };
}
