/**
 * The packets for the next slots of a client's streams, made before their time. To make one takes longer where there is
 * something to say; a slot must not show that, so it does nothing but send what is here.
 *
 *     nothing --prepared--> cover --something to say has come--> payload --its slot--> nothing
 *                             '----------------its slot-----------------------------> nothing
 */
import { MIXING_LIMITS } from '../mixing/limits.ts';
import { STREAM_NAMES, type StreamName } from '../mixing/sending-plan.ts';
import type { MixClientCore } from './mix-client-core.ts';
import { isWithoutPath } from './path-selection.ts';

export interface PreparedPacket {
  packet: Uint8Array;
  carries: 'payload' | 'cover';
  /** Of a loop. */
  token: string | null;
  relays: string[];
  /** When its slot is: keys and delays were chosen for that. */
  leavesAt: number;
}

/** Of a client's core, what makes packets. */
export type PacketSource = Pick<MixClientCore, 'slot' | 'loop' | 'drop' | 'held'>;

export class PreparedPackets {
  readonly #packets = new Map<StreamName, PreparedPacket>();

  /**
   * Makes what is missing, or has missed its slot, or is cover where something waits. `leavesAt` tells when the next slot
   * of a stream is, in milliseconds since 1970. A packet for which there is no path stays missing.
   */
  prepare(core: PacketSource, leavesAt: (stream: StreamName) => number, now: number): void {
    for (const stream of STREAM_NAMES) {
      const prepared = this.#fresh(stream, now);
      const hasMore = stream === 'payload' && core.held.queuedPackets > 0 && prepared?.carries === 'cover';
      const at = leavesAt(stream);
      if ((prepared !== null && !hasMore) || !Number.isFinite(at)) continue;
      try {
        this.#packets.set(stream, makePacket(core, stream, at));
      } catch (error) {
        this.#packets.delete(stream);
        if (!isWithoutPath(error)) throw error;
      }
    }
  }

  /** For a slot that is now. Made at once if there is none, as after a pause of the machine. Throws `unavailable`. */
  take(core: PacketSource, stream: StreamName, now: number): PreparedPacket {
    const prepared = this.#fresh(stream, now);
    this.#packets.delete(stream);
    return prepared ?? makePacket(core, stream, now);
  }

  /** They lead from a gateway that is not the client's any more. What was payload is sent again when it is missed. */
  clear(): void {
    this.#packets.clear();
  }

  #fresh(stream: StreamName, now: number): PreparedPacket | null {
    const prepared = this.#packets.get(stream);
    return prepared === undefined || now > prepared.leavesAt + MIXING_LIMITS.catchUpMilliseconds ? null : prepared;
  }
}

function makePacket(core: PacketSource, stream: StreamName, leavesAt: number): PreparedPacket {
  const rest = { token: null, relays: [], leavesAt };
  switch (stream) {
    case 'payload':
      return { ...rest, ...core.slot(leavesAt) };
    case 'drop':
      return { ...rest, packet: core.drop(leavesAt), carries: 'cover' };
    case 'loop': {
      const { packet, token, relays } = core.loop(leavesAt);
      return { packet, carries: 'cover', token, relays, leavesAt };
    }
  }
}
