/** What `fog mix simulate` was asked for, as networks to simulate. */
import {
  type AlarmTrialOptions,
  DEFAULT_TRAFFIC,
  LOOPIX_NETWORK,
  MIXING_LIMITS,
  NODE_LIMITS,
  type SimulationOptions,
} from '@fog/betanet';
import { FogError, parseDuration } from '@fog/contract';
import { DEFAULT_GEOMETRY_CHOICE, geometryOf } from '@fog/sphinx';
import { CLI_LIMITS } from '../limits.ts';

/** As they were given; what was not has the value of the chosen network. Lists are swept, a run for each combination. */
export interface SimulationFlags {
  loopix?: boolean;
  users?: number[];
  gateways?: number;
  layers?: number;
  relays?: number;
  meanDelay?: number[];
  delayCap?: number;
  payload?: number[];
  loop?: number[];
  drop?: number[];
  messages?: number;
  nodeLoops?: number;
  duration: string;
  seed: number;
  attack?: boolean;
  attacks: number;
  letThrough: number;
  loss: number;
}

export interface SimulatedRun {
  network: SimulationOptions;
  alarm: AlarmTrialOptions;
}

/** The rates and delays of a network whose genesis keeps the defaults; its size is a choice. */
const OUR_NETWORK: SimulationOptions = {
  ...LOOPIX_NETWORK,
  clients: 100,
  gateways: 2,
  layers: 3,
  mixesPerLayer: 2,
  rates: {
    payload: 1000 / DEFAULT_TRAFFIC.clientPayloadIntervalMilliseconds,
    loop: 1000 / DEFAULT_TRAFFIC.clientLoopIntervalMilliseconds,
    drop: 1000 / DEFAULT_TRAFFIC.clientDropIntervalMilliseconds,
  },
  delay: {
    meanMilliseconds: DEFAULT_TRAFFIC.meanDelayMilliseconds,
    capMilliseconds: DEFAULT_TRAFFIC.delayCapMilliseconds,
  },
  loopsPerSecond: 1000 / DEFAULT_TRAFFIC.nodeLoopIntervalMilliseconds,
};

/** Mean delays at all hops after which a network that began empty is as full as it gets. */
const WARM_UP_DELAYS = 10;
const LEAST_WARM_UP_SECONDS = 5;

/** All combinations, in the order of the lists. Throws `invalid-request` for too many, and what `parseDuration` throws. */
export function simulatedRuns(flags: SimulationFlags): SimulatedRun[] {
  const base = flags.loopix === true ? LOOPIX_NETWORK : OUR_NETWORK;
  const runs = combinations([
    flags.users ?? [base.clients],
    flags.meanDelay ?? [base.delay.meanMilliseconds],
    flags.payload ?? [base.rates.payload],
    flags.loop ?? [base.rates.loop],
    flags.drop ?? [base.rates.drop],
  ]);
  return runs.map(([clients = 0, meanMilliseconds = 0, payload = 0, loop = 0, drop = 0]) => {
    const capOverMean = base.delay.capMilliseconds / base.delay.meanMilliseconds;
    const capMilliseconds = flags.delayCap ?? Math.ceil(capOverMean * meanMilliseconds);
    const layers = flags.layers ?? base.layers;
    const hops = layers + 1;
    const warmUp = Math.ceil((WARM_UP_DELAYS * hops * meanMilliseconds) / 1000);
    const warmUpSeconds = Math.min(Math.max(LEAST_WARM_UP_SECONDS, warmUp), MIXING_LIMITS.simulatedSeconds);
    const measuredSeconds = Math.ceil(parseDuration(flags.duration) / 1000);
    const delay = { meanMilliseconds, capMilliseconds };
    // As a node does it: what the longest path could take, and some more.
    const returnMilliseconds = DEFAULT_GEOMETRY_CHOICE.hops * capMilliseconds + NODE_LIMITS.loopSlackMilliseconds;
    const network: SimulationOptions = {
      seed: flags.seed,
      clients,
      gateways: flags.gateways ?? base.gateways,
      layers,
      mixesPerLayer: flags.relays ?? base.mixesPerLayer,
      rates: { payload, loop, drop },
      messagesPerSecond: flags.messages ?? payload / 2,
      delay,
      doGatewaysDelay: true,
      loopsPerSecond: flags.nodeLoops ?? base.loopsPerSecond,
      loopReturnMilliseconds: returnMilliseconds,
      seconds: warmUpSeconds + measuredSeconds,
      warmUpSeconds,
      attackAtSeconds: flags.attack === true ? warmUpSeconds + measuredSeconds / 2 : null,
    };
    return { network, alarm: alarmTrials(flags, network) };
  });
}

function alarmTrials({ attacks, loss, letThrough }: SimulationFlags, network: SimulationOptions): AlarmTrialOptions {
  return {
    seed: network.seed,
    attacks,
    loopsPerSecond: network.loopsPerSecond,
    returnMilliseconds: network.loopReturnMilliseconds,
    delay: network.delay,
    delayingHops: network.layers + 1,
    lostShare: loss,
    passedShare: letThrough,
  };
}

function combinations(lists: readonly (readonly number[])[]): number[][] {
  const count = lists.reduce((product, list) => product * list.length, 1);
  if (count > CLI_LIMITS.simulatedRuns) {
    throw new FogError('invalid-request', `these are ${count} runs, and ${CLI_LIMITS.simulatedRuns} is the most`, {
      hint: 'every value of one list is combined with every value of the others: shorten a list',
    });
  }
  return lists.reduce<number[][]>((runs, list) => runs.flatMap((run) => list.map((value) => [...run, value])), [[]]);
}

/** A packet of the default geometry, as it crosses a link (less what the link adds). */
export function simulatedPacketBytes(): number {
  return geometryOf(DEFAULT_GEOMETRY_CHOICE).packetBytes;
}
