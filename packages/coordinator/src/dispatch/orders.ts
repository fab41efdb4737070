/** What a committed turn tells agents besides leases: attempts to stop, to suspend, to resume, to leave, results to show. */

import type { Bus } from '../bus.ts';
import { DISPATCH_LIMITS } from '../limits.ts';
import type { Sessions } from './sessions.ts';
import type { Turn } from './turn.ts';
import { type DepartureOrder, type SuspensionOrder, suspensionFrames } from './turn-suspensions.ts';
import { revealFrame } from './verification/reveals.ts';

/** Nodes that another coordinator serves are told by it. */
export function sendOrders(turn: Turn, sessions: Sessions, bus: Pick<Bus, 'publish'>): void {
  sendStops(turn, sessions, bus);
  sendSuspensions(turn.suspensions.orders, sessions, bus);
  sendDepartures(turn.suspensions.departures, sessions, bus);
  sendReveals(turn, sessions, bus);
}

function sendStops(turn: Turn, sessions: Sessions, bus: Pick<Bus, 'publish'>): void {
  const elsewhere = new Set<string>();
  for (const stop of turn.stops) {
    const session = sessions.get(stop.node);
    if (session === undefined) elsewhere.add(stop.attempt.job);
    else
      session.link.send(JSON.stringify({ type: 'stop', attempts: [{ attempt: stop.attempt, reason: stop.reason }] }));
  }
  for (const job of elsewhere) bus.publish({ kind: 'stop', job });
}

export function sendSuspensions(
  orders: readonly SuspensionOrder[],
  sessions: Sessions,
  bus: Pick<Bus, 'publish'>,
): void {
  const elsewhere = new Set<string>();
  for (const { node, frame, jobs } of suspensionFrames(orders)) {
    const session = sessions.get(node);
    if (session !== undefined) session.link.send(frame);
    else for (const job of jobs) elsewhere.add(job);
  }
  for (const job of elsewhere) bus.publish({ kind: 'suspension', job });
}

/** One that does not hear it counts as lost in the end. */
function sendDepartures(departures: readonly DepartureOrder[], sessions: Sessions, bus: Pick<Bus, 'publish'>): void {
  const groups = Map.groupBy(departures, ({ node, reason }) => `${node} ${reason}`);
  for (const group of groups.values()) {
    const { node, reason } = group[0] as DepartureOrder;
    const session = sessions.get(node);
    if (session === undefined) {
      for (const { attempt: name, target } of group) bus.publish({ kind: 'departure', node, name, reason, target });
      continue;
    }
    for (const { attempt, target, until } of group) session.tellToLeave(attempt, { reason, target, until });
    const attempts = group.map(({ attempt }) => attempt);
    const { departureGraceMilliseconds: graceMilliseconds } = DISPATCH_LIMITS;
    session.link.send(JSON.stringify({ type: 'yield', attempts, reason, graceMilliseconds }));
  }
}

/** A question that does not arrive is asked again by a sweep. */
function sendReveals(turn: Turn, sessions: Sessions, bus: Pick<Bus, 'publish'>): void {
  const elsewhere = new Set<string>();
  for (const [node, asked] of Map.groupBy(turn.verification.effects.reveals, (reveal) => reveal.node)) {
    const session = sessions.get(node);
    if (session !== undefined) session.link.send(revealFrame(asked.map(({ attempt }) => attempt)));
    else for (const { attempt } of asked) elsewhere.add(attempt.job);
  }
  for (const job of elsewhere) bus.publish({ kind: 'reveal', job });
}
