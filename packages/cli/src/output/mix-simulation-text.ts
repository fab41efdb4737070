/** Simulations of the mix network for people. */
import type { Distribution } from '@fog/betanet';
import type { AnonymityReport } from '../mix/anonymity-report.ts';
import type { Colours } from '../terminal.ts';
import { loopixRows } from './mix-loopix-text.ts';
import { figure } from './mix-text.ts';
import { renderFields, renderTable } from './table.ts';

/** One network, in full. */
export function simulationText(report: AnonymityReport, colours: Colours): string {
  const titled = (title: string, text: string) => `\n${colours.bold(title)}\n${text}`;
  const { latencyMilliseconds, mostEntropyBits, options } = report.network;
  return [
    headline(report, colours),
    titled(`Latency of ${latencyMilliseconds.count} messages`, latencyTable(report, colours)),
    titled(
      `Sender anonymity of a message, against a watcher of all links (at most ${figure(mostEntropyBits, 2)} bits)`,
      anonymityTable(report, colours),
    ),
    titled('An (n-1) attack on one mix, told by its loops', alarmText(report, colours)),
    titled('Fit (p: how often a sound one is as bad; below 0.001 something is wrong)', fitTable(report, colours)),
    titled('A client sends', clientText(report)),
    titled('Beside Loopix (USENIX Security 2017)', loopixTable(report, colours)),
    '',
    `The same seed (${options.seed}) gives the same figures. Not modelled: links that take time or lose packets,`,
    'processing, nodes that lie, and a watcher who follows the same two people for long.',
  ].join('\n');
}

function headline({ network: { options } }: AnonymityReport, colours: Colours): string {
  const { clients, gateways, layers, mixesPerLayer, rates, delay, seconds, warmUpSeconds } = options;
  const { messagesPerSecond, loopsPerSecond, attackAtSeconds, seed } = options;
  const streams = `${rates.payload} payload, ${rates.loop} loop, ${rates.drop} drop`;
  return renderFields(
    [
      ['network', `${clients} users, ${gateways} gateways, ${layers} layers of ${mixesPerLayer} mixes`],
      ['a user, per second', `${streams}; has ${messagesPerSecond} messages to send`],
      ['a hop', `holds a packet for ${delay.meanMilliseconds} ms in the mean, ${delay.capMilliseconds} ms at most`],
      ['a mix, per second', `${loopsPerSecond} loops`],
      ['attack', attackAtSeconds === null ? 'none' : `all is kept from a mix of layer 1 from ${attackAtSeconds} s on`],
      ['simulated', `${seconds - warmUpSeconds} s, after ${warmUpSeconds} s to fill; seed ${seed}`],
    ],
    colours,
  );
}

function latencyTable({ network }: AnonymityReport, colours: Colours): string {
  const row = (name: string, { least, mean, p50, p90, p99, most }: Distribution) => [
    name,
    ...[least, mean, p50, p90, p99, most].map((value) => figure(value, 1)),
  ];
  return renderTable(
    ['milliseconds', 'least', 'mean', 'p50', 'p90', 'p99', 'most'],
    [
      row('drawn delays', network.drawnMilliseconds),
      row('achieved', network.latencyMilliseconds),
      row('before: wait for a slot', network.waitMilliseconds),
    ],
    colours,
  );
}

function anonymityTable({ network, effectiveSenders }: AnonymityReport, colours: Colours): string {
  const { entropyBits, options } = network;
  return renderTable(
    ['', 'least', 'mean', 'most possible'],
    [
      ['bits', figure(entropyBits.least, 2), figure(entropyBits.mean, 2), figure(network.mostEntropyBits, 2)],
      [
        'equally likely senders',
        figure(effectiveSenders.least, 1),
        figure(effectiveSenders.mean, 1),
        String(options.clients),
      ],
    ],
    colours,
  );
}

function alarmText({ alarm, network }: AnonymityReport, colours: Colours): string {
  const { attack, messagesBlocked } = network;
  const after = (value: number | null) => (value === null ? 'not noticed' : `after ${figure(value / 1000, 1)} s`);
  const inNetwork =
    attack === null
      ? []
      : [
          `in the network above: degraded ${after(attack.degradedAfterMilliseconds)}, alarm ${after(attack.alarmAfterMilliseconds)}; ${messagesBlocked} messages were kept back`,
        ];
  return [...trialLines(alarm, colours), ...inNetwork].join('\n');
}

function trialLines(alarm: AnonymityReport['alarm'], colours: Colours): string[] {
  if (alarm.attacks === 0) return ['no trials were asked for'];
  const row = (name: string, { count, mean, p50, p99, most }: Distribution) => [
    name,
    `${count} of ${alarm.attacks}`,
    ...[mean, p50, p99, most].map((value) => figure(value / 1000, 1)),
  ];
  return [
    renderTable(
      ['seconds until', 'noticed', 'mean', 'p50', 'p99', 'most'],
      [row('degraded', alarm.degradedMilliseconds), row('alarm', alarm.alarmMilliseconds)],
      colours,
    ),
    alarm.passedShare === 0
      ? 'the attacker keeps everything back'
      : `the attacker lets ${alarm.passedShare} of all packets through, and then picks the right one with chance ${figure(alarm.pickChance, 4)}`,
    `falsely: degraded ${alarm.falselyDegraded} times and alarm ${alarm.falseAlarms} times in ${figure(alarm.peaceHours, 1)} hours of one mix that loses ${alarm.lostShare} of its loops`,
  ];
}

function fitTable({ network: { fits } }: AnonymityReport, colours: Colours): string {
  const rows = [
    ['delays: truncated exponential in whole ms', fits.delays] as const,
    ...Object.entries(fits.gaps).map(([stream, fit]) => [`gaps of ${stream} streams: exponential`, fit] as const),
  ];
  return renderTable(
    ['', 'count', 'chi-squared', 'freedom', 'p'],
    rows.map(([name, fit]) =>
      fit === null
        ? [name, 'too few', '-', '-', '-']
        : [name, String(fit.count), figure(fit.value, 1), String(fit.freedom), figure(fit.probability, 3)],
    ),
    colours,
  );
}

function clientText({ client }: AnonymityReport): string {
  const { packetBytes, bytesPerHour, coverBytesPerHour, coverShare } = client;
  const share = figure(coverShare * 100, 0, ' %');
  return `${megabytes(bytesPerHour)} MB an hour in packets of ${packetBytes} bytes, of which ${megabytes(coverBytesPerHour)} MB (${share}) are cover`;
}

function megabytes(bytes: number): string {
  return figure(bytes / 1e6, 1);
}

function loopixTable(report: AnonymityReport, colours: Colours): string {
  return renderTable(['figure', 'here', 'Loopix', 'setting, section, and what differs'], loopixRows(report), colours);
}

/** Several networks, a row each. */
export function sweepText(reports: readonly AnonymityReport[], colours: Colours): string {
  const rows = reports.map((report) => {
    const { network, alarm, client, effectiveSenders, rateTimesDelay } = report;
    const { options, latencyMilliseconds, entropyBits, fits } = network;
    const ps = [fits.delays, ...Object.values(fits.gaps)].flatMap((fit) => (fit === null ? [] : [fit.probability]));
    return [
      String(options.clients),
      `${options.delay.meanMilliseconds} ms`,
      [options.rates.payload, options.rates.loop, options.rates.drop].join('/'),
      figure(rateTimesDelay, 2),
      figure(latencyMilliseconds.mean, 0, ' ms'),
      figure(latencyMilliseconds.p99, 0, ' ms'),
      `${figure(entropyBits.mean, 2)} of ${figure(network.mostEntropyBits, 2)}`,
      figure(entropyBits.least, 2),
      figure(effectiveSenders.mean, 1),
      figure(alarm.alarmMilliseconds.mean / 1000, 1, ' s'),
      figure(alarm.alarmMilliseconds.p99 / 1000, 1, ' s'),
      `${alarm.falselyDegraded}/${alarm.falseAlarms}`,
      ps.length === 0 ? '-' : figure(Math.min(...ps), 3),
      megabytes(client.bytesPerHour),
    ];
  });
  const head = ['users', 'delay', 'rates', 'rate x delay', 'latency', 'p99', 'bits', 'least', 'senders'];
  return [
    renderTable([...head, 'alarm', 'p99', 'false', 'least p', 'MB/h'], rows, colours),
    '',
    'rates: payload/loop/drop packets a second of a user; rate x delay: their sum times the mean delay of a hop;',
    'senders: 2^bits; alarm: after an (n-1) attack began; false: degraded/alarm in peace; least p: of all tests of fit.',
  ].join('\n');
}
