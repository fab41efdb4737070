/**
 * What the authors of Loopix published, to stand beside our own figures. Source: A. Piotrowska and others, "The Loopix
 * Anonymity System", USENIX Security 2017, sections 4.3 and 5.
 */
import type { SimulationOptions } from './simulation.ts';

export const LOOPIX_FIGURES = {
  /**
   * End to end, measured with loops of mixes, delays of Exp(2 per second) at each hop, 500 clients with 60 packets a
   * minute in each stream, 3 layers of 2 mixes, 4 providers: a Gamma distribution.
   */
  latencyMeanMilliseconds: 1930,
  latencyDeviationMilliseconds: 870,
  /** One mix on an m4.4xlarge with 2.3 GHz: it takes no more from here on. */
  packetsPerSecondPerMix: 225,
  processingMilliseconds: 0.6,
  /** Advice (section 4.3.1): packets per second of each client times the mean delay, and the number of layers, at the least. */
  leastRateTimesDelay: 2,
  leastLayers: 3,
} as const;

/** The network in which they measured latency, with less simulated time than they took. Change what you like. */
export const LOOPIX_NETWORK: SimulationOptions = {
  seed: 1,
  clients: 500,
  gateways: 4,
  layers: 3,
  mixesPerLayer: 2,
  rates: { payload: 1, loop: 1, drop: 1 },
  messagesPerSecond: 0.5,
  delay: { meanMilliseconds: 500, capMilliseconds: 13_800 },
  doGatewaysDelay: true,
  loopsPerSecond: 1,
  loopReturnMilliseconds: 8_000,
  seconds: 60,
  warmUpSeconds: 10,
  attackAtSeconds: null,
};
