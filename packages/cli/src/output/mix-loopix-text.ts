/** What was published of Loopix, beside a simulation: figure, here, there, and why the two are not the same. */
import { LOOPIX_FIGURES } from '@fog/betanet';
import type { AnonymityReport } from '../mix/anonymity-report.ts';
import { figure } from './mix-text.ts';

/** Figure, here, Loopix, setting. Only what the paper says in words: its graphs have no numbers that could be quoted. */
export function loopixRows(report: AnonymityReport): string[][] {
  const { network, alarm, rateTimesDelay } = report;
  const { latencyMilliseconds, layers, likelihoodDifference, options } = network;
  const mix = layers.at(-1)?.packetsPerSecond ?? 0;
  const { packetsPerSecondPerMix } = LOOPIX_FIGURES;
  return [
    [
      'latency, mean',
      figure(latencyMilliseconds.mean, 0, ' ms'),
      `${LOOPIX_FIGURES.latencyMeanMilliseconds} ms`,
      'section 5: loops of mixes, on machines; 500 clients, 3 streams of 60 a minute,',
    ],
    [
      'latency, deviation',
      figure(latencyMilliseconds.deviation, 0, ' ms'),
      `${LOOPIX_FIGURES.latencyDeviationMilliseconds} ms`,
      '500 ms a hop, 3 layers of 2 mixes, 4 providers: --loopix simulates that network',
    ],
    [
      'rate x delay of a client',
      figure(rateTimesDelay, 2),
      `${LOOPIX_FIGURES.leastRateTimesDelay} or more`,
      'section 4.3.1, advice, from 100 senders and 3 layers of 3 mixes',
    ],
    ['layers', String(options.layers), `${LOOPIX_FIGURES.leastLayers} or more`, 'section 4.3.1, advice'],
    [
      'likelihood difference, p50',
      figure(likelihoodDifference.p50, 2),
      'a graph',
      'section 4.3: it tells the watcher which packets carry something; here it does not know',
    ],
    [
      'entropy, mean',
      figure(network.entropyBits.mean, 2, ' bits'),
      'a graph',
      'section 4.1.3: over the packets of one mix; here over the senders, end to end',
    ],
    [
      'alarm after, mean',
      figure(alarm.alarmMilliseconds.mean / 1000, 1, ' s'),
      'not published',
      'section 4.2.1 leaves the share of loops that must return open',
    ],
    [
      'packets/s of one mix',
      figure(mix, 0),
      `${packetsPerSecondPerMix} at most`,
      'section 5: what their mix processed; here only the load, without any processing',
    ],
  ];
}
