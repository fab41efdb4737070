import type { Claims } from './claiming.ts';
import type { Hold } from './holds.ts';
import type { DispatcherInput, HelloInput, HelloOutcome } from './inputs.ts';
import type { Heard } from './outdated-inputs.ts';
import type { LeaseWait } from './queueing/service-waits.ts';
import type { AgentSession } from './sessions.ts';
import type { Turn } from './turn.ts';

/** What a committed turn has to do outside of the database. */
export interface TurnResult {
  turn: Turn;
  /** When it was decided. */
  at: number;
  /** The inputs that were not outdated. */
  live: DispatcherInput[];
  claims: Claims;
  /** Tasks that were given up before any node took them. */
  expired: LeaseWait[];
  /** Sessions whose entries are durable. Those not named are connected elsewhere by now. */
  heard: Map<AgentSession, Heard>;
  hellos: { input: HelloInput; outcome: HelloOutcome }[];
  /** Kept for tasks that move. */
  rooms: Hold[];
  streams: string[];
  verdicts: string[];
}
