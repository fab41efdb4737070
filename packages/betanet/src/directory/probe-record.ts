/**
 * What an authority keeps of its probe loops, by the round in which they ended, and what it says of relays by them.
 *
 *     loop ended --> its round's part --next rounds--> weighs half as much each time --`probeRounds`--> forgotten
 *
 * A loop that came back tells the same of each relay on its path, so it is added to their counts. Of one that was lost
 * the path is kept. A relay that was put out gets no new probes: it stays out until the rounds are forgotten in which
 * it failed.
 */
import { z } from 'zod';
import { deliveryRates } from './delivery-rates.ts';
import { bytes32Schema, epochSchema } from './fields.ts';
import { DIRECTORY_LIMITS } from './limits.ts';

const countSchema = z.int().min(0);

const roundProbesSchema = z.strictObject({
  epoch: epochSchema,
  relays: z.array(bytes32Schema),
  /** Loops through each of the relays that came back, in the same order. */
  returned: z.array(countSchema),
  /** Paths of those that did not, as places in `relays`. */
  lost: z.array(z.array(countSchema)),
});
type RoundProbes = z.infer<typeof roundProbesSchema>;

/** The oldest round first. */
export const probeRecordSchema = z.array(roundProbesSchema);
export type ProbeRecord = readonly RoundProbes[];

/** A probe loop of which the fate is known. */
export interface ProbedLoop {
  /** Ids on its path, hex, each once; the gateway alone, when that did not take it. */
  relays: readonly string[];
  isReturned: boolean;
}

/** Once a round has `lostProbes`, nothing more of it is kept: what came back alone would say that all is well. */
export function withLoops(record: ProbeRecord, epoch: number, loops: readonly ProbedLoop[]): ProbeRecord {
  const before = record.find((round) => round.epoch === epoch);
  const relays = [...(before?.relays ?? [])];
  const returned = [...(before?.returned ?? [])];
  const lost = [...(before?.lost ?? [])];
  const places = new Map(relays.map((id, place) => [id, place]));
  const placeOf = (id: string): number => {
    const place = places.get(id) ?? relays.length;
    if (place === relays.length) {
      places.set(id, place);
      relays.push(id);
      returned.push(0);
    }
    return place;
  };
  for (const loop of loops) {
    if (lost.length >= DIRECTORY_LIMITS.lostProbes) break;
    const path = loop.relays.map(placeOf);
    if (loop.isReturned) for (const place of path) returned[place] = (returned[place] as number) + 1;
    else lost.push(path);
  }
  return [...record.filter((round) => round !== before), { epoch, relays, returned, lost }];
}

/** Without what is too old in the round for `epoch`. */
export function recentProbes(record: ProbeRecord, epoch: number): ProbeRecord {
  return record.filter((round) => round.epoch > epoch - DIRECTORY_LIMITS.probeRounds);
}

/**
 * By relay, the loops through it that have ended, and how many would have come back if all else on their paths had let
 * them pass. `epoch`: of the present round.
 */
export function measuredRelays(record: ProbeRecord, epoch: number): Map<string, { sent: number; returned: number }> {
  const sent = new Map<string, number>();
  const returned = new Map<string, number>();
  const lost: { relays: string[]; weight: number }[] = [];
  const add = (to: Map<string, number>, id: string, amount: number) => to.set(id, (to.get(id) ?? 0) + amount);
  for (const round of record) {
    const weight = 0.5 ** Math.max(0, epoch - round.epoch);
    for (const [place, id] of round.relays.entries()) {
      const count = round.returned[place] ?? 0;
      add(sent, id, count);
      add(returned, id, count * weight);
    }
    for (const path of round.lost) {
      const relays = path.flatMap((place) => round.relays[place] ?? []);
      for (const id of relays) add(sent, id, 1);
      lost.push({ relays, weight });
    }
  }
  const rates = deliveryRates({ returned, lost });
  return new Map(
    [...sent].map(([id, count]) => [id, { sent: count, returned: Math.round(count * (rates.get(id) ?? 1)) }]),
  );
}
