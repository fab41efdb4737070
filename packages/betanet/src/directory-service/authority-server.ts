/**
 * A directory authority as a program: authority.ts with a clock, a disk and HTTP. The state is written before anything
 * that follows from it is told.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FogError } from '@fog/contract';
import { networkPrefix } from '@fog/contract/node';
import type { Transport } from '@fog/transport';
import Fastify, { type FastifyInstance } from 'fastify';
import { resend, stepAuthority } from '../directory/authority.ts';
import {
  type AuthorityContext,
  type AuthorityEffect,
  type AuthorityEvent,
  type AuthorityState,
  authorityStateSchema,
  NEW_AUTHORITY,
} from '../directory/authority-state.ts';
import type { AuthorityMessage, Consensus, SeedNotice } from '../directory/documents.ts';
import { type Genesis, networkIdOf } from '../directory/genesis.ts';
import { DIRECTORY_LIMITS } from '../directory/limits.ts';
import type { ProbedLoop } from '../directory/probe-record.ts';
import { nextDeadline } from '../directory/schedule.ts';
import { documentDigest, ed25519PublicKey, ed25519Signer, type Signed } from '../directory/signed-document.ts';
import { firstEmptyLayer } from '../directory/verify-consensus.ts';
import { verifyProof } from '../lottery/relay-lottery.ts';
import type { StandingSource } from '../lottery/standing.ts';
import { NO_ECONOMY } from '../lottery/standing.ts';
import { PrefixLimits } from '../mixing/prefix-limits.ts';
import { DirectoryClient } from './directory-client.ts';
import { type AuthorityStatus, DIRECTORY_ROUTES } from './directory-routes.ts';
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
  /** By which it sends probe loops through the network. Default: null, it measures nothing. */
  transport?: Transport | null;
  /** Default: `DIRECTORY_SERVICE_LIMITS.probeClients`. */
  probeClients?: number;
  /** Default: everybody stands alike. */
  standing?: StandingSource;
  log(level: 'info' | 'warn', message: string, details: Record<string, unknown>): void;
}

const STATE_FILE = 'authority.json';
/** RFC 6177: of IPv6 most households have /56. */
const HOUSEHOLD = { ipv4Bits: 24, ipv6Bits: 56 };

export class AuthorityServer implements AsyncDisposable {
  readonly #options: AuthorityServerOptions;
  readonly #context: AuthorityContext;
  readonly #http: FastifyInstance;
  readonly #directory: DirectoryClient;
  readonly #stopping = new AbortController();
  #state: AuthorityState;
  readonly #consensuses = new Map<number, Consensus>();
  #seed: Signed<SeedNotice> | null = null;
  /** Events that came while the state was being written: they share the next write. */
  readonly #waiting: {
    events: readonly AuthorityEvent[];
    resolve(refusal: string | null): void;
    reject(error: unknown): void;
  }[] = [];
  #last: Promise<unknown> = Promise.resolve();
  readonly #limits = new PrefixLimits({
    rule: {
      tokensPerSecond: DIRECTORY_SERVICE_LIMITS.requestsPerSecond,
      burstTokens: DIRECTORY_SERVICE_LIMITS.requestsPerSecond,
    },
    capacity: DIRECTORY_SERVICE_LIMITS.prefixes,
  });
  readonly refusals = new Map<string, number>();
  #isOnDisk = true;
  #probes: ProbeClients | null = null;

  private constructor(options: AuthorityServerOptions, state: AuthorityState) {
    const { genesis, authority, secretKey, standing = NO_ECONOMY } = options;
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
    const { genesis, transport = null, probeClients } = this.#options;
    if (transport === null) return;
    this.#probes = new ProbeClients({
      genesis,
      transport,
      clients: probeClients ?? DIRECTORY_SERVICE_LIMITS.probeClients,
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
  #take(...events: readonly AuthorityEvent[]): Promise<string | null> {
    const { promise, resolve, reject } = Promise.withResolvers<string | null>();
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
  async #step(rows: readonly (readonly AuthorityEvent[])[]): Promise<(string | null)[]> {
    let state = this.#state;
    const effects: AuthorityEffect[] = [];
    const refusals = rows.map((events) => {
      let refusal: string | null = null;
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
        this.refusals.set(effect.reason, (this.refusals.get(effect.reason) ?? 0) + 1);
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
    this.#consensuses.set(consensus.body.epoch, consensus);
    for (const epoch of this.#consensuses.keys()) {
      if (this.#consensuses.size <= DIRECTORY_SERVICE_LIMITS.keptConsensuses) break;
      this.#consensuses.delete(epoch);
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
    const http = Fastify({ bodyLimit: DIRECTORY_LIMITS.descriptorBytes, requestTimeout: 10_000 });
    const { genesis } = this.#options;
    http.addHook('onRequest', async ({ ip }, reply) => {
      const prefix = networkPrefix(ip, HOUSEHOLD) ?? ip;
      if (this.#limits.take(prefix, performance.now())) return;
      await reply.code(429).send({ title: 'Too many requests', status: 429, detail: 'ask again in a second' });
    });
    http.get(DIRECTORY_ROUTES.genesis, () => genesis);
    http.get(DIRECTORY_ROUTES.status, () => this.status());
    http.get(DIRECTORY_ROUTES.current, (): AuthorityMessage[] =>
      resend(this.#state, this.#context).flatMap((effect) => (effect.kind === 'broadcast' ? [effect.document] : [])),
    );
    http.get<{ Params: { epoch: string } }>('/v1/consensus/:epoch', ({ params: { epoch } }, reply) => {
      const consensus = epoch === 'latest' ? this.#state.latest : this.#consensuses.get(Number(epoch));
      return consensus ?? reply.code(404).send(notThere(`no consensus for epoch ${epoch}`));
    });
    http.get<{ Params: { epoch: string } }>('/v1/seed/:epoch', ({ params: { epoch } }, reply) => {
      const seed = this.#seed?.body.epoch === Number(epoch) ? this.#seed : null;
      return seed ?? reply.code(404).send(notThere(`no seed for epoch ${epoch}`));
    });
    for (const [path, kind] of [
      [DIRECTORY_ROUTES.descriptors, 'descriptor'],
      [DIRECTORY_ROUTES.proofs, 'proof'],
    ] as const) {
      http.post(path, async ({ body }, reply) => {
        const refusal = await this.#take({ kind, document: body });
        // What is there already is where its sender wants it.
        if (refusal === null || refusal === 'known') return reply.code(204).send();
        return reply.code(422).send({ title: `The ${kind} was refused`, status: 422, detail: refusal });
      });
    }
    return http;
  }
}

function notThere(detail: string): { title: string; status: number; detail: string } {
  return { title: 'There is no such thing', status: 404, detail };
}

/** Nothing there: a new authority. */
async function readState(path: string): Promise<AuthorityState> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return NEW_AUTHORITY;
  const parsed = authorityStateSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new FogError('data-directory', `${path} is no state of an authority of this version`, {
    hint: 'move the file away; the authority then starts anew and takes part from the next round on',
  });
}

/** It holds the value of a commitment until that is revealed, so it is the owner's alone. */
async function writeState(path: string, state: AuthorityState): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(state), { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
}
