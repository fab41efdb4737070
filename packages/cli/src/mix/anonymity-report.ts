/** One simulated network in the figures that a person decides by. */
import { type AlarmTrials, type SimulationReport, simulate, stealthyAttackSuccess, tryAlarm } from '@fog/betanet';
import type { SimulatedRun } from './simulation-choice.ts';

export interface AnonymityReport {
  /** Without what is the same in every report. */
  network: Omit<SimulationReport, 'loopix'>;
  alarm: AlarmTrials & {
    lostShare: number;
    passedShare: number;
    /** Of an attacker who lets that share through, to pick the right packet: Loopix, section 4.2.1. 1 if it lets none through. */
    pickChance: number;
  };
  /** 2^bits: so many senders, each as likely, would leave a watcher as uncertain. */
  effectiveSenders: { mean: number; least: number };
  /** Of all streams of a client, times the mean delay of a hop. */
  rateTimesDelay: number;
  /** What a client sends, in the mean of all; packets alone, without what links add. */
  client: { packetBytes: number; bytesPerHour: number; coverBytesPerHour: number; coverShare: number };
}

/** Runs a network and the trials of its alarm. Throws `invalid-configuration` for options out of bounds. */
export function anonymityReport({ network: options, alarm }: SimulatedRun, packetBytes: number): AnonymityReport {
  const { loopix: _, ...network } = simulate(options);
  const { entropyBits, packetsSent, layers } = network;
  const cover = packetsSent.loop + packetsSent.drop;
  const all = cover + packetsSent.payload;
  const hours = (options.seconds - options.warmUpSeconds) / 3600;
  const ofClient = (packets: number) => (packets * packetBytes) / hours / options.clients;
  const { rates, delay } = options;
  const pickChance = pickChanceOf(alarm.passedShare, {
    meanDelayMilliseconds: delay.meanMilliseconds,
    loopsPerSecond: options.loopsPerSecond,
    // Of a mix, without its own loops, which come back to it.
    packetsPerSecond: Math.max(0, (layers.at(-1)?.packetsPerSecond ?? 0) - options.loopsPerSecond),
  });
  return {
    network,
    alarm: { ...tryAlarm(alarm), lostShare: alarm.lostShare, passedShare: alarm.passedShare, pickChance },
    effectiveSenders: { mean: 2 ** entropyBits.mean, least: 2 ** entropyBits.least },
    rateTimesDelay: ((rates.payload + rates.loop + rates.drop) * delay.meanMilliseconds) / 1000,
    client: {
      packetBytes,
      bytesPerHour: ofClient(all),
      coverBytesPerHour: ofClient(cover),
      coverShare: cover / all,
    },
  };
}

function pickChanceOf(passedShare: number, attack: Omit<Parameters<typeof stealthyAttackSuccess>[0], 'oneIn'>): number {
  return passedShare === 0 ? 1 : stealthyAttackSuccess({ ...attack, oneIn: 1 / passedShare });
}
