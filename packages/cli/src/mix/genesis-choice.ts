/** The genesis of a network from the options of `fog mix genesis`. */
import { type Authority, createGenesis } from '@fog/betanet';
import { FogError, parseDuration } from '@fog/contract';

export interface GenesisOptions {
  name: string;
  authority: string[];
  layers: number;
  hops: number;
  epoch: string;
  firstRound?: string;
  startsIn: string;
  test?: boolean;
}

/** Throws `invalid-request` for an authority that is none, and `invalid-configuration` for a network that cannot be. */
export function genesisOf(options: GenesisOptions, nowMilliseconds: number) {
  const { name, layers, hops, test = false } = options;
  const epochMilliseconds = parseDuration(options.epoch);
  return createGenesis({
    name,
    test,
    genesisMilliseconds: nowMilliseconds + parseDuration(options.startsIn),
    epochMilliseconds,
    bootstrapMilliseconds: options.firstRound === undefined ? epochMilliseconds : parseDuration(options.firstRound),
    authorities: options.authority.map(authorityOf),
    layers,
    geometry: { hops, userPayloadBytes: 2000 },
  });
}

function authorityOf(text: string): Authority {
  const [, id, publicKey, url] = /^([^=@]+)=([0-9a-f]{64})@(.+)$/.exec(text) ?? [];
  if (id !== undefined && publicKey !== undefined && url !== undefined) return { id, publicKey, url };
  throw new FogError('invalid-request', `"${text}" is no authority; write NAME=PUBLIC_KEY@URL`, {
    hint: '"fog mix authority --public-key" prints the key',
  });
}
