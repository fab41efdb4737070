/** Keeps what placement knows of owners in step with what other coordinators have found out. */
import type { Bus } from '../bus.ts';
import { PLACEMENT_LIMITS } from '../limits.ts';
import type { Database } from '../store/database.ts';
import { readOwners } from '../store/reputation-rows.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Sweep } from './sweeps.ts';

/** Listens to hints, and looks at all owners of connected nodes now and then, since hints get lost. */
export function followOwners({
  database,
  dispatcher,
  bus,
}: {
  database: Database;
  dispatcher: Dispatcher;
  bus: Bus;
}): Sweep {
  const { placer } = dispatcher.sessions;
  const look = async (owners: Iterable<string>) => {
    for (const owner of (await readOwners(database.read, owners)).values()) placer.setOwner(owner);
  };
  bus.subscribe((hint) => {
    // What fails here is found by the next look.
    if (hint.kind === 'owner' && placer.owners.has(hint.owner)) look([hint.owner]).catch(() => undefined);
  });
  const { reputationMilliseconds: everyMilliseconds } = PLACEMENT_LIMITS;
  return { name: 'reputations', everyMilliseconds, run: () => look(placer.owners.keys()) };
}
