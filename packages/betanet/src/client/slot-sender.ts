/**
 * Sends a client's packets in the slots of its streams: what was prepared for a slot leaves in it, whatever it is. A slot
 * for which there is no path stays empty, as it does for everybody then; any other error is its owner's.
 */
import type { SendResult } from '@fog/transport';
import type { ClientStreams, SendEvent } from '../mixing/cover-streams.ts';
import type { RandomNumbers } from '../mixing/random-numbers.ts';
import type { SendingPlan } from '../mixing/sending-plan.ts';
import type { LoopWatch } from './loop-watch.ts';
import { isWithoutPath } from './path-selection.ts';
import { type PacketSource, PreparedPackets } from './prepared-packets.ts';

export interface SlotSenderOptions {
  streams: ClientStreams;
  random: RandomNumbers;
  loops?: LoopWatch | undefined;
}

export class SlotSender {
  readonly counters = { sent: 0, loopsSent: 0, withoutPath: 0 };
  readonly #options: SlotSenderOptions;
  readonly #prepared = new PreparedPackets();

  constructor(options: SlotSenderOptions) {
    this.#options = options;
  }

  get plan(): SendingPlan {
    return this.#options.streams.plan;
  }

  /** When the next slot is, by `performance.now()`. */
  get nextAtMilliseconds(): number {
    return this.#options.streams.nextAtMilliseconds;
  }

  /** Makes what is missing for the next slots. */
  prepare(core: PacketSource): void {
    // Of two clocks: slots are of the one that nobody sets.
    const offset = Date.now() - performance.now();
    const { streams } = this.#options;
    this.#prepared.prepare(core, (stream) => Math.round(streams.nextOf(stream) + offset), Date.now());
  }

  /** Hands to `send` what is due. */
  sendDue(core: PacketSource, send: (packet: Uint8Array) => SendResult): void {
    const { streams, random } = this.#options;
    for (const event of streams.next(performance.now(), random, 0)) this.#send(core, event, send);
  }

  /** Forgets what is prepared: it leads from a gateway that is not the client's any more. */
  clear(): void {
    this.#prepared.clear();
  }

  #send(core: PacketSource, { stream }: SendEvent, send: (packet: Uint8Array) => SendResult): void {
    const { loops } = this.#options;
    try {
      const { packet, token, relays } = this.#prepared.take(core, stream, Date.now());
      const fate = send(packet);
      if (token !== null) {
        if (fate === 'sent') loops?.sent(token, relays);
        else if (fate === 'full') loops?.refused(relays[0] as string, 1);
        this.counters.loopsSent += 1;
      }
      this.counters.sent += 1;
    } catch (error) {
      if (!isWithoutPath(error)) throw error;
      this.counters.withoutPath += 1;
    }
  }
}
