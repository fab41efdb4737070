/** What a simulation may ask of the machine: checked before anything runs, since it runs to its end without a pause. */
import { FogError } from '@fog/contract';
import { assertNumber, assertWholeNumber } from './configured-number.ts';
import { assertDelayDistribution } from './exponential.ts';
import { MIXING_LIMITS } from './limits.ts';
import { STREAM_NAMES } from './sending-plan.ts';
import type { SimulationOptions } from './simulation.ts';

/** To look at one node once, in additions to what is known of a packet: measured. */
const LOOK_STEPS = 50;

/** Throws `invalid-configuration` for an option out of bounds, and for options that are too much together. */
export function assertSimulation(options: SimulationOptions): void {
  assertWholeNumber('the seed', options.seed, 0, 0xffff_ffff);
  assertWholeNumber('the number of clients', options.clients, 2, MIXING_LIMITS.simulatedClients);
  assertWholeNumber('the number of gateways', options.gateways, 1, MIXING_LIMITS.simulatedNodes);
  assertWholeNumber('the number of layers', options.layers, 1, MIXING_LIMITS.simulatedLayers);
  assertWholeNumber('the number of mixes of a layer', options.mixesPerLayer, 1, MIXING_LIMITS.simulatedNodes);
  const { streamPacketsPerSecond } = MIXING_LIMITS;
  for (const name of STREAM_NAMES) {
    assertNumber(`the rate of the ${name} stream`, options.rates[name], 0, streamPacketsPerSecond);
  }
  assertNumber('the rate of messages', options.messagesPerSecond, 0, options.rates.payload);
  assertNumber('the rate of loops of a node', options.loopsPerSecond, 0, streamPacketsPerSecond);
  assertDelayDistribution(options.delay);
  assertWholeNumber('the cap of delays', options.delay.capMilliseconds, 1, MIXING_LIMITS.simulatedDelayMilliseconds);
  assertWholeNumber('the simulated seconds', options.seconds, 1, MIXING_LIMITS.simulatedSeconds);
  assertWholeNumber('the seconds before measuring', options.warmUpSeconds, 0, options.seconds - 1);
  for (const [what, value, most] of totalsOf(options)) {
    if (value <= most) continue;
    throw new FogError(
      'invalid-configuration',
      `the simulation would have ${Math.ceil(value)} ${what}, and ${most} is the most`,
      {
        details: { what, value, most },
        hint: 'lower the number of clients, the rates, the delays or the simulated time',
      },
    );
  }
}

/** What the options come to together: its name, how much, and the most. */
function totalsOf(options: SimulationOptions): [string, number, number][] {
  const { clients, gateways, layers, mixesPerLayer, rates, delay, loopsPerSecond, seconds } = options;
  const mixes = layers * mixesPerLayer;
  const nodes = gateways + mixes;
  const hops = layers + 1;
  const ofClients = clients * (rates.payload + rates.loop + rates.drop);
  const ofNodes = mixes * loopsPerSecond;
  // Each packet waits once in a gateway and once in each layer.
  const heldInStage = ((ofClients + ofNodes) * delay.meanMilliseconds) / 1000;
  const ticks = seconds * 1000 + hops * delay.capMilliseconds;
  const steps = ofClients * seconds * 2 * hops * clients + ticks * nodes * LOOK_STEPS;
  return [
    ['nodes', nodes, MIXING_LIMITS.simulatedNodes],
    ['packets in one node', heldInStage / Math.min(gateways, mixesPerLayer), MIXING_LIMITS.simulatedPackets / 2],
    ['packets of clients', ofClients * seconds, MIXING_LIMITS.simulatedClientPackets],
    ['numbers in all packets under way', heldInStage * hops * clients, MIXING_LIMITS.simulatedKnowledge],
    ['steps', steps, MIXING_LIMITS.simulatedSteps],
  ];
}
