/**
 * The gateways of one run of a client: a few that are drawn once, by weight: whoever sets up many cheap ones gets no more
 * clients than by one that has staked as much.
 *
 *     in use --so many tries in a row failed, or the consensus lists it no more--> the next of the set is in use
 *
 * A client that drew a gateway anew after each cut link would come to all of them in the end: whoever can cut links would
 * only have to go on until it came to his. So another one is drawn only where the consensus lists none of the set.
 */
import { CLIENT_LIMITS } from './limits.ts';
import type { UniformNumbers } from './random-source.ts';
import { drawByWeight } from './weighted-draw.ts';

export interface WeightedGateway {
  id: string;
  weight: bigint;
}

export class GatewayGuards {
  /** Ids, the one in use first. */
  #guards: string[] = [];
  #failures = 0;

  /** Which to be connected to, of those that the consensus lists (ids in hex); null when it lists none. */
  choose(listed: readonly WeightedGateway[], numbers: UniformNumbers): string | null {
    const isListed = (id: string) => listed.some((gateway) => gateway.id === id);
    if (!this.#guards.some(isListed)) this.#guards = [];
    while (this.#guards.length < CLIENT_LIMITS.guards) {
      const others = listed.filter(({ id }) => !this.#guards.includes(id));
      const drawn = drawByWeight(others, numbers);
      if (drawn === undefined) break;
      this.#guards.push(drawn.id);
    }
    return this.#guards.find(isListed) ?? null;
  }

  /** A try to connect to the one in use failed. */
  failed(): void {
    this.#failures += 1;
    if (this.#failures < CLIENT_LIMITS.guardTries) return;
    this.#failures = 0;
    this.#guards.push(...this.#guards.splice(0, 1));
  }

  /** It could be reached. */
  connected(): void {
    this.#failures = 0;
  }
}
