/** What a committed turn tells agents besides leases: attempts to stop, to suspend, to resume, results to show. */
import type { Bus } from '../bus.ts';
import type { Sessions } from './sessions.ts';
import type { Turn } from './turn.ts';
import { type SuspensionOrder, suspensionFrames } from './turn-suspensions.ts';
import { revealFrame } from './verification/reveals.ts';

/** Nodes that another coordinator serves are told by it. */
export function sendOrders(turn: Turn, sessions: Sessions, bus: Pick<Bus, 'publish'>): void {
  sendStops(turn, sessions, bus);
  sendSuspensions(turn.suspensions.orders, sessions, bus);
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
