/**
 * Requests to the echo service, one after another, and what is known of their way. Pure but for the client and whom it
 * asks for times.
 */
import { randomBytes } from 'node:crypto';
import type { Consensus, Journey, JourneyHop, MixClient, PrivacyLevel, TracedTimes } from '@fog/betanet';
import { FogError } from '@fog/contract';
import { CLI_LIMITS } from '../limits.ts';
import type { TraceAnswer, TraceQuestion } from './control.ts';
import { ECHO_SERVICE } from './echo-service.ts';

export interface PingHop {
  way: 'there' | 'back';
  /** Hex. */
  node: string;
  role: string;
  layer: number | null;
  /** How long the packet asked to be held. */
  drawnMilliseconds: number;
  /** From its arrival to its departure, as the node measured it. */
  measuredMilliseconds: number | null;
}

export interface Ping {
  number: number;
  roundTripMilliseconds: number;
  /** Until the packet that carried the request came to the gateway: most of it is the wait for a slot of the stream. */
  waitMilliseconds: number | null;
  hops: PingHop[];
}

export type AskTimes = (question: TraceQuestion) => Promise<TraceAnswer>;

export interface PingDependencies {
  client: Pick<MixClient, 'traced' | 'consensus'>;
  level: PrivacyLevel;
  /** Null where nobody keeps times of single packets. */
  askTimes: AskTimes | null;
}

/** Rejects with what the request fails of. */
export async function pingOnce(number: number, { client, level, askTimes }: PingDependencies): Promise<Ping> {
  const bytes = randomBytes(CLI_LIMITS.pingBytes);
  const startedAt = performance.now();
  const startedAtMilliseconds = performance.timeOrigin + startedAt;
  const answerWithinMilliseconds = CLI_LIMITS.pingMilliseconds;
  const answer = await client.traced({ service: ECHO_SERVICE, bytes, level, answerWithinMilliseconds });
  const roundTripMilliseconds = performance.now() - startedAt;
  if (!bytes.equals(answer.bytes)) throw new FogError('protocol-violation', 'the echo is not what was sent');
  const { journey } = answer;
  const consensus = client.consensus;
  if (journey === null || consensus === null) {
    return { number, roundTripMilliseconds, waitMilliseconds: null, hops: [] };
  }
  const traced = await tracedJourney(journey, askTimes);
  const arrivedAt = traced.there[0]?.arrivedAt;
  return {
    number,
    roundTripMilliseconds,
    waitMilliseconds: arrivedAt === undefined ? null : arrivedAt - startedAtMilliseconds,
    hops: [...hopsOf('there', traced.there, consensus), ...hopsOf('back', traced.back, consensus)],
  };
}

interface TracedHop extends JourneyHop {
  arrivedAt: number | undefined;
  leftAt: number | undefined;
}

/** Of several packets for one message the one that was at the service first counts: by it the request was answered. */
async function tracedJourney(
  { there, back }: Journey,
  askTimes: AskTimes | null,
): Promise<{ there: TracedHop[]; back: TracedHop[] }> {
  const packets = await Promise.all(there.map((hops) => tracedHops(hops, askTimes)));
  const arrival = (hops: readonly TracedHop[]) => hops.at(-1)?.arrivedAt ?? Number.POSITIVE_INFINITY;
  const first = packets.toSorted((a, b) => arrival(a) - arrival(b))[0] ?? [];
  return { there: first, back: await tracedHops(back, askTimes) };
}

async function tracedHops(hops: readonly JourneyHop[], askTimes: AskTimes | null): Promise<TracedHop[]> {
  if (askTimes === null) return hops.map((hop) => ({ ...hop, arrivedAt: undefined, leftAt: undefined }));
  // A packet leaves a node with the element that the next one finds; at the last hop it is delivered with its own.
  const arrivals = hops.map(({ node, hash }) => [node, hash] as const);
  const departures = hops.map(({ node, hash }, index) => [node, hops[index + 1]?.hash ?? hash] as const);
  const times = await askTimes([...arrivals, ...departures]);
  return hops.map((hop, index) => ({
    ...hop,
    arrivedAt: times[index]?.arrivedAt,
    leftAt: times[hops.length + index]?.leftAt,
  }));
}

function hopsOf(way: PingHop['way'], hops: readonly TracedHop[], { body }: Consensus): PingHop[] {
  return hops.map(({ node, delayMilliseconds, arrivedAt, leftAt }: TracedHop): PingHop => {
    const listed = body.nodes.find(({ id }) => id === node);
    return {
      way,
      node,
      role: listed?.role ?? 'node',
      layer: listed?.layer ?? null,
      drawnMilliseconds: delayMilliseconds,
      measuredMilliseconds: spanOf({ arrivedAt, leftAt }),
    };
  });
}

function spanOf({ arrivedAt, leftAt }: { [Key in keyof TracedTimes]: number | undefined }): number | null {
  return arrivedAt === undefined || leftAt === undefined ? null : leftAt - arrivedAt;
}
