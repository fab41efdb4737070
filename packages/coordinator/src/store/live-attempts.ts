/** Conditions on `attempts` that its partial index serves: SQLite uses it only where it sees the index's own list. */
import { sql } from 'kysely';

/** States in which the node may still deliver, even if it was given up. */
export const LIVE_STATES = `('leased', 'preparing', 'running', 'suspended', 'uploading', 'committed', 'lost')`;

/** To which something can still happen: results of verified tasks may be judged, and judged anew. */
export const OPEN_STATES = LIVE_STATES.replace(')', ", 'revealed', 'valid', 'confirmed')");

export const IS_LIVE = sql<boolean>`attempts.state IN ${sql.raw(LIVE_STATES)}`;

/** The node is believed to be at it. */
export const IS_HELD = sql<boolean>`(${IS_LIVE} AND attempts.state <> 'lost')`;
