/** Places whose owners have the bond that the tasks for them take. */
import type { JobBond } from '../settlement/job-terms.ts';
import { bondOn } from '../settlement/stake/bonds.ts';
import { queueHead } from '../store/claim.ts';
import type { Writer } from '../store/database.ts';
import type { JobCache } from './job-cache.ts';
import type { QueueHead } from './queue-hints.ts';
import type { Portion } from './queueing/portions.ts';
import type { Reservations } from './reservations.ts';
import type { AgentSession } from './sessions.ts';

/**
 * The portion with those of its places whose owners have the bond for its first job, before its tasks are claimed; the
 * others are given back. Owners that the turn does not know yet are looked up, all at once, and where the class stands if
 * that was not known.
 */
export async function coveredPortion(
  writer: Writer,
  portion: Portion,
  { taken, jobs }: { taken: Reservations; jobs: JobCache },
): Promise<Portion> {
  const { bonds } = taken;
  const { placement } = portion.hungry;
  if (bonds === null || placement.requirements.bond === undefined || portion.places.length === 0) return portion;
  const { head, bond } = await headOf(writer, portion, jobs);
  const hungry = { ...portion.hungry, head };
  if (bond === null && portion.bond === null) return { ...portion, hungry };
  taken.placeFor(placement.id, portion.endsBy, portion.bond);
  for (const { session } of portion.places) bonds.count(session.identity, -1);
  taken.placeFor(placement.id, portion.endsBy, bond);
  const asked = portion.places.filter(({ session }) => bondOn(bond, session.identity) > 0n);
  await bonds.load(
    writer,
    asked.map(({ session }) => session.identity.owner),
  );
  const covered = portion.places.filter(({ session }) => {
    const isCovered = bonds.admits(session.identity);
    bonds.count(session.identity, 1);
    return isCovered;
  });
  const kept = new Set(covered);
  for (const place of portion.places) if (!kept.has(place)) taken.giveBack(place.session, placement.requirements);
  // Others may have room for it.
  return { ...portion, hungry, bond, places: covered, isFull: portion.isFull && kept.size === portion.places.length };
}

/**
 * Counts what a task of another job of the class binds in place of what its place was reserved for. False, and nothing
 * has changed, where its owner does not have that.
 */
export async function changesBond(
  writer: Writer,
  { identity }: AgentSession,
  { portion, taken, to }: { portion: Portion; taken: Reservations; to: JobBond | null },
): Promise<boolean> {
  const { bonds } = taken;
  const { bond: from, hungry } = portion;
  const isSame = from?.amount === to?.amount && from?.unbondedLeases === to?.unbondedLeases;
  if (bonds === null || isSame) return true;
  bonds.ask(hungry.placement.id, from);
  bonds.count(identity, -1);
  bonds.ask(hungry.placement.id, to);
  if (bonds.amountOn(identity) > 0n) await bonds.load(writer, [identity.owner]);
  const isCovered = bonds.admits(identity);
  if (!isCovered) bonds.ask(hungry.placement.id, from);
  bonds.count(identity, 1);
  return isCovered;
}

/** The first waiting task of the class, and what it binds. */
async function headOf(
  writer: Writer,
  { hungry: { head, placement }, bond }: Portion,
  jobs: JobCache,
): Promise<{ head: QueueHead; bond: JobBond | null }> {
  const known = head.job === '' ? await queueHead(writer, placement.id) : head;
  if (known === null) return { head, bond };
  await jobs.load(writer, [known.job]);
  return { head: known, bond: jobs.find(known.job)?.bond ?? null };
}
