/**
 * The services of one service node: programs that register a name, receive messages and answer them without knowing
 * who asked.
 *
 *     idle --the first service registers--> sending in slots --disposed of--> closed
 *                                                 '--it cannot send or keep time any more--> stopped; says why
 *
 * What goes out leaves in the slots of one Poisson stream, which begins with the first service and never depends on what
 * waits: a slot without an answer or acknowledgement carries cover (service-cover.ts). Services take turns.
 */
import { randomFillSync } from 'node:crypto';
import { FogError } from '@fog/contract';
import { chooseBackend, geometryOf, nodePrimitives, readOutcome } from '@fog/sphinx';
import type { Genesis } from '../directory/genesis.ts';
import { ClientStreams } from '../mixing/cover-streams.ts';
import { drawDelayMilliseconds } from '../mixing/exponential.ts';
import { RandomNumbers } from '../mixing/random-numbers.ts';
import type { SendingPlan } from '../mixing/sending-plan.ts';
import { CLIENT_LIMITS } from './limits.ts';
import type { NetworkView } from './network-view.ts';
import { isWithoutPath } from './path-selection.ts';
import { clientRoundTripMilliseconds } from './round-trip.ts';
import { type ReplyPacket, ServiceCore, type ServiceEffect } from './service-core.ts';
import { coverBlock, type ServiceCoverDependencies } from './service-cover.ts';
import { coverRecipient, serviceRecipient } from './service-messages.ts';
import { deliveryOf, sphinxPackets } from './sphinx-packets.ts';

/** Answers a message. What it throws, or rejects with, is told to nobody: the sender hears nothing. */
export type ServiceHandler = (bytes: Uint8Array, sender: string) => Uint8Array | null | Promise<Uint8Array | null>;

/** Of a `MixNode`, what a host needs. */
export interface ServiceNode {
  /** Hex. */
  readonly id: string;
  /** Of the present epoch. */
  readonly view: NetworkView | null;
  /** Makes a packet of the reply block and lets it go. */
  sendReply(block: Uint8Array, payload: Uint8Array, delayMilliseconds: number): void;
}

export interface ServiceHostOptions {
  genesis: Genesis;
  /** Null until it has started: nothing is sent before. */
  node(): ServiceNode | null;
  /** A service threw; the others are not touched by that. */
  failed(service: string, error: unknown): void;
  /** The host itself cannot go on, and has stopped. */
  stopped(error: FogError): void;
  /** Of the stream in which answers leave, as the mean of a Poisson process. Default: `CLIENT_LIMITS.serviceSlotsPerSecond`. */
  slotsPerSecond?: number;
  /** What all slots may cost in an hour; the rate is lowered for it. Default: `CLIENT_LIMITS.serviceBytesPerHour`. */
  bytesPerHour?: number | null;
}

interface Service {
  name: string;
  core: ServiceCore;
  handler: ServiceHandler;
}

export class ServiceHost implements Disposable {
  readonly #options: ServiceHostOptions;
  /** The one whose turn it is first. */
  readonly #services = new Map<string, Service>();
  readonly #coverRecipient = coverRecipient().toHex();
  readonly #random = new RandomNumbers(randomFillSync);
  readonly #dependencies: ServiceCoverDependencies;
  readonly #streams: ClientStreams;
  /** For the next slot; null when there is no path. */
  #cover: Uint8Array | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isStopped = false;
  /** Slots so far; `empty` are those in which no packet could be made, cover or other. */
  readonly slots = { replies: 0, cover: 0, empty: 0 };

  /** Throws `invalid-configuration` for a rate or budget out of bounds. */
  constructor(options: ServiceHostOptions) {
    this.#options = options;
    const { genesis, slotsPerSecond = CLIENT_LIMITS.serviceSlotsPerSecond } = options;
    const { bytesPerHour = CLIENT_LIMITS.serviceBytesPerHour } = options;
    const geometry = geometryOf(genesis.geometry);
    const { meanDelayMilliseconds: meanMilliseconds, delayCapMilliseconds: capMilliseconds } = genesis.traffic;
    this.#dependencies = {
      packets: sphinxPackets(geometry, randomFillSync, nodePrimitives(chooseBackend().backend.x25519)),
      numbers: this.#random,
      fillRandom: randomFillSync,
      drawDelay: () => drawDelayMilliseconds({ meanMilliseconds, capMilliseconds }, this.#random),
    };
    const budget = { bytesPerHour, packetBytes: geometry.packetBytes };
    this.#streams = new ClientStreams(
      { payload: slotsPerSecond, loop: 0, drop: 0 },
      budget,
      performance.now(),
      this.#random,
    );
  }

  /** At which rate slots come, and whether the budget has lowered it. */
  get plan(): SendingPlan {
    return this.#streams.plan;
  }

  /** Throws `conflict` when the name is taken and `invalid-request` when it is none. Dispose of the result to leave. */
  register(name: string, handler: ServiceHandler): Disposable {
    const recipient = serviceRecipient(name).toHex();
    if (this.#services.has(recipient)) throw new FogError('conflict', `the service "${name}" is registered already`);
    const { request, reply } = this.#dependencies.packets;
    const { genesis } = this.#options;
    const roundTripMilliseconds = clientRoundTripMilliseconds(genesis.traffic);
    const core = new ServiceCore({ request, reply, roundTripMilliseconds, times: genesis });
    this.#services.set(recipient, { name, core, handler });
    this.#wait();
    return { [Symbol.dispose]: () => void this.#services.delete(recipient) };
  }

  /** For `MixNodeOptions.deliver`. */
  deliver(recipient: Uint8Array, delivery: Uint8Array): 'taken' | 'unknown' {
    const name = recipient.toHex();
    if (name === this.#coverRecipient) return 'taken';
    const service = this.#services.get(name);
    if (service === undefined || readOutcome(delivery).status !== 'deliver') return 'unknown';
    const geometry = geometryOf(this.#options.genesis.geometry);
    const parts = deliveryOf(
      geometry,
      Uint8Array.from(delivery.subarray(geometry.packetBytes - geometry.payloadBytes)),
    );
    if (parts === null) return 'unknown';
    this.#follow(service, service.core.receive(parts, Date.now()));
    return 'taken';
  }

  /** What each service holds and has counted, for metrics. */
  status(): { name: string; held: ServiceCore['held']; counters: ServiceCore['counters'] }[] {
    return [...this.#services.values()].map(({ name, core }) => ({ name, held: core.held, counters: core.counters }));
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#services.clear();
    this.#cover?.fill(0);
  }

  #follow(service: Service, effects: readonly ServiceEffect[]): void {
    for (const effect of effects) if (effect.kind === 'request') void this.#answer(service, effect);
    this.#wait();
  }

  async #answer(
    service: Service,
    { sender, request, bytes }: Extract<ServiceEffect, { kind: 'request' }>,
  ): Promise<void> {
    try {
      const answer = await service.handler(bytes, sender);
      if (answer === null) return;
      service.core.reply({ sender, request, bytes: answer }, Date.now());
      this.#wait();
    } catch (error) {
      this.#options.failed(service.name, error);
    }
  }

  /** Nobody waits for what a timer does. */
  #tickOrStop(): void {
    try {
      this.#tick();
    } catch (error) {
      this[Symbol.dispose]();
      this.#options.stopped(FogError.from(error));
    }
  }

  #wait(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#isStopped) return;
    const due = Math.min(...[...this.#services.values()].map(({ core }) => core.nextDueAt())) - Date.now();
    const pause = Math.min(due, this.#streams.nextAtMilliseconds - performance.now());
    this.#timer = setTimeout(
      () => this.#tickOrStop(),
      Math.min(Math.max(1, pause), CLIENT_LIMITS.mostTimerMilliseconds),
    );
  }

  #tick(): void {
    for (const _ of this.#streams.next(performance.now(), this.#random, 0)) this.#slot();
    for (const service of this.#services.values()) {
      if (service.core.nextDueAt() <= Date.now()) this.#follow(service, service.core.tick(Date.now()));
    }
    this.#wait();
  }

  #slot(): void {
    const node = this.#options.node();
    const cover = this.#cover;
    // Where no cover can be made, answers do not go out either: they would be all that does.
    const reply = node === null || cover === null ? null : this.#nextReply();
    if (node === null || cover === null) this.slots.empty += 1;
    else {
      const { payloadBytes } = this.#dependencies.packets.reply;
      // It is held as long as the node looks at its queue, and goes with loops and packets from elsewhere.
      node.sendReply(reply?.block ?? cover, reply?.payload ?? new Uint8Array(payloadBytes), 0);
      this.slots[reply === null ? 'cover' : 'replies'] += 1;
    }
    reply?.block.fill(0);
    cover?.fill(0);
    // After each slot, also where it was not needed: what takes time must not tell what was sent.
    this.#cover = node === null ? null : this.#newCover(node);
  }

  #nextReply(): ReplyPacket | null {
    for (const [recipient, service] of this.#services) {
      const reply = service.core.slot(Date.now());
      if (reply === null) continue;
      this.#services.delete(recipient);
      this.#services.set(recipient, service);
      return reply;
    }
    return null;
  }

  #newCover({ id, view }: ServiceNode): Uint8Array | null {
    if (view === null) return null;
    const setsOutAt = Date.now() + Math.max(0, this.#streams.nextAtMilliseconds - performance.now());
    try {
      return coverBlock(this.#dependencies, view, Buffer.from(id, 'hex'), setsOutAt);
    } catch (error) {
      if (!isWithoutPath(error)) throw error;
      return null; // the slot stays empty
    }
  }
}
