/**
 * Hints between the coordinators of one database: "there may be work of this class", "this stream grew", "stop this".
 * A lost hint costs time, never correctness: what it says stands in the database, and is looked for now and then.
 */
import { EventEmitter } from 'node:events';
import type { AttemptName, DepartureReason } from '@fog/contract';
import pg from 'pg';

export type Hint =
  | { kind: 'streams'; ids: string[] }
  | { kind: 'queue'; classIds: string[] }
  | { kind: 'stop'; job: string }
  | { kind: 'suspension'; job: string }
  /** Committed results of this job are asked for. */
  | { kind: 'reveal'; job: string }
  /** This attempt, which is on this node, is to give up its place. */
  | { kind: 'departure'; node: string; name: AttemptName; reason: DepartureReason; target: string | null }
  | { kind: 'node'; node: string }
  /** A result of one of its nodes was found wrong. */
  | { kind: 'owner'; owner: string };

export interface Bus {
  publish(hint: Hint): void;
  /** Calls back for hints of all coordinators, this one included. */
  subscribe(listener: (hint: Hint) => void): () => void;
  /** How many other coordinators live; to nobody nothing is sent. */
  setPeers(peers: number): void;
  close(): Promise<void>;
}

export function localBus(): Bus {
  const emitter = new EventEmitter().setMaxListeners(0);
  return {
    publish: (hint) => void emitter.emit('hint', hint),
    subscribe(listener) {
      emitter.on('hint', listener);
      return () => void emitter.off('hint', listener);
    },
    setPeers: () => undefined,
    async close() {
      emitter.removeAllListeners();
    },
  };
}

const CHANNEL = 'fog_hints';
/** A NOTIFY payload ends at 8000 bytes. */
const IDS_PER_HINT = 200;
const RECONNECT_MILLISECONDS = 1000;

/** LISTEN/NOTIFY. Own hints are delivered at once, without the round trip. */
export async function postgresBus(url: string, coordinatorId: string): Promise<Bus> {
  const local = localBus();
  let closed = false;
  let peers = 0;
  let isReconnecting = false;
  let sending: Promise<unknown> = Promise.resolve();
  let client = await connect();

  async function connect(): Promise<pg.Client> {
    const fresh = new pg.Client({ connectionString: url });
    fresh.on('notification', ({ payload }) => receive(payload));
    fresh.on('error', () => reconnect(fresh));
    fresh.on('end', () => reconnect(fresh));
    await fresh.connect();
    await fresh.query(`LISTEN ${CHANNEL}`);
    return fresh;
  }

  function reconnect(broken: pg.Client): void {
    // A broken connection tells of it twice, as an error and as its end.
    if (closed || broken !== client || isReconnecting) return;
    isReconnecting = true;
    setTimeout(() => {
      connect().then(
        (fresh) => {
          isReconnecting = false;
          if (closed) void fresh.end();
          else client = fresh;
        },
        () => {
          isReconnecting = false;
          reconnect(broken);
        },
      );
    }, RECONNECT_MILLISECONDS).unref();
  }

  function receive(payload: string | undefined): void {
    const message = parseHint(payload);
    if (message !== null && message.from !== coordinatorId) local.publish(message.hint);
  }

  return {
    publish(hint) {
      local.publish(hint);
      if (peers === 0) return;
      for (const part of split(hint)) {
        const payload = JSON.stringify({ from: coordinatorId, hint: part });
        sending = sending
          .then(() => client.query('SELECT pg_notify($1, $2)', [CHANNEL, payload]))
          .catch(() => undefined);
      }
    },
    subscribe: local.subscribe,
    setPeers(count) {
      peers = count;
    },
    async close() {
      closed = true;
      await local.close();
      await client.end();
    },
  };
}

/** Anybody with access to the database can write into the channel. */
function parseHint(payload: string | undefined): { from: string; hint: Hint } | null {
  try {
    const message = JSON.parse(payload ?? '') as { from?: unknown; hint?: { kind?: unknown } };
    const isHint = typeof message.from === 'string' && typeof message.hint?.kind === 'string';
    return isHint ? (message as { from: string; hint: Hint }) : null;
  } catch {
    return null;
  }
}

function* split(hint: Hint): Generator<Hint> {
  const ids = hint.kind === 'streams' ? hint.ids : hint.kind === 'queue' ? hint.classIds : null;
  if (ids === null) yield hint;
  for (let start = 0; ids !== null && start < ids.length; start += IDS_PER_HINT) {
    const part = ids.slice(start, start + IDS_PER_HINT);
    yield hint.kind === 'queue' ? { kind: 'queue', classIds: part } : { kind: 'streams', ids: part };
  }
}
