/**
 * Mixes and a service in memory, under a clock that jumps: packets are lost, doubled, delayed and overtake each other, and
 * nodes refuse keys whose epoch is over. No cryptography: packets and reply blocks are numbers that stand for their content.
 */
import { keyAcceptance, type PathHop } from '../../src/client/epoch-keys.ts';
import { type ClientEffect, MixClientCore } from '../../src/client/mix-client-core.ts';
import type { NetworkView } from '../../src/client/network-view.ts';
import type { PacketFactory } from '../../src/client/packet-factory.ts';
import type { PrivacyLevel } from '../../src/client/path-selection.ts';
import { type ReplyPacket, ServiceCore, type ServiceEffect } from '../../src/client/service-core.ts';
import { SeededRandom } from './seeded-random.ts';
import { idOf, keyOf, TIMES } from './small-network.ts';

export const SIZES = {
  request: { payloadBytes: 500, replyBlockBytes: 80 },
  reply: { payloadBytes: 582, replyBlockBytes: 80 },
};

export interface Weather {
  /** Shares of packets. */
  lost: number;
  doubled: number;
  /** Mean time on the links of a path, beyond the drawn delays. */
  linkMilliseconds: number;
}

interface SimulatedPacket {
  path: readonly PathHop[];
  recipient: Uint8Array;
  payload: Uint8Array;
  replyBlock: Uint8Array | null;
}

interface SimulatedBlock {
  path: readonly PathHop[];
  recipient: Uint8Array;
  replyId: Uint8Array;
  used: boolean;
}

export interface SimulatedClient {
  core: MixClientCore;
  recipient: Uint8Array;
  effects: ClientEffect[];
}

const TICK_MILLISECONDS = 250;
const SERVICE_SLOT_MILLISECONDS = 10;
const DELAY_MEAN_MILLISECONDS = 50;

export class SimulatedNetwork {
  now = TIMES.genesisMilliseconds + 1000;
  weather: Weather;
  /** Mean time between two slots of a client. */
  slotMilliseconds = 40;
  readonly random: SeededRandom;
  readonly service: ServiceCore;
  readonly clients: SimulatedClient[] = [];
  readonly serviceEffects: ServiceEffect[] = [];
  readonly counts = { requestPackets: 0, cover: 0, replyPackets: 0, expiredKeys: 0 };
  /** Called for each request that the application gets. */
  onRequest: (request: ServiceEffect & { kind: 'request' }) => void = () => {};
  /** Called after each event. */
  onEvent: () => void = () => {};
  readonly #packets = new Map<number, SimulatedPacket>();
  readonly #blocks = new Map<number, SimulatedBlock>();
  readonly #view: NetworkView;
  /** Sorted by time. */
  readonly #agenda: { at: number; happens: () => void }[] = [];
  #nextNumber = 1;

  constructor(seed: number, view: NetworkView, weather: Weather) {
    this.random = new SeededRandom(seed);
    this.weather = weather;
    this.#view = view;
    this.service = new ServiceCore({
      ...SIZES,
      times: TIMES,
      roundTripMilliseconds: 1000,
      acknowledgeWithinMilliseconds: 250,
    });
    this.#every(
      () => TICK_MILLISECONDS,
      () => this.followService(this.service.tick(this.now)),
    );
    this.#every(
      () => this.random.exponential(SERVICE_SLOT_MILLISECONDS),
      () => {
        const reply = this.service.slot(this.now);
        if (reply !== null) this.#sendReply(reply);
      },
    );
  }

  addClient(coverLevel: PrivacyLevel = 'confidential'): SimulatedClient {
    const recipient = this.random.bytes(32);
    const core = new MixClientCore({
      packets: this.#factory(),
      numbers: this.random,
      fillRandom: this.random.fill,
      drawDelay: () => Math.min(1000, Math.round(this.random.exponential(DELAY_MEAN_MILLISECONDS))),
      view: this.#view,
      gateway: idOf('g0'),
      recipient,
      coverLevel,
    });
    const client: SimulatedClient = { core, recipient, effects: [] };
    this.clients.push(client);
    this.#every(
      () => this.random.exponential(this.slotMilliseconds),
      () => this.#slot(client),
    );
    this.#every(
      () => TICK_MILLISECONDS,
      () => client.effects.push(...core.tick(this.now)),
    );
    return client;
  }

  /** Lets so much time pass. */
  run(milliseconds: number): void {
    const until = this.now + milliseconds;
    for (let next = this.#agenda[0]; next !== undefined && next.at <= until; next = this.#agenda[0]) {
      this.#agenda.shift();
      this.now = next.at;
      next.happens();
      this.onEvent();
    }
    this.now = until;
  }

  followService(effects: readonly ServiceEffect[]): void {
    for (const effect of effects) {
      this.serviceEffects.push(effect);
      if (effect.kind === 'request') this.onRequest(effect);
    }
  }

  answer(request: { sender: string; request: number | null }, bytes: Uint8Array): number {
    return this.service.reply({ ...request, bytes }, this.now);
  }

  #slot({ core }: SimulatedClient): void {
    const { packet, carries } = core.slot(this.now);
    this.counts[carries === 'cover' ? 'cover' : 'requestPackets'] += 1;
    const content = this.#packets.get(numberIn(packet));
    if (content === undefined) throw new Error('a packet that nobody made');
    this.#packets.delete(numberIn(packet));
    this.#travel(content.path, () => {
      const { payload, replyBlock } = content;
      this.followService(
        this.service.receive({ payload: payload.slice(), replyBlock: replyBlock?.slice() ?? null }, this.now),
      );
    });
  }

  #sendReply({ block, payload }: ReplyPacket): void {
    const number = numberIn(block);
    const content = this.#blocks.get(number);
    if (content === undefined) throw new Error('a reply block that nobody made');
    if (content.used) throw new Error('a reply block was used twice');
    content.used = true;
    block.fill(0);
    this.counts.replyPackets += 1;
    this.#travel(content.path, () => {
      const client = this.clients.find(({ recipient }) => Buffer.compare(recipient, content.recipient) === 0);
      const body = Buffer.concat([this.#numbered(number, 8), payload]);
      client?.effects.push(...client.core.receive(content.replyId, body, this.now));
    });
  }

  /** Calls `arrived` never, once or twice. */
  #travel(path: readonly PathHop[], arrived: () => void): void {
    if (this.random.uniform() < this.weather.lost) return;
    const copies = this.random.uniform() < this.weather.doubled ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      let at = this.now;
      for (const hop of path) {
        at += this.random.exponential(this.weather.linkMilliseconds / path.length);
        if (!isAccepted(hop, at)) {
          this.counts.expiredKeys += 1;
          return;
        }
        at += hop.delayMilliseconds;
      }
      this.#at(at, arrived);
    }
  }

  #factory(): PacketFactory {
    return {
      ...SIZES,
      createPacket: (content) => {
        const number = this.#nextNumber++;
        this.#packets.set(number, content);
        return this.#numbered(number, 8);
      },
      createReplyBlock: ({ path, recipient, replyId }) => {
        const number = this.#nextNumber++;
        this.#blocks.set(number, { path, recipient, replyId: replyId.slice(), used: false });
        return { block: this.#numbered(number, SIZES.request.replyBlockBytes), keys: this.#numbered(number, 8) };
      },
      packetFromReplyBlock: () => {
        throw new Error('no loops here');
      },
      openReply: (keys, body) => (numberIn(keys) === numberIn(body) ? new Uint8Array(body.subarray(8)) : null),
    };
  }

  #numbered(number: number, length: number): Uint8Array {
    const bytes = Buffer.alloc(length, 0xee);
    bytes.writeUIntBE(number, 0, 6);
    return new Uint8Array(bytes);
  }

  #every(interval: () => number, happens: () => void): void {
    this.#at(this.now + interval(), () => {
      happens();
      this.#every(interval, happens);
    });
  }

  #at(at: number, happens: () => void): void {
    const later = this.#agenda.findLastIndex((entry) => entry.at <= at);
    this.#agenda.splice(later + 1, 0, { at, happens });
  }
}

function numberIn(bytes: Uint8Array): number {
  return Buffer.from(bytes).readUIntBE(0, 6);
}

const NAMES = ['g0', 'g1', 's0', 's1', ...[1, 2, 3].flatMap((layer) => [0, 1, 2, 3].map((at) => `m${layer}-${at}`))];
const EPOCHS = Array.from({ length: 100 }, (_, at) => at - 1);
const KEY_EPOCHS = new Map(
  NAMES.flatMap((name) => EPOCHS.map((epoch) => [Buffer.from(keyOf(name, epoch)).toString('hex'), epoch])),
);

function isAccepted({ publicKey }: PathHop, at: number): boolean {
  const epoch = KEY_EPOCHS.get(Buffer.from(publicKey).toString('hex'));
  if (epoch === undefined) throw new Error('a key that is none of this network');
  const { from, until } = keyAcceptance(TIMES, epoch);
  return at >= from && at < until;
}
