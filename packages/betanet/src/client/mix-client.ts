/**
 * A client of the mix network as a program: mix-client-core.ts with a clock, a link to a gateway and the directory.
 *
 *     starting --consensus--> connecting --> connected --cut--> connecting ...
 *                                                '--close--> closed
 *     any of them --this clock is wrong, or a packet cannot be made at all--> failed: what waits is rejected with the reason, and nothing is sent any more
 *
 * It sends as long as it is connected, whether it has something to say or not: an observer of its link sees three
 * Poisson streams of packets of one size (see ../mixing/cover-streams.ts). It stays with few gateways
 * (gateway-guards.ts), to each of which it is somebody else: the key of its link is made anew for each change.
 */
import { randomFillSync } from 'node:crypto';
import { FogError } from '@fog/contract';
import { chooseBackend, geometryOf, nodePrimitives, type Outcome, readOutcome } from '@fog/sphinx';
import { dialLinkAtAny, formatTcpAddress, generateKeyPair, type Link } from '@fog/transport';
import type { Consensus } from '../directory/documents.ts';
import { networkIdOf } from '../directory/genesis.ts';
import { ConsensusFollower } from '../directory-service/consensus-follower.ts';
import { DirectoryClient } from '../directory-service/directory-client.ts';
import { ClientStreams } from '../mixing/cover-streams.ts';
import { drawDelayMilliseconds } from '../mixing/exponential.ts';
import { RandomNumbers } from '../mixing/random-numbers.ts';
import type { SendingPlan } from '../mixing/sending-plan.ts';
import { clientRecipient } from '../node/mailboxes.ts';
import type { Destination } from './client-session.ts';
import { GatewayGuards } from './gateway-guards.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { type ClientEffect, MixClientCore } from './mix-client-core.ts';
import type { MixClientProgramOptions, Request } from './mix-client-options.ts';
import type { NetworkNode, NetworkView } from './network-view.ts';
import { PacketJourneys } from './packet-journeys.ts';
import { PendingAnswers, type TracedAnswer } from './pending-answers.ts';
import { SlotSender } from './slot-sender.ts';
import { sphinxPackets } from './sphinx-packets.ts';
import { viewOfConsensus } from './view-of-consensus.ts';
import { drawByWeight } from './weighted-draw.ts';

export class MixClient implements AsyncDisposable {
  readonly #options: MixClientProgramOptions;
  readonly #follower: ConsensusFollower;
  readonly #random = new RandomNumbers(randomFillSync);
  readonly #stopping = new AbortController();
  /** Made for one gateway in one run: nobody can tell that two are of one person. */
  #linkKey = generateKeyPair();
  readonly #guards = new GatewayGuards();
  readonly #slots: SlotSender;
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
  #loopsReturned = 0;
  #malformedDeliveries = 0;

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
    const streams = new ClientStreams(rates, { bytesPerHour, packetBytes }, performance.now(), this.#random);
    this.#slots = new SlotSender({ streams, random: this.#random, loops: options.loops });
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
    return this.#slots.plan;
  }

  get counters() {
    const [loopsReturned, malformedDeliveries] = [this.#loopsReturned, this.#malformedDeliveries];
    return { ...this.#slots.counters, loopsReturned, malformedDeliveries };
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
    this.#slots.prepare(core);
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
      this.#slots.clear();
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
    const link = this.#link;
    try {
      this.#slots.sendDue(core, (packet) => link.sendPacket(packet));
      this.#follow(core.tick(Date.now()));
      this.#slots.prepare(core);
    } catch (error) {
      // Nobody waits for what a timer does.
      return this.#fail(FogError.from(error));
    }
    const due = Math.min(this.#slots.nextAtMilliseconds - performance.now(), core.nextDueAt() - Date.now());
    this.#restart(() => this.#tick(), Math.min(Math.max(1, due), CLIENT_LIMITS.mostTimerMilliseconds));
  }

  #restart(work: () => void, milliseconds: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (!this.#stopping.signal.aborted) this.#timer = setTimeout(work, milliseconds);
  }

  /**
   * Nothing but answers and loops comes to a client, by its own reply blocks; both look the same to its gateway. The
   * gateway's dummies (see ../node/mailboxes.ts) take the same way and are nothing.
   */
  #delivered(delivery: Uint8Array): void {
    const core = this.#core;
    const outcome = outcomeOf(delivery);
    if (outcome === null) this.#malformedDeliveries += 1;
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
      this.#loopsReturned += 1;
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
