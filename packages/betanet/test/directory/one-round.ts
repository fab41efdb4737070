/** The round of one epoch among authorities that hear everything, with all that was sent in it. */
import {
  type AuthorityContext,
  type AuthorityEffect,
  type AuthorityEvent,
  type AuthorityMessage,
  type AuthorityState,
  type Consensus,
  type DrawProof,
  type Genesis,
  lotteryInput,
  makeDrawProof,
  NEW_AUTHORITY,
  ROUND_STEPS,
  roundFor,
  type SeedNotice,
  type Signed,
  type SignedDescriptor,
  stepAuthority,
  stepEnd,
  type VerifyProof,
} from '../../src/index.ts';
import { cheapProof, contextOf, SOURCE, type TestRelay, verifyCheapProof } from './members.ts';

export interface RoundRecord {
  descriptors: SignedDescriptor[];
  messages: AuthorityMessage[];
  notices: Signed<SeedNotice>[];
  proofs: DrawProof[];
  consensus: Consensus;
  effects: AuthorityEffect[];
  states: Map<string, AuthorityState>;
}

export interface RoundChoice {
  epoch?: number;
  states?: ReadonlyMap<string, AuthorityState>;
  given?: Partial<AuthorityContext>;
  /** Called in each step, when all else in it has happened. */
  after?: (step: string, tell: (authority: string, event: AuthorityEvent) => void) => void;
  /** False: proofs are made by the function that ships. */
  isCheap?: boolean;
  /** Which descriptor a relay sends; null: none. */
  describe?: (relay: TestRelay, epoch: number) => SignedDescriptor | null;
}

export function runRound(genesis: Genesis, relays: readonly TestRelay[], choice: RoundChoice = {}): RoundRecord {
  const { epoch = 0, given = {}, isCheap = true } = choice;
  const check: VerifyProof | undefined = isCheap ? verifyCheapProof : given.verifyProof;
  const contexts = new Map(
    genesis.authorities.map(({ id }) => [
      id,
      contextOf(id, genesis, { ...given, ...(check === undefined ? {} : { verifyProof: check }) }),
    ]),
  );
  const states = new Map(choice.states ?? [...contexts.keys()].map((id) => [id, NEW_AUTHORITY] as const));
  const describe = choice.describe ?? ((relay: TestRelay) => relay.describe(genesis, epoch));
  const record: RoundRecord = {
    descriptors: relays.flatMap((relay) => describe(relay, epoch) ?? []),
    messages: [],
    notices: [],
    proofs: [],
    consensus: { body: null, signatures: [] } as unknown as Consensus,
    effects: [],
    states,
  };
  let now = roundFor(genesis, epoch).startsAtMilliseconds + 1;
  const waiting: { to: string; event: AuthorityEvent }[] = [];
  const tell = (to: string, event: AuthorityEvent) => {
    const context = contexts.get(to) as AuthorityContext;
    const { state, effects } = stepAuthority(states.get(to) as AuthorityState, event, now, context);
    states.set(to, state);
    record.effects.push(...effects);
    for (const effect of effects) {
      if (effect.kind === 'announce-seed') record.notices.push(effect.document);
      if (effect.kind === 'publish') record.consensus = effect.consensus;
      if (effect.kind !== 'broadcast') continue;
      record.messages.push(effect.document);
      for (const other of contexts.keys()) {
        if (other !== to) waiting.push({ to: other, event: { kind: 'message', document: effect.document } });
      }
    }
  };
  const all = (event: AuthorityEvent) => {
    for (const to of contexts.keys()) tell(to, event);
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) tell(next.to, next.event);
  };
  for (const step of ROUND_STEPS) {
    all({ kind: 'tick' });
    if (step === 'descriptors')
      for (const document of record.descriptors) all({ kind: 'descriptor', document, source: SOURCE });
    if (step === 'proofs') {
      const seed = record.notices[0]?.body.seed;
      for (const relay of relays.filter(({ role }) => role === 'mix')) {
        if (seed === undefined) break;
        const network = (contexts.values().next().value as AuthorityContext).network;
        const draw = { network, epoch, seed, id: relay.id };
        const document = isCheap ? cheapDrawProof(relay, genesis, draw) : makeDrawProof(draw, relay.vrfSecret);
        record.proofs.push(document);
        all({ kind: 'proof', document });
      }
    }
    choice.after?.(step, tell);
    now = stepEnd(genesis, epoch, step) + 1;
  }
  all({ kind: 'tick' });
  return record;
}

function cheapDrawProof(
  relay: TestRelay,
  genesis: Genesis,
  draw: { network: string; epoch: number; seed: string; id: string },
): DrawProof {
  const { vrfKey } = relay.describe(genesis, draw.epoch).body;
  const proof = Buffer.from(cheapProof(Buffer.from(vrfKey, 'hex'), lotteryInput(draw))).toString('hex');
  return { kind: 'draw-proof', network: draw.network, epoch: draw.epoch, id: draw.id, proof };
}
