/**
 * A client of the mix network as a program: mix-client-core.ts with a clock, a link to a gateway and the directory.
 *
 *     starting --consensus--> connecting --> connected --cut--> connecting ...
 *                                                '--close--> closed
 *     any of them --this clock is wrong--> failed: what waits is rejected with the reason, and nothing is sent any more
 *
 * It sends as long as it is connected, whether it has something to say or not: an observer of its link sees three
 * Poisson streams of packets of one size (see ../mixing/cover-streams.ts). It stays with few gateways
 * (gateway-guards.ts), to each of which it is somebody else: the key of its link is made anew for each change.
 */
import { randomFillSync } from 'node:crypto';
import { FogError } from '@fog/contract';
import { chooseBackend, geometryOf, nodePrimitives, type Outcome, readOutcome } from '@fog/sphinx';
import { dialLinkAtAny, formatTcpAddress, generateKeyPair, type Link, type Transport } from '@fog/transport';
import type { Consensus } from '../directory/documents.ts';
import { type Genesis, networkIdOf } from '../directory/genesis.ts';
import { ConsensusFollower } from '../directory-service/consensus-follower.ts';
import { DirectoryClient } from '../directory-service/directory-client.ts';
import { ClientStreams, type SendEvent } from '../mixing/cover-streams.ts';
import { drawDelayMilliseconds } from '../mixing/exponential.ts';
import { RandomNumbers } from '../mixing/random-numbers.ts';
import type { SendingPlan } from '../mixing/sending-plan.ts';
import { clientRecipient } from '../node/mailboxes.ts';
import type { Destination } from './client-session.ts';
import { GatewayGuards } from './gateway-guards.ts';
import { CLIENT_LIMITS } from './limits.ts';
import type { LoopWatch } from './loop-watch.ts';
import { type ClientEffect, MixClientCore } from './mix-client-core.ts';
import type { NetworkNode, NetworkView } from './network-view.ts';
import { PacketJourneys } from './packet-journeys.ts';
import type { PathDepth, PrivacyLevel } from './path-selection.ts';
import { PendingAnswers, type TracedAnswer } from './pending-answers.ts';
import { PreparedPackets } from './prepared-packets.ts';
import { sphinxPackets } from './sphinx-packets.ts';
import { viewOfConsensus } from './view-of-consensus.ts';
import { drawByWeight } from './weighted-draw.ts';

export interface MixClientProgramOptions {
  genesis: Genesis;
  transport: Transport;
  /** Level of cover packets, and of messages unless they say otherwise. */
  level: PrivacyLevel;
  /** Of cover packets, instead of that level: for probers, which send no messages. */
  coverDepth?: PathDepth;
  /** What may be sent in an hour; default: no limit. Cover is lowered first, see `plan`. */
  bytesPerHour?: number | null;
  /** Id of the gateway (hex). Default: one that is drawn, by weight. */
  gateway?: string;
  /** Answers which of the gateways (hex, at least one) to connect to, each time before it does. Default: draws one. */
  chooseGateway?(gateways: readonly string[]): string;
  /** Is told what becomes of its loops. */
  loops?: LoopWatch;
  /** Remembers which packets carried a message, see `traced`; for networks marked `test` alone. */
  keepsJourneys?: boolean;
  log?(level: 'info' | 'warn', message: string, details: Record<string, unknown>): void;
  /** The client cannot go on, e.g. since this machine's clock is wrong: no request is answered any more. */
  failed?(error: FogError): void;
}

export interface Request {
  /** Id of the service node (hex). Default: one that is drawn of those that the consensus lists, by weight. */
  node?: string;
  service: string;
  bytes: Uint8Array;
  level?: PrivacyLevel;
  /** Exchanges of different isolation cannot be told to be of one sender. */
  isolation?: string;
  answerWithinMilliseconds?: number;
}

export class MixClient implements AsyncDisposable {
  readonly #options: MixClientProgramOptions;
  readonly #follower: ConsensusFollower;
  readonly #random = new RandomNumbers(randomFillSync);
  readonly #stopping = new AbortController();
  /** Made for one gateway in one run: nobody can tell that two are of one person. */
  #linkKey = generateKeyPair();
  readonly #guards = new GatewayGuards();
  readonly #prepared = new PreparedPackets();
  readonly #streams: ClientStreams;
  readonly #pending: PendingAnswers;
  readonly #connected = Promise.withResolvers<void>();
  readonly #journeys: PacketJourneys | null;
  #core: MixClientCore | null = null;
  #gateway: NetworkNode | null = null;
  /** Where the reply blocks lead that the core has made. */
  #coreGateway: Uint8Array | null = null;
  #link: Link | null = null;
  #timer: NodeJS.Timeout | null = null;
  #failures = 0;
  /** Since when there is no link, or since loops were last told as refused for that. */
  #awaySince = 0;
  #isConnecting = false;
  /** Why the client has failed. */
  #failure: FogError | null = null;
  readonly counters = { sent: 0, loopsSent: 0, loopsReturned: 0, withoutPath: 0, malformedDeliveries: 0 };

  constructor(options: MixClientProgramOptions) {
    this.#options = options;
    const { genesis, bytesPerHour = null, keepsJourneys = false } = options;
    if (keepsJourneys && !genesis.test) {
      throw new FogError('invalid-configuration', 'journeys of packets are kept on a network marked test only');
    }
    this.#journeys = keepsJourneys ? new PacketJourneys() : null;
    this.#pending = new PendingAnswers(this.#journeys);
    const { traffic } = genesis;
    const packetBytes = geometryOf(genesis.geometry).packetBytes;
    const rates = {
      payload: 1000 / traffic.clientPayloadIntervalMilliseconds,
      loop: 1000 / traffic.clientLoopIntervalMilliseconds,
      drop: 1000 / traffic.clientDropIntervalMilliseconds,
    };
    this.#streams = new ClientStreams(rates, { bytesPerHour, packetBytes }, performance.now(), this.#random);
    this.#connected.promise.catch(() => {});
    this.#follower = new ConsensusFollower({
      genesis,
      directory: new DirectoryClient(genesis, this.#stopping.signal),
      changed: () => this.#viewChanged(),
      missing: (reason) => this.#log('warn', 'no consensus of this epoch', { reason }),
      warned: (message, details) => this.#log('warn', message, details),
      skewed: (error) => this.#fail(error),
    });
  }

  /** Resolves when packets can be sent. Rejects with the signal's reason, or when this machine's clock is wrong. */
  async connected(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    await Promise.race([this.#connected.promise, aborted]);
  }

  /** What is sent at which rates, and what of it the budget has lowered. */
  get plan(): SendingPlan {
    return this.#streams.plan;
  }

  /** Answers that were not understood, by cause. */
  get strayReplies(): Readonly<MixClientCore['counters']> | null {
    return this.#core?.counters ?? null;
  }

  get consensus(): Consensus | null {
    return this.#follower.present;
  }

  /** `none` on a network marked `test`. */
  get anonymity(): 'mixed' | 'none' {
    return this.#options.genesis.test ? 'none' : 'mixed';
  }

  /**
   * Sends a message to a service and resolves with its answer. Rejects with `unavailable` (the level cannot be met, or
   * nobody is reached), `timed-out`, `too-many-requests` or `body-too-large`, and with why the client has failed.
   */
  async request(request: Request): Promise<Uint8Array> {
    return (await this.traced(request)).bytes;
  }

  /** As `request`; also tells which packets there and back carried it, if the client keeps journeys. */
  async traced({
    answerWithinMilliseconds = CLIENT_LIMITS.answerMilliseconds,
    ...request
  }: Request): Promise<TracedAnswer> {
    const core = this.#usableCore();
    const destination = this.#destinationOf(request);
    const message = core.send({ destination, bytes: request.bytes, answerWithinMilliseconds }, Date.now());
    this.#prepare(core);
    return await this.#pending.wait(message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end(new FogError('cancelled', 'the mix client was closed'));
  }

  #fail(error: FogError): void {
    if (this.#stopping.signal.aborted) return;
    this.#failure = error;
    this.#log('warn', 'the mix client has failed', { error: String(error) });
    this.#end(error);
    this.#options.failed?.(error);
  }

  #end(reason: FogError): void {
    this.#stopping.abort();
    this.#follower[Symbol.dispose]();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#link?.close();
    this.#connected.reject(reason);
    this.#pending.rejectAll(reason);
  }

  #usableCore(): MixClientCore {
    if (this.#failure !== null) throw this.#failure;
    const { refusal } = this.#follower;
    if (refusal !== null)
      throw new FogError('unavailable', refusal, { hint: 'wait for the next epoch, or see who runs them' });
    if (this.#core !== null && this.#link !== null) return this.#core;
    throw new FogError('unavailable', 'the mix client is not connected to a gateway', {
      hint: 'wait until it is: connected() resolves then',
    });
  }

  #destinationOf({ node, service, level, isolation }: Omit<Request, 'bytes'>): Destination {
    const view = this.#view();
    const services = view?.nodes.filter(({ role }) => role === 'service') ?? [];
    const chosen =
      node === undefined ? drawByWeight(services, this.#random) : services.find(({ id }) => id.toHex() === node);
    if (chosen === undefined) {
      const what = node === undefined ? 'no service node' : `no service node ${node.slice(0, 16)}`;
      throw new FogError('unavailable', `the consensus of this epoch has ${what}`);
    }
    const destination = { node: chosen.id, service, level: level ?? this.#options.level };
    return isolation === undefined ? destination : { ...destination, isolation };
  }

  #view(): NetworkView | null {
    const present = this.#follower.present;
    return present === null ? null : viewOfConsensus(this.#options.genesis, present, this.#follower.consensuses);
  }

  #viewChanged(): void {
    const view = this.#view();
    if (view === null) return;
    this.#core?.useView(view);
    const stillThere = view.nodes.some(({ id }) => isSame(this.#gateway?.id, id));
    // Without a consensus no other try follows one that failed.
    const isWaiting = this.#link === null && !this.#isConnecting && this.#timer === null;
    if (!stillThere || isWaiting) void this.#connect(view);
  }

  async #connect(view: NetworkView): Promise<void> {
    const { genesis, transport, gateway: wanted, chooseGateway } = this.#options;
    if (this.#isConnecting || this.#stopping.signal.aborted) return;
    const gateways = new Map(
      view.nodes.filter(({ role }) => role === 'gateway').map((node) => [node.id.toHex(), node]),
    );
    const listed = [...gateways.keys()].filter((id) => wanted === undefined || id === wanted);
    if (listed.length === 0) return;
    const weighted = listed.map((id) => ({ id, weight: gateways.get(id)?.weight ?? 0n }));
    const gateway = gateways.get(chooseGateway?.(listed) ?? this.#guards.choose(weighted, this.#random) ?? '');
    if (gateway === undefined) return;
    this.#turnTo(gateway);
    this.#isConnecting = true;
    if (this.#link !== null) {
      this.#link.close();
      this.#link = null;
      this.#options.loops?.cut(null);
    }
    try {
      const node = this.#relayOf(gateway);
      const link = await dialLinkAtAny(node.addresses.map(formatTcpAddress), {
        transport,
        networkId: Buffer.from(networkIdOf(genesis), 'hex'),
        static: this.#linkKey,
        packetBytes: geometryOf(genesis.geometry).packetBytes,
        remoteStatic: node.linkKey,
        signal: this.#stopping.signal,
      });
      this.#isConnecting = false;
      if (this.#stopping.signal.aborted) link.destroy();
      else this.#opened(link, gateway, view);
    } catch (error) {
      this.#isConnecting = false;
      if (!this.#stopping.signal.aborted) this.#tellRefused(gateway, 1);
      this.#guards.failed();
      this.#again(error);
    }
  }

  #turnTo(gateway: NetworkNode): void {
    if (!isSame(this.#gateway?.id, gateway.id)) {
      if (this.#gateway !== null) this.#linkKey = generateKeyPair();
      this.#awaySince = performance.now();
    }
    this.#gateway = gateway;
  }

  #opened(link: Link, gateway: NetworkNode, view: NetworkView): void {
    const recipient = clientRecipient(this.#linkKey.publicKey);
    this.#failures = 0;
    this.#tellRefused(gateway, 0);
    this.#guards.connected();
    this.#link = link;
    if (this.#core === null) this.#core = this.#newCore(view, gateway, recipient);
    else if (!isSame(this.#coreGateway, gateway.id)) {
      this.#core.useGateway(gateway.id, recipient, Date.now());
      this.#prepared.clear();
    }
    this.#coreGateway = gateway.id;
    link.start({
      onPackets: (message, { offset, stride, count }) => {
        for (let index = 0; index < count; index += 1) {
          const at = offset + index * stride;
          this.#delivered(Uint8Array.from(message.subarray(at, at + link.packetBytes)));
        }
      },
      onClose: (end) => {
        if (this.#link !== link) return;
        this.#link = null;
        this.#awaySince = performance.now();
        this.#options.loops?.cut(end.by === 'us' ? null : gateway.id.toHex());
        if (!this.#stopping.signal.aborted) this.#again(end.by === 'fault' ? end.error : null);
      },
    });
    this.#connected.resolve();
    this.#log('info', 'connected', { gateway: gateway.id.toHex() });
    this.#tick();
  }

  #newCore(view: NetworkView, gateway: NetworkNode, recipient: Uint8Array): MixClientCore {
    const { genesis, level, coverDepth = level } = this.#options;
    const { meanDelayMilliseconds: meanMilliseconds, delayCapMilliseconds: capMilliseconds } = genesis.traffic;
    const primitives = nodePrimitives(chooseBackend().backend.x25519);
    return new MixClientCore({
      packets: sphinxPackets(geometryOf(genesis.geometry), randomFillSync, primitives),
      numbers: this.#random,
      fillRandom: randomFillSync,
      drawDelay: () => drawDelayMilliseconds({ meanMilliseconds, capMilliseconds }, this.#random),
      view,
      gateway: gateway.id,
      recipient,
      coverLevel: coverDepth,
      watch: this.#journeys ?? undefined,
    });
  }

  /** Loops that would have been sent if there had been a link: `least`, or more by the time that has passed. */
  #tellRefused(gateway: NetworkNode, least: number): void {
    const now = performance.now();
    const { clientLoopIntervalMilliseconds } = this.#options.genesis.traffic;
    const missed = Math.max(least, Math.floor((now - this.#awaySince) / clientLoopIntervalMilliseconds));
    this.#awaySince = now;
    if (missed > 0) this.#options.loops?.refused(gateway.id.toHex(), missed);
  }

  /** Tries the same gateway, or another one, after a pause. */
  #again(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    this.#failures += 1;
    this.#log('warn', 'the gateway cannot be reached; another try follows', { error: String(error) });
    const pause = Math.min(
      CLIENT_LIMITS.redialMostMilliseconds,
      CLIENT_LIMITS.redialLeastMilliseconds * 2 ** this.#failures,
    );
    this.#restart(() => {
      this.#timer = null;
      const view = this.#view();
      if (view !== null) void this.#connect(view);
    }, pause);
  }

  /** Sends what is due, hears what has become due, and waits for the next. */
  #tick(): void {
    const core = this.#core;
    if (core === null || this.#link === null) return;
    const now = performance.now();
    for (const event of this.#streams.next(now, this.#random, 0)) this.#send(core, event);
    this.#follow(core.tick(Date.now()));
    this.#prepare(core);
    const due = Math.min(this.#streams.nextAtMilliseconds - performance.now(), core.nextDueAt() - Date.now());
    this.#restart(() => this.#tick(), Math.min(Math.max(1, due), CLIENT_LIMITS.mostTimerMilliseconds));
  }

  #prepare(core: MixClientCore): void {
    // Of two clocks: slots are of the one that nobody sets.
    const offset = Date.now() - performance.now();
    this.#prepared.prepare(core, (stream) => Math.round(this.#streams.nextOf(stream) + offset), Date.now());
  }

  #restart(work: () => void, milliseconds: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (!this.#stopping.signal.aborted) this.#timer = setTimeout(work, milliseconds);
  }

  #send(core: MixClientCore, { stream }: SendEvent): void {
    try {
      const { packet, token, relays } = this.#prepared.take(core, stream, Date.now());
      const fate = this.#link?.sendPacket(packet);
      if (token !== null) {
        if (fate === 'sent') this.#options.loops?.sent(token, relays);
        else if (fate === 'full') this.#options.loops?.refused(relays[0] as string, 1);
        this.counters.loopsSent += 1;
      }
      this.counters.sent += 1;
    } catch {
      // No path at this moment, e.g. for want of a consensus: the slot stays empty, as it does for everybody then.
      this.counters.withoutPath += 1;
    }
  }

  /**
   * Nothing but answers and loops comes to a client, by its own reply blocks; both look the same to its gateway. The
   * gateway's dummies (see ../node/mailboxes.ts) take the same way and are nothing.
   */
  #delivered(delivery: Uint8Array): void {
    const core = this.#core;
    const outcome = outcomeOf(delivery);
    if (outcome === null) this.counters.malformedDeliveries += 1;
    if (core === null || outcome?.status !== 'reply') return;
    const body = delivery.subarray(geometryOf(this.#options.genesis.geometry).headerBytes);
    this.#follow(core.receive(outcome.replyId, body, Date.now()), outcome.replyId);
    this.#tick();
  }

  /** `replyId`: of the reply block by which they came, if by one. */
  #follow(effects: readonly ClientEffect[], replyId: Uint8Array | null = null): void {
    for (const effect of effects) {
      this.#pending.follow(effect, replyId);
      if (effect.kind !== 'loop') continue;
      this.counters.loopsReturned += 1;
      this.#options.loops?.returned(effect.token);
    }
  }

  #relayOf({ id }: NetworkNode) {
    const name = id.toHex();
    const found = this.#follower.consensuses.flatMap(({ body }) => body.nodes).findLast((node) => node.id === name);
    if (found === undefined) throw new FogError('internal', 'a node of the view is unknown');
    return { addresses: found.addresses, linkKey: Uint8Array.from(Buffer.from(found.linkKey, 'hex')) };
  }

  #log(level: 'info' | 'warn', message: string, details: Record<string, unknown>): void {
    this.#options.log?.(level, message, details);
  }
}

/** A gateway is a stranger, too: null for what no honest one delivers. */
function outcomeOf(delivery: Uint8Array): Outcome | null {
  try {
    return readOutcome(delivery);
  } catch {
    return null;
  }
}

function isSame(known: Uint8Array | null | undefined, id: Uint8Array): boolean {
  return known != null && Buffer.compare(known, id) === 0;
}
