/**
 * How much an observer of all links knows about who sent a packet.
 *
 * Sources: Serjantov and Danezis, and Diaz and others (both PET 2002) for entropy; Loopix (USENIX Security 2017),
 * sections 4.1 to 4.3, for Poisson mixes and the likelihood difference.
 */

/**
 * What the observer knows of the packets inside one Poisson mix. A packet is a distribution over labels (e.g. senders):
 * how much of it may be of whom. Exponential delays have no memory, so each packet inside is as likely as the others to
 * be the one that leaves next, whenever it came: an outgoing packet is the mean of the pool. Exact, and as cheap as the
 * number of labels, whatever the pool.
 */
export class PoissonMixPool {
  readonly #mass: Float64Array;
  #size = 0;

  constructor(labels: number) {
    this.#mass = new Float64Array(labels);
  }

  /** Packets inside. */
  get size(): number {
    return this.#size;
  }

  arrive(packet: Float64Array): void {
    this.#size += 1;
    for (let label = 0; label < this.#mass.length; label += 1) {
      this.#mass[label] = (this.#mass[label] as number) + (packet[label] as number);
    }
  }

  /** Writes what is known of a packet that leaves into `packet`. Throws a `RangeError` when none is inside. */
  depart(packet: Float64Array): void {
    if (this.#size === 0) throw new RangeError('nothing can leave a mix that holds no packet');
    const kept = (this.#size - 1) / this.#size;
    for (let label = 0; label < this.#mass.length; label += 1) {
      const mass = this.#mass[label] as number;
      packet[label] = mass / this.#size;
      this.#mass[label] = mass * kept;
    }
    this.#size -= 1;
  }
}

/** Shannon entropy in bits; 2^bits senders of equal likelihood would leave an observer as uncertain. */
export function entropyBits(distribution: Float64Array): number {
  let bits = 0;
  for (const probability of distribution) if (probability > 0) bits -= probability * Math.log2(probability);
  return bits;
}

/**
 * |ln(p0 / p1)|: how much likelier one of two senders is than the other; 0 when an observer cannot tell them apart,
 * infinite when one is ruled out, and not a number when both are.
 */
export function likelihoodDifference(distribution: Float64Array, first: number, second: number): number {
  return Math.abs(Math.log((distribution[first] ?? 0) / (distribution[second] ?? 0)));
}

/** The mean number of packets inside a mix, by Little's law; a Poisson number if delays are exponential. */
export function expectedPool(packetsPerSecond: number, meanDelayMilliseconds: number): number {
  return (packetsPerSecond * meanDelayMilliseconds) / 1000;
}

/**
 * The chance to pick the one wanted packet in an (n-1) attack that goes unnoticed, because one in s packets is let
 * through: s μ / (s λM + λR) with μ in 1/s. Source: Loopix, section 4.2.1.
 */
export function stealthyAttackSuccess(attack: {
  /** Of all packets, one in so many is let through: 1 / the share of loops that has to return. */
  oneIn: number;
  meanDelayMilliseconds: number;
  loopsPerSecond: number;
  packetsPerSecond: number;
}): number {
  const { oneIn, meanDelayMilliseconds, loopsPerSecond, packetsPerSecond } = attack;
  return Math.min(1, (oneIn * 1000) / meanDelayMilliseconds / (oneIn * loopsPerSecond + packetsPerSecond));
}

/**
 * How long a node takes on average to notice that everything is kept from it: the loops that were under way when the
 * attack began may still be inside, so at worst (this figure) only those sent afterwards count; the last of them that
 * the decision needs has to be sent, and its time has to be over. `losses`: see `lossesUntil`.
 */
export function expectedDetectionMilliseconds(watch: {
  losses: number;
  loopsPerSecond: number;
  returnMilliseconds: number;
}): number {
  return (watch.losses * 1000) / watch.loopsPerSecond + watch.returnMilliseconds;
}
