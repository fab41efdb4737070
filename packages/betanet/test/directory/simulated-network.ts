/**
 * Authorities and relays on a network of messages that come late, twice, in another order or not at all, in simulated
 * time. Everything follows from a seed. Authorities run the code that ships; a liar runs it too, and changes what it
 * sends.
 */

import { createHash } from 'node:crypto';
import { seededRandom } from '../../../../test/support/seeded-random.ts';
import {
  type AuthorityContext,
  type AuthorityEffect,
  type AuthorityEvent,
  type AuthorityState,
  agreedSeed,
  authorityStateSchema,
  type Consensus,
  documentDigest,
  type Evidence,
  type Genesis,
  lotteryInput,
  NEW_AUTHORITY,
  nextDeadline,
  resend,
  roundFor,
  stepAuthority,
} from '../../src/index.ts';
import { cheapProof, contextOf, SOURCE, type TestRelay } from './members.ts';

export interface SimulationOptions {
  seed: number;
  genesis: Genesis;
  relays: readonly TestRelay[];
  /** Rounds 0 to this one less one. */
  rounds: number;
  /** Share of messages that are lost, and that come twice. */
  loss?: number;
  duplicates?: number;
  mostDelayMilliseconds?: number;
  /** By which clocks of authorities differ from the true time, at most. */
  mostSkewMilliseconds?: number;
  /** Authorities that never run. */
  down?: readonly string[];
  /** Chance that an authority crashes at a deadline; it is back, with the state it had saved, within an epoch. */
  crashes?: number;
  /** What the liar sends instead of a message, to whom, when. Nothing: the message is not sent. */
  liar?: Liar;
}

export interface Liar {
  name: string;
  twist(sent: {
    effect: Extract<AuthorityEffect, { kind: 'broadcast' }>;
    to: string;
    random: () => number;
    context: AuthorityContext;
  }): { document: unknown; delayMilliseconds?: number }[];
}

interface Actor {
  context: AuthorityContext;
  state: AuthorityState;
  skewMilliseconds: number;
  downUntil: number;
}

export interface Outcome {
  /** By epoch and authority, what each has published. */
  published: { epoch: number; authority: string; consensus: Consensus; digest: string }[];
  adopted: { epoch: number; authority: string; digest: string }[];
  evidence: { by: string; evidence: Evidence }[];
  refusals: Map<string, number>;
}

export class SimulatedNetwork {
  readonly outcome: Outcome = { published: [], adopted: [], evidence: [], refusals: new Map() };
  readonly #options: SimulationOptions;
  readonly #random: () => number;
  readonly #actors = new Map<string, Actor>();
  readonly #queue: { at: number; order: number; run: (at: number) => void }[] = [];
  readonly #notices = new Map<string, unknown[]>();
  readonly #proved = new Set<string>();
  #order = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const { genesis, mostSkewMilliseconds = 0 } = options;
    for (const { id } of genesis.authorities) {
      if (options.down?.includes(id)) continue;
      const random = (bytes: number) =>
        new Uint8Array(createHash('sha512').update(`${id} ${this.#random()}`).digest().subarray(0, bytes));
      this.#actors.set(id, {
        context: contextOf(id, genesis, { random }),
        state: NEW_AUTHORITY,
        skewMilliseconds: Math.round((this.#random() * 2 - 1) * mostSkewMilliseconds),
        downUntil: 0,
      });
    }
  }

  run(): Outcome {
    const { genesis, rounds, relays } = this.#options;
    const end = roundFor(genesis, rounds - 1).endsAtMilliseconds;
    const begin = roundFor(genesis, 0).startsAtMilliseconds;
    for (const name of this.#actors.keys()) this.#at(begin - 500, (at) => this.#wake(name, at));
    for (let epoch = 0; epoch < rounds; epoch += 1) {
      const { startsAtMilliseconds } = roundFor(genesis, epoch);
      for (const relay of relays) {
        for (const again of [300, 700, 1100]) {
          this.#at(startsAtMilliseconds + again, (at) => this.#register(relay, epoch, at));
        }
      }
    }
    for (;;) {
      this.#queue.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.#queue.shift();
      if (next === undefined || next.at > end) return this.outcome;
      next.run(next.at);
    }
  }

  #at(at: number, run: (at: number) => void): void {
    this.#order += 1;
    this.#queue.push({ at, order: this.#order, run });
  }

  /** At each deadline by the authority's own clock, and twice between two of them for what may have been lost. */
  #wake(name: string, at: number): void {
    const actor = this.#actor(name);
    const { genesis, crashes = 0 } = this.#options;
    if (this.#random() < crashes) {
      actor.downUntil = at + this.#random() * genesis.epochMilliseconds;
      actor.state = authorityStateSchema.parse(JSON.parse(JSON.stringify(actor.state)));
    }
    this.#tell(name, { kind: 'tick' }, at);
    const own = at + actor.skewMilliseconds;
    const deadline = nextDeadline(genesis, own);
    for (const share of [1 / 3, 2 / 3]) this.#at(at + (deadline - own) * share, (then) => this.#resend(name, then));
    this.#at(at + deadline - own, (then) => this.#wake(name, then));
  }

  #resend(name: string, at: number): void {
    const actor = this.#actor(name);
    if (at < actor.downUntil || (this.#options.loss ?? 0) === 0) return;
    this.#carryOut(name, resend(actor.state, actor.context), at);
  }

  #tell(name: string, event: AuthorityEvent, at: number): void {
    const actor = this.#actor(name);
    if (at < actor.downUntil) return;
    const { state, effects } = stepAuthority(actor.state, event, at + actor.skewMilliseconds, actor.context);
    actor.state = state;
    this.#carryOut(name, effects, at);
  }

  #carryOut(name: string, effects: readonly AuthorityEffect[], at: number): void {
    for (const effect of effects) {
      switch (effect.kind) {
        case 'broadcast':
          for (const to of this.#actors.keys()) if (to !== name) this.#send(name, to, effect, at);
          break;
        case 'announce-seed':
          for (const relay of this.#options.relays) {
            this.#deliver(at, (then) => this.#hear(relay, effect.document, then));
          }
          break;
        case 'publish':
          this.#publish(name, effect.consensus, at);
          break;
        case 'adopt': {
          const { epoch } = effect.consensus.body;
          this.outcome.adopted.push({ epoch, authority: name, digest: documentDigest(effect.consensus.body) });
          break;
        }
        case 'evidence':
          this.outcome.evidence.push({ by: name, evidence: effect.evidence });
          break;
        case 'refused':
          this.outcome.refusals.set(effect.reason, (this.outcome.refusals.get(effect.reason) ?? 0) + 1);
          break;
      }
    }
  }

  #publish(name: string, consensus: Consensus, at: number): void {
    const { epoch } = consensus.body;
    this.outcome.published.push({ epoch, authority: name, consensus, digest: documentDigest(consensus.body) });
    for (const to of this.#actors.keys()) {
      if (to !== name) this.#deliver(at, (then) => this.#tell(to, { kind: 'consensus', document: consensus }, then));
    }
  }

  #send(from: string, to: string, effect: Extract<AuthorityEffect, { kind: 'broadcast' }>, at: number): void {
    const { liar } = this.#options;
    const { context } = this.#actor(from);
    const twisted =
      liar?.name === from
        ? liar.twist({ effect, to, random: this.#random, context })
        : [{ document: effect.document, delayMilliseconds: 0 }];
    for (const { document, delayMilliseconds = 0 } of twisted) {
      this.#deliver(at + delayMilliseconds, (then) => this.#tell(to, { kind: 'message', document }, then));
    }
  }

  #register(relay: TestRelay, epoch: number, at: number): void {
    const document = relay.describe(this.#options.genesis, epoch, { sequence: epoch });
    for (const name of this.#actors.keys()) {
      this.#deliver(at, (then) => this.#tell(name, { kind: 'descriptor', document, source: SOURCE }, then));
    }
  }

  #hear(relay: TestRelay, notice: { body: { epoch: number } }, at: number): void {
    const { genesis } = this.#options;
    const { epoch } = notice.body;
    const key = `${relay.id} ${epoch}`;
    const notices = [...(this.#notices.get(key) ?? []), notice];
    this.#notices.set(key, notices);
    const seed = agreedSeed(genesis, epoch, notices);
    if (seed === null || this.#proved.has(key) || relay.role !== 'mix') return;
    this.#proved.add(key);
    const { vrfKey } = relay.describe(genesis, epoch).body;
    for (const [name, { context }] of this.#actors) {
      const draw = { network: context.network, epoch, seed, id: relay.id };
      const proof = Buffer.from(cheapProof(Buffer.from(vrfKey, 'hex'), lotteryInput(draw))).toString('hex');
      const document = { kind: 'draw-proof', network: context.network, epoch, id: relay.id, proof };
      // An authority that is late by its clock does not know the seed yet: a relay asks again.
      for (const wait of [0, 250]) {
        this.#deliver(at + wait, (then) => this.#tell(name, { kind: 'proof', document }, then));
      }
    }
  }

  #deliver(at: number, run: (at: number) => void): void {
    const { loss = 0, duplicates = 0, mostDelayMilliseconds = 20 } = this.#options;
    const copies = this.#random() < duplicates ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (this.#random() >= loss) this.#at(at + this.#random() * mostDelayMilliseconds, run);
    }
  }

  #actor(name: string): Actor {
    const actor = this.#actors.get(name);
    if (actor === undefined) throw new Error(`there is no authority ${name}`);
    return actor;
  }
}
