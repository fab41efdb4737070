/**
 * The services of one service node: programs that register a name, receive messages and answer them without knowing
 * who asked.
 *
 *     open -> closed
 *       '--> stopped: it cannot send or keep time any more; says why
 */
import { FogError } from '@fog/contract';
import { geometryOf, readOutcome } from '@fog/sphinx';
import type { Genesis } from '../directory/genesis.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { clientRoundTripMilliseconds } from './round-trip.ts';
import { ServiceCore, type ServiceEffect } from './service-core.ts';
import { coverRecipient, serviceRecipient } from './service-messages.ts';
import { deliveryOf, sphinxPackets } from './sphinx-packets.ts';

/** Answers a message. What it throws, or rejects with, is told to nobody: the sender hears nothing. */
export type ServiceHandler = (bytes: Uint8Array, sender: string) => Uint8Array | null | Promise<Uint8Array | null>;

export interface ServiceHostOptions {
  genesis: Genesis;
  /** Makes a packet of the reply block and lets it go, see `MixNode.sendReply`. */
  send(block: Uint8Array, payload: Uint8Array): void;
  /** A service threw; the others are not touched by that. */
  failed(service: string, error: unknown): void;
  /** The host itself cannot go on, and has stopped. */
  stopped(error: FogError): void;
}

interface Service {
  name: string;
  core: ServiceCore;
  handler: ServiceHandler;
}

export class ServiceHost implements Disposable {
  readonly #options: ServiceHostOptions;
  readonly #services = new Map<string, Service>();
  readonly #cover = hexOf(coverRecipient());
  #timer: NodeJS.Timeout | null = null;

  constructor(options: ServiceHostOptions) {
    this.#options = options;
  }

  /** Throws `conflict` when the name is taken and `invalid-request` when it is none. Dispose of the result to leave. */
  register(name: string, handler: ServiceHandler): Disposable {
    const recipient = hexOf(serviceRecipient(name));
    if (this.#services.has(recipient)) throw new FogError('conflict', `the service "${name}" is registered already`);
    const { genesis } = this.#options;
    const { request, reply } = sphinxPackets(geometryOf(genesis.geometry));
    const core = new ServiceCore({
      request,
      reply,
      roundTripMilliseconds: clientRoundTripMilliseconds(genesis.traffic),
    });
    this.#services.set(recipient, { name, core, handler });
    return { [Symbol.dispose]: () => void this.#services.delete(recipient) };
  }

  /** For `MixNodeOptions.deliver`. */
  deliver(recipient: Uint8Array, delivery: Uint8Array): 'taken' | 'unknown' {
    const name = hexOf(recipient);
    if (name === this.#cover) return 'taken';
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
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#services.clear();
  }

  #follow(service: Service, effects: readonly ServiceEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send') {
        this.#options.send(effect.block, effect.payload);
        effect.block.fill(0);
      } else if (effect.kind === 'request') void this.#answer(service, effect);
    }
    this.#wait();
  }

  async #answer(
    service: Service,
    { sender, request, bytes }: Extract<ServiceEffect, { kind: 'request' }>,
  ): Promise<void> {
    try {
      const answer = await service.handler(bytes, sender);
      if (answer === null) return;
      const { effects } = service.core.reply({ sender, request, bytes: answer }, Date.now());
      this.#orStop(() => this.#follow(service, effects));
    } catch (error) {
      this.#options.failed(service.name, error);
    }
  }

  /** Of what nobody waits for. */
  #orStop(act: () => void): void {
    try {
      act();
    } catch (error) {
      this[Symbol.dispose]();
      this.#options.stopped(FogError.from(error));
    }
  }

  #wait(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const due = Math.min(...[...this.#services.values()].map(({ core }) => core.nextDueAt()));
    if (!Number.isFinite(due)) return;
    const pause = Math.min(Math.max(1, due - Date.now()), CLIENT_LIMITS.mostTimerMilliseconds);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#orStop(() => {
        for (const service of this.#services.values()) this.#follow(service, service.core.tick(Date.now()));
      });
    }, pause);
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
