/**
 * A directory authority as a program: authority.ts with a clock, a disk and HTTP. The state is written before anything
 * that follows from it is told.
 */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FogError } from '@fog/contract';
import type { Transport } from '@fog/transport';
import type { FastifyInstance } from 'fastify';
import { resend, stepAuthority } from '../directory/authority.ts';
import { onDescriptor } from '../directory/authority-relays.ts';
import type {
  AuthorityContext,
  AuthorityEffect,
  AuthorityEvent,
  AuthorityState,
  Refusal,
} from '../directory/authority-state.ts';
import type { AuthorityClock, Consensus, SeedNotice, SignedDescriptor } from '../directory/documents.ts';
import { type Genesis, networkIdOf } from '../directory/genesis.ts';
import type { ProbedLoop } from '../directory/probe-record.ts';
import { nextDeadline } from '../directory/schedule.ts';
import {
  documentDigest,
  ed25519PublicKey,
  ed25519Signer,
  type Signed,
  signDocument,
} from '../directory/signed-document.ts';
import { firstEmptyLayer } from '../directory/verify-consensus.ts';
import { verifyProof } from '../lottery/relay-lottery.ts';
import type { StandingSource } from '../lottery/standing.ts';
import { NO_ECONOMY } from '../lottery/standing.ts';
import { readState, writeState } from './authority-file.ts';
import { authorityHttp, type ConsensusText } from './authority-http.ts';
import { DialBack } from './dial-back.ts';
import { DirectoryClient } from './directory-client.ts';
import type { AuthorityStatus } from './directory-routes.ts';
import { DIRECTORY_SERVICE_LIMITS } from './limits.ts';
import { ProbeClients } from './probe-clients.ts';

export interface AuthorityServerOptions {
  genesis: Genesis;
  /** The authority's name in the genesis. */
  authority: string;
  /** Its Ed25519 secret key, 32 bytes. */
  secretKey: Uint8Array;
  folder: string;
  listen: { host: string; port: number };
  /**
   * By which it dials relays that it hears of, and sends probe loops through the network. Default: null, it believes
   * where relays say that they are, and measures nothing.
   */
  transport?: Transport | null;
  /** Default: `DIRECTORY_SERVICE_LIMITS.probeClients`. */
  probeClients?: number;
  /** Default: everybody stands alike. */
  standing?: StandingSource;
  log(level: 'info' | 'warn', message: string, details: Record<string, unknown>): void;
}

const STATE_FILE = 'authority.json';

export class AuthorityServer implements AsyncDisposable {
  readonly #options: AuthorityServerOptions;
  readonly #context: AuthorityContext;
  readonly #http: FastifyInstance;
  readonly #directory: DirectoryClient;
  readonly #stopping = new AbortController();
  #state: AuthorityState;
  readonly #kept = new Map<number, ConsensusText>();
  /** What it has to say to the others, as text. */
  #said: { round: AuthorityState['round']; bytes: Buffer } | null = null;
  readonly #dialBack: DialBack | null;
  #seed: Signed<SeedNotice> | null = null;
  /** Events that came while the state was being written: they share the next write. */
  readonly #waiting: {
    events: readonly AuthorityEvent[];
    resolve(refusal: Refusal | null): void;
    reject(error: unknown): void;
  }[] = [];
  #last: Promise<unknown> = Promise.resolve();
  readonly refusals = new Map<Refusal, number>();
  #isOnDisk = true;
  #probes: ProbeClients | null = null;

  private constructor(options: AuthorityServerOptions, state: AuthorityState) {
    const { genesis, authority, secretKey, transport = null, standing = NO_ECONOMY } = options;
    this.#options = options;
    this.#state = state;
    this.#context = {
      genesis,
      network: networkIdOf(genesis),
      authority,
      sign: ed25519Signer(secretKey),
      random: (bytes) => randomBytes(bytes),
      standing,
      verifyProof,
    };
    this.#directory = new DirectoryClient(genesis, this.#stopping.signal);
    this.#dialBack = transport === null ? null : new DialBack(genesis, transport, this.#stopping.signal);
    this.#http = this.#routes();
    if (state.latest !== null) this.#keep(state.latest);
  }

  /** Throws `invalid-configuration` when the key is not the one of the genesis, and `data-directory`. */
  static async start(options: AuthorityServerOptions): Promise<AuthorityServer> {
    const { genesis, authority, secretKey, folder, listen } = options;
    const own = genesis.authorities.find(({ id }) => id === authority);
    if (own?.publicKey !== ed25519PublicKey(secretKey)) {
      throw new FogError('invalid-configuration', `the key is not that of authority "${authority}" in the genesis`);
    }
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const server = new AuthorityServer(options, await readState(join(folder, STATE_FILE)));
    await server.#http.listen(listen);
    void server.#followTime();
    for (const other of genesis.authorities) if (other.id !== authority) void server.#followOther(other);
    void server.#followConsensus();
    server.#probe();
    return server;
  }

  /** Probe loops that have ended since the last call, for the performance of relays. */
  async measured(loops: readonly ProbedLoop[]): Promise<void> {
    await this.#take({ kind: 'measured', loops });
  }

  #probe(): void {
    const { genesis, transport = null, probeClients: clients = DIRECTORY_SERVICE_LIMITS.probeClients } = this.#options;
    if (transport === null || clients === 0) return;
    this.#probes = new ProbeClients({
      genesis,
      transport,
      clients,
      measured: (loops) => void this.measured(loops).catch((error: unknown) => this.#troubled(error)),
    });
  }

  get latest(): Consensus | null {
    return this.#state.latest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#probes?.[Symbol.asyncDispose]();
    await this.#http.close();
    await this.#last;
  }

  status(): AuthorityStatus {
    const { round, latest, descriptors } = this.#state;
    return {
      authority: this.#options.authority,
      network: this.#context.network,
      milliseconds: Date.now(),
      round: round === null ? null : { epoch: round.epoch, step: round.step, failure: round.failure },
      consensusEpoch: latest?.body.epoch ?? null,
      descriptors: descriptors.length,
    };
  }

  /** Answers what the last of the events was refused for, or null, when the state that follows is on the disk. */
  #take(...events: readonly AuthorityEvent[]): Promise<Refusal | null> {
    const { promise, resolve, reject } = Promise.withResolvers<Refusal | null>();
    this.#waiting.push({ events, resolve, reject });
    if (this.#waiting.length === 1) this.#last = this.#last.then(() => this.#takeWaiting());
    return promise;
  }

  async #takeWaiting(): Promise<void> {
    const waiting = this.#waiting.splice(0);
    try {
      const refusals = await this.#step(waiting.map(({ events }) => events));
      for (const [index, { resolve }] of waiting.entries()) resolve(refusals[index] ?? null);
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }

  /** Writes the state once for all of the events; nothing that follows from them is told before. */
  async #step(rows: readonly (readonly AuthorityEvent[])[]): Promise<(Refusal | null)[]> {
    let state = this.#state;
    const effects: AuthorityEffect[] = [];
    const refusals = rows.map((events) => {
      let refusal: Refusal | null = null;
      for (const event of events) {
        const step = stepAuthority(state, event, Date.now(), this.#context);
        state = step.state;
        effects.push(...step.effects);
        refusal = step.effects.find((effect) => effect.kind === 'refused')?.reason ?? null;
      }
      return refusal;
    });
    if (state !== this.#state || !this.#isOnDisk) {
      this.#state = state;
      this.#isOnDisk = false;
      await writeState(join(this.#options.folder, STATE_FILE), state);
      this.#isOnDisk = true;
    }
    for (const effect of effects) this.#carryOut(effect);
    return refusals;
  }

  #carryOut(effect: AuthorityEffect): void {
    const { log } = this.#options;
    switch (effect.kind) {
      case 'broadcast':
        return; // The others come for it.
      case 'announce-seed':
        this.#seed = effect.document;
        return;
      case 'publish':
      case 'adopt':
        this.#keep(effect.consensus);
        if (firstEmptyLayer(effect.consensus.body) !== null) {
          log('warn', 'a layer has no mix: nobody can use this consensus', { epoch: effect.consensus.body.epoch });
        }
        return log('info', effect.kind === 'publish' ? 'consensus published' : 'consensus of the others adopted', {
          epoch: effect.consensus.body.epoch,
          nodes: effect.consensus.body.nodes.length,
        });
      case 'refused':
        this.#refused(effect.reason);
        return;
      case 'evidence':
        return log('warn', 'an authority has signed two documents where one is due', {
          authority: effect.evidence.authority,
          kind: effect.evidence.first.body.kind,
          digests: [effect.evidence.first, effect.evidence.second].map(({ body }) => documentDigest(body)),
        });
      case 'disagreement':
        return log('warn', 'another authority has endorsed another consensus', {
          authority: effect.authority,
          digest: effect.digest,
        });
      case 'round-failed':
        return log('warn', 'there will be no consensus', { epoch: effect.epoch, reason: effect.reason });
    }
  }

  #keep(consensus: Consensus): void {
    const { body } = consensus;
    this.#kept.set(body.epoch, { digest: documentDigest(body), bytes: Buffer.from(JSON.stringify(consensus)) });
    for (const epoch of this.#kept.keys()) {
      if (this.#kept.size <= DIRECTORY_SERVICE_LIMITS.keptConsensuses) break;
      this.#kept.delete(epoch);
    }
  }

  async #followTime(): Promise<void> {
    const { genesis } = this.#options;
    while (!this.#stopping.signal.aborted) {
      await this.#take({ kind: 'tick' }).catch((error: unknown) => this.#troubled(error));
      const due = nextDeadline(genesis, Date.now()) - Date.now();
      await this.#sleep(Math.min(Math.max(due, 1), DIRECTORY_SERVICE_LIMITS.mostPollMilliseconds));
    }
  }

  /** Fetches what another says, some times in each step. Each in its own time: one that is slow holds up nobody else. */
  async #followOther(other: Genesis['authorities'][number]): Promise<void> {
    let isAway = false;
    while (!this.#stopping.signal.aborted) {
      const error = await this.#hear(other).then(
        () => null,
        (reason: unknown) => reason,
      );
      // Told once until it is heard again; nobody is missed before the first round begins.
      const isMissed = error !== null && this.#state.round !== null && !this.#stopping.signal.aborted;
      if (isMissed && !isAway) {
        const details = { authority: other.id, error: String(error) };
        this.#options.log('warn', 'another authority cannot be asked; it is tried again', details);
      }
      isAway = isMissed;
      await this.#sleep(this.#fetchPause());
    }
  }

  /** Looks for the others' consensus while this authority has none. */
  async #followConsensus(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#adoptIfNone().catch((error: unknown) => this.#troubled(error));
      await this.#sleep(this.#fetchPause());
    }
  }

  async #hear(other: Genesis['authorities'][number]): Promise<void> {
    const documents = await this.#directory.current(other);
    if (!Array.isArray(documents)) return;
    for (const document of documents.slice(0, 4)) await this.#take({ kind: 'message', document });
  }

  async #adoptIfNone(): Promise<void> {
    const { round, latest } = this.#state;
    if (round === null || round.step !== 'idle' || (latest?.body.epoch ?? -1) >= round.epoch) return;
    for (const { value } of await this.#directory.consensus(round.epoch)) {
      await this.#take({ kind: 'consensus', document: value });
    }
  }

  #fetchPause(): number {
    const now = Date.now();
    const { leastFetchMilliseconds, fetchesPerStep, mostPollMilliseconds } = DIRECTORY_SERVICE_LIMITS;
    const left = nextDeadline(this.#options.genesis, now) - now;
    return Math.min(Math.max(left / fetchesPerStep, leastFetchMilliseconds), mostPollMilliseconds);
  }

  async #sleep(milliseconds: number): Promise<void> {
    const { signal } = this.#stopping;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }

  #troubled(error: unknown): void {
    this.#options.log('warn', 'the authority could not go on; it tries again', { error: String(error) });
  }

  #routes(): FastifyInstance {
    const { genesis } = this.#options;
    const { network, authority, sign } = this.#context;
    return authorityHttp({
      genesis,
      now: () => performance.now(),
      status: () => this.status(),
      clock: (nonce) =>
        signDocument<AuthorityClock>(
          { kind: 'clock', network, authority, nonce, milliseconds: Math.max(0, Date.now()) },
          sign,
        ),
      current: () => this.#current(),
      consensus: (epoch) => this.#kept.get(epoch === 'latest' ? (this.#state.latest?.body.epoch ?? -1) : epoch) ?? null,
      seed: (epoch) => (this.#seed?.body.epoch === epoch ? this.#seed : null),
      descriptor: (document, source) => this.#takeDescriptor(document, source),
      proof: (document) => this.#take({ kind: 'proof', document }),
    });
  }

  /** Made once for each state of the round: to write a large witness as text takes longer than to send it. */
  #current(): Buffer {
    const { round } = this.#state;
    if (this.#said === null || this.#said.round !== round) {
      const said = resend(this.#state, this.#context);
      const documents = said.flatMap((effect) => (effect.kind === 'broadcast' ? [effect.document] : []));
      this.#said = { round, bytes: Buffer.from(JSON.stringify(documents)) };
    }
    return this.#said.bytes;
  }

  /** A relay is dialled only for a descriptor that would be taken. */
  async #takeDescriptor(document: unknown, source: string): Promise<Refusal | null> {
    const event = { kind: 'descriptor', document, source } as const;
    const { effects } = onDescriptor(this.#state, event, Date.now(), this.#context);
    const refused = effects.find((effect) => effect.kind === 'refused');
    if (refused === undefined && this.#dialBack !== null) {
      const reason = await this.#dialBack.refusal((document as SignedDescriptor).body, source);
      if (reason !== null) return this.#refused(reason);
    }
    return refused === undefined ? this.#take(event) : this.#refused(refused.reason);
  }

  #refused(reason: Refusal): Refusal {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
    return reason;
  }
}
