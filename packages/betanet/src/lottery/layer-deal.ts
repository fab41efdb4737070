/**
 * Deals the relays that won seats into layers, as evenly as possible in two ways at once: the sizes of two layers
 * differ by at most one, and so do the shares of one operator in them.
 *
 * Cards of one operator lie one after another in the pack, operators and their relays in an order that the seed
 * decides, and the pack is dealt round and round. Any k cards in a row fall as evenly on the layers as k cards can, so
 * no dealing has fewer relays of an operator in its fullest layer. Where the round begins is the seed's too, so each
 * relay is as likely in one layer as in another.
 */
import { domainHash } from './domain-hash.ts';

const LABEL = 'fog-betanet-layers-v1';

export interface Dealt {
  id: string;
  operator: string;
}

/**
 * Layer (1 is the first after the gateways) of each relay. With fewer relays than layers the last layers are filled,
 * since short paths enter there.
 */
export function dealLayers(relays: readonly Dealt[], layers: number, seed: Uint8Array): Map<string, number> {
  const rank = (kind: string, name: string) => Buffer.from(domainHash(LABEL, [seed, kind, name])).toString('hex');
  const pack = relays
    .map((relay) => ({ id: relay.id, order: rank('operator', relay.operator) + rank('relay', relay.id) }))
    .sort((a, b) => (a.order < b.order ? -1 : 1));
  const offset = relays.length < layers ? 0 : Number(BigInt(`0x${rank('offset', '')}`) % BigInt(layers));
  return new Map(pack.map(({ id }, index) => [id, layers - ((index + offset) % layers)]));
}
