/** Pings for people. */
import type { Ping } from '../mix/ping.ts';
import type { Colours } from '../terminal.ts';
import { millisecondsText, placeText, shortId } from './mix-text.ts';
import { renderTable } from './table.ts';

/** One answer: the round trip, and a line for each hop where hops are known. */
export function pingText({ number, roundTripMilliseconds, waitMilliseconds, hops }: Ping, colours: Colours): string {
  const head = `${colours.bold(`answer ${number}`)}  round trip ${millisecondsText(roundTripMilliseconds)}`;
  if (hops.length === 0) return head;
  const rows = hops.map((hop) => [
    hop.way,
    placeText(hop),
    shortId(hop.node),
    `${hop.drawnMilliseconds} ms`,
    hop.measuredMilliseconds === null ? 'unavailable' : millisecondsText(hop.measuredMilliseconds),
  ]);
  const wait = waitMilliseconds === null ? 'unavailable' : millisecondsText(waitMilliseconds);
  return [
    head,
    renderTable(
      ['way', 'hop', 'id', 'drawn delay', 'measured'],
      [['', 'wait for a slot', '', '', wait], ...rows],
      colours,
    ),
  ].join('\n');
}

export function pingSummaryText(answered: readonly Ping[], sent: number): string {
  const times = answered.map(({ roundTripMilliseconds }) => roundTripMilliseconds);
  const counts = `${answered.length} of ${sent} answered`;
  if (times.length === 0) return counts;
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  const of = (milliseconds: number) => millisecondsText(milliseconds);
  return `${counts}; round trip least ${of(Math.min(...times))}, mean ${of(mean)}, most ${of(Math.max(...times))}`;
}
