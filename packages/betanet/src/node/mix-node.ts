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
import type { NetworkView } from '../client/network-view.ts';
import { coverRecipient } from '../client/service-messages.ts';
import { viewOfConsensus } from '../client/view-of-consensus.ts';
import type { Consensus, Descriptor } from '../directory/documents.ts';
import type { NodeRole } from '../directory/fields.ts';
import { type Genesis, networkIdOf } from '../directory/genesis.ts';
import { keyedOperator } from '../directory/operators.ts';
import { acceptedEpochs, epochAt } from '../directory/schedule.ts';
import { ConsensusFollower } from '../directory-service/consensus-follower.ts';
import { DirectoryClient } from '../directory-service/directory-client.ts';
import { DropCounters } from '../mixing/drop-counters.ts';
import type { LoopState } from '../mixing/loop-alarm.ts';
import { RandomNumbers } from '../mixing/random-numbers.ts';
import { bootId } from './boot-id.ts';
import { EpochKeyStore } from './epoch-key-store.ts';
import { IncomingLinks } from './incoming-links.ts';
import { keySchedule } from './key-schedule.ts';
import { type MixNodeLimits, NODE_LIMITS } from './limits.ts';
import { Mailboxes } from './mailboxes.ts';
import { MixEngine } from './mix-engine.ts';
import { NextHops } from './next-hops.ts';
import { type NodeIdentity, openIdentity } from './node-identity.ts';
import { OwnLoops } from './own-loops.ts';
import type { PacketTrace } from './packet-trace.ts';
import { Registration } from './registration.ts';
import { RelayTable, type Sender } from './relay-table.ts';
import type { TimeHistogram } from './time-histogram.ts';

export interface MixNodeOptions {
  genesis: Genesis;
  role: NodeRole;
  /** A name, which others may take as well, or the operator's Ed25519 secret key (32 bytes), from which a name follows. */
  operator: string | Uint8Array;
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
  readonly #operator: Pick<Descriptor, 'operator' | 'operatorProof'>;
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
  #view: { of: Consensus; view: NetworkView } | null = null;
  #epochTimer: NodeJS.Timeout | null = null;
  #stopped: Promise<void> | null = null;

  private constructor(options: MixNodeOptions, identity: NodeIdentity, keys: EpochKeyStore) {
    const { genesis, backend, threads = 1 } = options;
    this.#options = options;
    this.#limits = { ...NODE_LIMITS, ...options.limits };
    this.#now = options.now ?? Date.now;
    this.#identity = identity;
    this.#operator = operatorOf(options, identity.identityKey);
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
      receive: (received) => this.#engine.receive(received),
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
      worthless: (sender) => this.#links.worthless(sender),
      hold: (sender) => this.#links.hold(sender),
      release: () => this.#links.release(),
      failed: (error) => this.#fail(new FogError('internal', error.message, { cause: error, retryable: false })),
    });
    this.#loops = new OwnLoops({
      id: identity.id,
      genesis,
      geometry,
      primitives: nodePrimitives(chooseBackend().backend.x25519),
      random,
      recipient: this.#loopRecipient,
      view: () => this.view,
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

  /** Of the present epoch, with the keys of the one before: for what this node sends itself. */
  get view(): NetworkView | null {
    const present = this.consensus;
    if (present === null) this.#view = null;
    else if (this.#view?.of !== present) {
      const view = viewOfConsensus(this.#options.genesis, present, this.#follower?.consensuses ?? []);
      this.#view = { of: present, view };
    }
    return this.#view?.view ?? null;
  }

  /** How often each authority has endorsed two consensuses of one epoch. */
  get doubleEndorsements(): ReadonlyMap<string, number> {
    return this.#follower?.doubleEndorsements ?? new Map();
  }

  /** Times of packets; what is what stands in mix-engine.ts. */
  get histograms(): Record<'processing' | 'delay' | 'lateness', TimeHistogram> {
    const { processing, delay, lateness } = this.#engine;
    return { processing, delay, lateness };
  }

  /** Sends a packet that is made from a reply block. For services, whose host says when. */
  sendReply(block: Uint8Array, payload: Uint8Array, delayMilliseconds: number): void {
    const { packet, firstNode } = packetFromReplyBlock(geometryOf(this.#options.genesis.geometry), block, payload);
    this.#engine.enqueue(packet, Buffer.from(firstNode).toString('hex'), delayMilliseconds);
  }

  status() {
    const { genesis, role } = this.#options;
    const { operator } = this.#operator;
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
      processingMilliseconds: this.#engine.processing.quantiles(),
      delayMilliseconds: this.#engine.delay.quantiles(),
      latenessMilliseconds: this.#engine.lateness.quantiles(),
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
    const { relayLinks, strangerLinks } = NODE_LIMITS;
    await this.#changeKeys();
    this.#listener = await listenForLinks<Sender>({
      ...this.#linkOptions(),
      transport,
      address: listen,
      // A relay sends nothing to whom it was dialled by, so the bound is that of clients.
      sendBufferBytes: this.#limits.clientBufferBytes,
      limits: { links: relayLinks + strangerLinks, linksKept: relayLinks },
      admit: (linkKey, remoteAddress) => this.#links.place(this.#table.admit(this.id, linkKey), remoteAddress),
      callerOf: (remoteAddress) => this.#links.callers.callerOf(remoteAddress),
      mayBegin: (caller) => this.#links.callers.mayBegin(caller),
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
      warned: (message, details) => log('warn', message, details),
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
        const { wanted: epochs, keptFrom } = keySchedule(genesis, this.#now());
        const keys = await this.#keys.require(epochs, keptFrom);
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
    const { role, addresses } = this.#options;
    const [, host = '', port = ''] = /^\[?([^\]]+)\]?:(\d+)$/.exec(this.address) ?? [];
    return {
      role,
      ...this.#operator,
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

  /** At each beginning and end of a key's time. */
  async #changeKeys(): Promise<void> {
    const { wanted, keptFrom, changesAtMilliseconds } = keySchedule(this.#options.genesis, this.#now());
    const keys = await this.#keys.require(wanted, keptFrom).catch((cause: Error) => {
      throw new FogError('data-directory', `keys cannot be written or deleted: ${cause.message}`, { cause });
    });
    if (this.#stopping.signal.aborted) return;
    const [epoch = 0] = wanted;
    this.#engine.setKeys(keys.filter((key) => key.epoch <= epoch).toReversed());
    const left = Math.max(0, changesAtMilliseconds - this.#now());
    const again = () => this.#changeKeys().catch((error: unknown) => this.#fail(FogError.from(error)));
    this.#epochTimer = setTimeout(() => void again(), Math.min(left, NODE_LIMITS.mostTimerMilliseconds));
    this.mailboxes.sweep(performance.now());
  }

  #follow(consensuses: readonly Consensus[]): void {
    const bodies = consensuses.map(({ body }) => body);
    this.#table = new RelayTable(bodies);
    this.#nextHops.setAllowed(this.#table.receivers(this.id));
    this.#links.review((linkKey) => this.#table.admit(this.id, linkKey), this.#table.senders(this.id));
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
    // What a node does with a wrong clock, or cannot write down, harms those who rely on it. What goes wrong with the
    // stopping itself is told to whoever disposes of the node.
    this[Symbol.asyncDispose]().catch(() => {});
  }
}

function operatorOf({ operator, genesis }: MixNodeOptions, identityKey: string) {
  if (typeof operator === 'string') return { operator, operatorProof: null };
  return keyedOperator(operator, { network: networkIdOf(genesis), identityKey });
}

export type MixNodeStatus = ReturnType<MixNode['status']>;
