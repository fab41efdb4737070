/**
 * A node of the mix network as a program: mix, gateway or service node.
 *
 *     starting (keys, links, directory) -> serving -> stopped
 *                                             '--> failed: wrong clock, disk or threads gone; says why and stops
 *
 * This file joins the parts and decides nothing: the way of a packet is in mix-engine.ts, who may send in
 * relay-table.ts, links from others in incoming-links.ts and to others in next-hops.ts, what waits for clients in
 * mailboxes.ts.
 */
import { randomBytes, randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import type { RecordableHistogram } from 'node:perf_hooks';
import { FogError } from '@fog/contract';
import {
  type BackendName,
  chooseBackend,
  geometryOf,
  nodePrimitives,
  type Outcome,
  packetFromReplyBlock,
  readOutcome,
} from '@fog/sphinx';
import {
  type HandshakeFault,
  LINK_VERSIONS,
  type LinkListener,
  listenForLinks,
  SYSTEM_CLOCK,
  type Transport,
} from '@fog/transport';
import { coverRecipient } from '../client/service-messages.ts';
import type { Consensus } from '../directory/documents.ts';
import type { NodeRole } from '../directory/fields.ts';
import { type Genesis, networkIdOf } from '../directory/genesis.ts';
import { acceptedEpochs, epochAt, epochStart } from '../directory/schedule.ts';
import { ConsensusFollower } from '../directory-service/consensus-follower.ts';
import { DirectoryClient } from '../directory-service/directory-client.ts';
import { DropCounters } from '../mixing/drop-counters.ts';
import type { LoopState } from '../mixing/loop-alarm.ts';
import { RandomNumbers } from '../mixing/random-numbers.ts';
import { bootId } from './boot-id.ts';
import { EpochKeyStore } from './epoch-key-store.ts';
import { IncomingLinks } from './incoming-links.ts';
import { type MixNodeLimits, NODE_LIMITS } from './limits.ts';
import { Mailboxes } from './mailboxes.ts';
import { MixEngine } from './mix-engine.ts';
import { NextHops } from './next-hops.ts';
import { type NodeIdentity, openIdentity } from './node-identity.ts';
import { OwnLoops } from './own-loops.ts';
import type { PacketTrace } from './packet-trace.ts';
import { Registration } from './registration.ts';
import { RelayTable, type Sender } from './relay-table.ts';

export interface MixNodeOptions {
  genesis: Genesis;
  role: NodeRole;
  operator: string;
  folder: string;
  transport: Transport;
  /** Where it listens, `host:port`; with port 0 the system chooses one. */
  listen: string;
  /** Where others reach it. Default: where it listens. */
  addresses?: readonly { host: string; port: number }[];
  /** Unwrapping threads. */
  threads?: number;
  backend?: BackendName;
  /** Others than those of `NODE_LIMITS`. */
  limits?: Partial<MixNodeLimits>;
  /** Milliseconds since 1970. Default: the system's clock. */
  now?(): number;
  /** Keeps when single packets came and left; for networks marked `test` alone. */
  trace?: PacketTrace;
  log(level: 'info' | 'warn', message: string, details: Record<string, unknown>): void;
  /** What arrives at a service node for somebody other than itself; see ../client for the programs behind it. */
  deliver?(recipient: Uint8Array, delivery: Uint8Array): 'taken' | 'unknown';
  /** The node cannot go on, and stops. */
  failed(error: FogError): void;
}

const COVER_RECIPIENT = Buffer.from(coverRecipient());

export class MixNode implements AsyncDisposable {
  readonly drops = new DropCounters();
  readonly handshakeFaults = new Map<HandshakeFault, number>();
  readonly mailboxes: Mailboxes;
  readonly #options: MixNodeOptions;
  readonly #limits: MixNodeLimits;
  readonly #now: () => number;
  readonly #identity: NodeIdentity;
  readonly #keys: EpochKeyStore;
  readonly #engine: MixEngine;
  readonly #nextHops: NextHops;
  readonly #loops: OwnLoops;
  readonly #loopRecipient = randomBytes(32);
  readonly #links: IncomingLinks;
  readonly #stopping = new AbortController();
  readonly #parts: Disposable[] = [];
  #listener: LinkListener | null = null;
  #follower: ConsensusFollower | null = null;
  #table = new RelayTable([]);
  #epochTimer: NodeJS.Timeout | null = null;
  #stopped: Promise<void> | null = null;

  private constructor(options: MixNodeOptions, identity: NodeIdentity, keys: EpochKeyStore) {
    const { genesis, backend, threads = 1 } = options;
    this.#options = options;
    this.#limits = { ...NODE_LIMITS, ...options.limits };
    this.#now = options.now ?? Date.now;
    this.#identity = identity;
    this.#keys = keys;
    const geometry = geometryOf(genesis.geometry);
    const random = new RandomNumbers(randomFillSync);
    const now = () => performance.now();
    this.mailboxes = new Mailboxes({
      capacity: this.#limits.keptDeliveries,
      perClient: this.#limits.keptDeliveriesPerClient,
    });
    this.#links = new IncomingLinks({
      limits: this.#limits,
      drops: this.drops,
      mailboxes: this.mailboxes,
      now,
      receive: (packets, count, stride) => this.#engine.receive(packets, count, stride),
    });
    this.#nextHops = new NextHops({
      transport: options.transport,
      link: this.#linkOptions(),
      drops: this.drops,
      troubled: (relay, error) => {
        options.log('warn', 'a node cannot be reached', { node: relay.idText, error: String(error) });
      },
      opened: (relay) => options.log('info', 'connected', { node: relay.idText, role: relay.role }),
      now,
      setTimer: SYSTEM_CLOCK.setTimer,
    });
    this.#engine = new MixEngine({
      geometry,
      threads,
      backend,
      trace: options.trace,
      keys,
      queueCapacity: this.#limits.heldPackets,
      delayCapMilliseconds: genesis.traffic.delayCapMilliseconds,
      random,
      drops: this.drops,
      now,
      accepts: (epoch) => acceptedEpochs(genesis, this.#now()).includes(epoch),
      nextHop: (id) => this.#nextHops.indexOf(id),
      forward: (index, packet) => this.#nextHops.send(index, packet),
      deliver: (delivery) => this.#deliver(delivery),
      congested: (isCongested) => this.#links.hold(isCongested),
      failed: (error) => this.#fail(new FogError('internal', error.message, { cause: error, retryable: false })),
    });
    this.#loops = new OwnLoops({
      id: identity.id,
      genesis,
      geometry,
      primitives: nodePrimitives(chooseBackend().backend.x25519),
      random,
      recipient: this.#loopRecipient,
      consensus: () => this.consensus?.body ?? null,
      now,
      wallClock: this.#now,
      send: (packet, first, delay) => this.#engine.enqueue(packet, first, delay),
      stateChanged: (state, counts) => options.log(state === 'ok' ? 'info' : 'warn', `loops: ${state}`, { ...counts }),
    });
    this.#parts.push(this.#loops);
  }

  /** Resolves when it listens and is registering. Rejects with `data-directory`, `port-taken`, `invalid-configuration`. */
  static async start(options: MixNodeOptions): Promise<MixNode> {
    if (options.trace !== undefined && !options.genesis.test) {
      throw new FogError('invalid-configuration', 'times of single packets are kept on a network marked test only');
    }
    const identity = await openIdentity(options.folder);
    const keys = await EpochKeyStore.open({
      folder: join(options.folder, 'keys'),
      bootId: await bootId(),
      ...(options.limits?.replayTagsPerKey === undefined ? {} : { replayCapacity: options.limits.replayTagsPerKey }),
      retired: (epoch, reason) => options.log('warn', 'a key was retired', { epoch, reason }),
    });
    const node = new MixNode(options, identity, keys);
    try {
      await node.#begin();
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
    return node;
  }

  /** Hex. */
  get id(): string {
    return this.#identity.id;
  }

  /** Where it listens. */
  get address(): string {
    return this.#listener?.address ?? this.#options.listen;
  }

  get consensus(): Consensus | null {
    return this.#follower?.present ?? null;
  }

  /** From the network to the queue, and beyond the delays asked for; in microseconds, see mix-engine.ts. */
  get histograms(): { processing: RecordableHistogram; lateness: RecordableHistogram } {
    const { processing, lateness } = this.#engine;
    return { processing, lateness };
  }

  /** Sends a packet that is made from a reply block. For services, whose host says when. */
  sendReply(block: Uint8Array, payload: Uint8Array, delayMilliseconds: number): void {
    const { packet, firstNode } = packetFromReplyBlock(geometryOf(this.#options.genesis.geometry), block, payload);
    this.#engine.enqueue(packet, Buffer.from(firstNode).toString('hex'), delayMilliseconds);
  }

  status() {
    const { genesis, role, operator } = this.#options;
    const own = this.consensus?.body.nodes.find(({ id }) => id === this.id);
    return {
      id: this.id,
      role,
      operator,
      address: this.address,
      epoch: epochAt(genesis, this.#now()),
      isInConsensus: own !== undefined,
      layer: own?.layer ?? null,
      links: { in: this.#links.size, out: this.#nextHops.open, wanted: this.#nextHops.wanted },
      loops: { state: this.loopState, ...this.#loops.counts },
      packets: this.#engine.counters(),
      handshakeFaults: Object.fromEntries(this.handshakeFaults),
      linkFaults: Object.fromEntries(this.#links.faults),
      drops: Object.fromEntries(this.drops.entries().filter(([, count]) => count > 0)),
      mailboxes: { clients: this.mailboxes.clients, kept: this.mailboxes.kept },
      replaySets: this.#keys.replaySets(),
      processingMilliseconds: quantiles(this.#engine.processing),
      latenessMilliseconds: quantiles(this.#engine.lateness),
    };
  }

  get loopState(): LoopState {
    return this.#loops.state;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#epochTimer !== null) clearTimeout(this.#epochTimer);
    for (const part of this.#parts) part[Symbol.dispose]();
    await this.#listener?.close();
    this.#links.close();
    this.#nextHops.close();
    await this.#engine[Symbol.asyncDispose]();
    await this.#keys.settled();
    this.#keys[Symbol.dispose]();
  }

  async #begin(): Promise<void> {
    const { genesis, transport, listen, log, folder } = this.#options;
    await this.#changeKeys();
    this.#listener = await listenForLinks<Sender>({
      ...this.#linkOptions(),
      transport,
      address: listen,
      // A relay sends nothing to whom it was dialled by, so the bound is that of clients.
      sendBufferBytes: this.#limits.clientBufferBytes,
      admit: (linkKey, remoteAddress) => this.#links.place(this.#table.admit(this.id, linkKey), remoteAddress),
      onLink: (link, remoteAddress) => this.#links.welcome(link, remoteAddress),
      onFailure: (fault) => this.handshakeFaults.set(fault, (this.handshakeFaults.get(fault) ?? 0) + 1),
    });
    const directory = new DirectoryClient(genesis, this.#stopping.signal, this.#now);
    this.#follower = new ConsensusFollower({
      genesis,
      directory,
      now: this.#now,
      changed: (consensuses) => this.#follow(consensuses),
      missing: (reason) => log('warn', 'no consensus of this epoch', { reason }),
      skewed: (error) => this.#fail(error),
    });
    const registration = new Registration({
      genesis,
      directory,
      identity: this.#identity,
      now: this.#now,
      folder,
      describe: () => this.#description(),
      sphinxKeys: async (epoch) => {
        const keys = await this.#keys.require(this.#keyEpochs());
        return [epoch, epoch + 1, epoch + 2].map((wanted) => {
          const key = keys.find((candidate) => candidate.epoch === wanted);
          return { epoch: wanted, publicKey: Buffer.from(key?.publicKey ?? []).toString('hex') };
        });
      },
      troubled: (what, epoch, reasons) => log('warn', `too few authorities took the ${what}`, { epoch, ...reasons }),
    });
    this.#parts.push(this.#follower, registration);
  }

  #description() {
    const { role, operator, addresses } = this.#options;
    const [, host = '', port = ''] = /^\[?([^\]]+)\]?:(\d+)$/.exec(this.address) ?? [];
    return {
      role,
      operator,
      addresses: [...(addresses ?? [{ host, port: Number(port) }])],
      protocolVersions: [...LINK_VERSIONS],
    };
  }

  #linkOptions() {
    const { genesis } = this.#options;
    return {
      networkId: Buffer.from(networkIdOf(genesis), 'hex'),
      static: this.#identity.link,
      packetBytes: geometryOf(genesis.geometry).packetBytes,
    };
  }

  /** From the last epoch, whose packets may still come, to the fourth from now: the last key of a descriptor for the second. */
  #keyEpochs(): number[] {
    const epoch = Math.max(0, epochAt(this.#options.genesis, this.#now()));
    return [epoch - 1, epoch, epoch + 1, epoch + 2, epoch + 3, epoch + 4].filter((wanted) => wanted >= 0);
  }

  /** At each beginning and end of a key's time. */
  async #changeKeys(): Promise<void> {
    const { genesis } = this.#options;
    const keys = await this.#keys.require(this.#keyEpochs());
    if (this.#stopping.signal.aborted) return;
    const now = this.#now();
    const epoch = Math.max(0, epochAt(genesis, now));
    // Of the last epoch, for twice the grace: in its second half they are told apart from what is damaged.
    const usable = keys.filter(
      (key) =>
        key.epoch === epoch ||
        (key.epoch === epoch - 1 && now < epochStart(genesis, epoch) + 2 * genesis.graceMilliseconds),
    );
    this.#engine.setKeys(usable.toSorted((a, b) => b.epoch - a.epoch));
    const changes = [epochStart(genesis, epoch) + 2 * genesis.graceMilliseconds, epochStart(genesis, epoch + 1)];
    const next = Math.min(...changes.filter((at) => at > now));
    const again = () => this.#changeKeys().catch((error: unknown) => this.#fail(FogError.from(error)));
    this.#epochTimer = setTimeout(() => void again(), Math.min(next - now, NODE_LIMITS.mostTimerMilliseconds));
    this.mailboxes.sweep(performance.now());
  }

  #follow(consensuses: readonly Consensus[]): void {
    const bodies = consensuses.map(({ body }) => body);
    this.#table = new RelayTable(bodies);
    this.#nextHops.setAllowed(this.#table.receivers(this.id));
    this.#links.review((linkKey) => this.#table.admit(this.id, linkKey));
    const newest = bodies.at(-1);
    const own = newest?.nodes.find(({ id }) => id === this.id);
    const place = own === undefined ? 'not in it' : own.layer === null ? own.role : `layer ${own.layer}`;
    this.#options.log('info', 'consensus', { epoch: newest?.epoch, nodes: newest?.nodes.length, place });
  }

  #deliver(delivery: Uint8Array): void {
    const { id: recipient }: Outcome = readOutcome(delivery);
    if (this.#loops.takes(recipient, delivery)) return;
    const { role, deliver } = this.#options;
    if (role === 'gateway') {
      if (COVER_RECIPIENT.equals(recipient)) return;
      const fate = this.mailboxes.deliver(recipient, delivery);
      if (fate === 'unknown') this.drops.add('unknown-recipient');
      else if (fate === 'dropped') this.drops.add('link-full');
    } else if (deliver?.(recipient, delivery) !== 'taken') this.drops.add('unknown-recipient');
  }

  #fail(error: FogError): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    this.#options.failed(error);
    // What a node does with a wrong clock, or cannot write down, harms those who rely on it.
    void this[Symbol.asyncDispose]();
  }
}

export type MixNodeStatus = ReturnType<MixNode['status']>;

/** Of a histogram of microseconds, in milliseconds; null while it is empty. */
function quantiles(histogram: RecordableHistogram) {
  if (histogram.count === 0) return null;
  const of = (percentile: number) => histogram.percentile(percentile) / 1000;
  return { p50: of(50), p99: of(99), p999: of(99.9) };
}
