/**
 * Whether a validator is there: of the last slots, a share has to be answered. What a slot is, and what an answer, the
 * coordinator decides (a heartbeat, a challenge); an absence that was announced is `excused` and counts as no slot.
 *
 *     active --(a whole window, too much of it missed)--> jailed: no leases, no rewards; the window begins anew
 *     jailed --(unjail: by its owner, after its time, with no slash held)--> active
 *     jailed --(posted slashes: as many as tombstone)--> tombstoned, for ever
 *
 * Absence costs no stake: what is not there proves nothing.
 */
import { FogError } from '@fog/contract';
import { portionOf } from '../amounts.ts';
import { validatorOf } from './checks.ts';
import type { EventOf, Outcome } from './events.ts';
import type { StakingParameters } from './parameters.ts';
import type { Liveness } from './rows.ts';
import type { Rows } from './state.ts';

export const LIVENESS_SLOTS = ['answered', 'missed', 'excused'] as const;
export type LivenessSlot = (typeof LIVENESS_SLOTS)[number];

type Window = Pick<StakingParameters, 'livenessSlots' | 'livenessAnsweredPpm'>;

/** The window after one more slot, and whether too much of it was missed. Slots that must be answered are rounded down. */
export function slideWindow(
  before: Liveness,
  slot: LivenessSlot,
  { livenessSlots, livenessAnsweredPpm }: Window,
): { liveness: Liveness; isOut: boolean } {
  if (slot === 'excused') return { liveness: before, isOut: false };
  const missed = BigInt.asUintN(livenessSlots, (before.missed << 1n) | (slot === 'missed' ? 1n : 0n));
  const slots = Math.min(before.slots + 1, livenessSlots);
  const most = livenessSlots - Number(portionOf(BigInt(livenessSlots), livenessAnsweredPpm));
  const isOut = slots === livenessSlots && bitsOf(missed) > most;
  return { liveness: { ...before, missed, slots }, isOut };
}

function bitsOf(value: bigint): number {
  let bits = 0;
  for (const digit of value.toString(16)) {
    for (let nibble = Number.parseInt(digit, 16); nibble > 0; nibble &= nibble - 1) bits += 1;
  }
  return bits;
}

/** Slots of a validator that is jailed count for nothing. */
export function takeSlot(rows: Rows, event: EventOf<'slot'>, now: number, parameters: StakingParameters): Outcome {
  const validator = validatorOf(rows, event.validator);
  if (!LIVENESS_SLOTS.includes(event.slot)) {
    throw new FogError('invalid-request', `a slot is ${LIVENESS_SLOTS.join(', ')}; not "${event.slot}"`);
  }
  if (validator.status !== 'active') return {};
  const before = rows.get('liveness', event.validator) ?? { validator: event.validator, missed: 0n, slots: 0 };
  const { liveness, isOut } = slideWindow(before, event.slot, parameters);
  if (!isOut) {
    if (liveness !== before) rows.put('liveness', liveness);
    return {};
  }
  rows.put('liveness', { validator: event.validator, missed: 0n, slots: 0 });
  const until = now + parameters.jailMilliseconds;
  rows.put('validators', { ...validator, status: 'jailed', jailedUntil: Math.max(validator.jailedUntil, until) });
  return { facts: [{ kind: 'jailed', validator: event.validator, until, because: 'liveness' }] };
}

/** Throws `conflict` with the reason why it stays. */
export function unjail(rows: Rows, event: EventOf<'unjail'>, now: number): Outcome {
  const validator = validatorOf(rows, event.validator);
  const { status, heldSlashes, jailedUntil } = validator;
  const why =
    status === 'tombstoned'
      ? 'it was put out for its faults, for ever'
      : status === 'active'
        ? 'it is not jailed'
        : heldSlashes > 0
          ? 'a slash of it is held'
          : now < jailedUntil
            ? `it is jailed until ${jailedUntil}`
            : null;
  if (why !== null) {
    throw new FogError('conflict', `${event.validator} cannot be unjailed: ${why}`, {
      details: { validator: event.validator, status, heldSlashes, jailedUntil },
    });
  }
  rows.put('validators', { ...validator, status: 'active' });
  return { facts: [{ kind: 'unjailed', validator: event.validator }] };
}
