/** One round of an authority, step by step: the states it went through, and all that it was told. */
import {
  type AuthorityEvent,
  type AuthorityMessage,
  type AuthorityState,
  type Genesis,
  NEW_AUTHORITY,
  ROUND_STEPS,
  roundFor,
  stepAuthority,
  stepEnd,
} from '@fog/betanet';
import { contextOf, SOURCE, type TestRelay } from '../../../packages/betanet/test/directory/members.ts';
import { runRound } from '../../../packages/betanet/test/directory/one-round.ts';

const NAME = 'alice';
/** In which step messages of a kind are sent; those of a witness, by what it is of. */
const SENT_IN: Readonly<Record<string, (typeof ROUND_STEPS)[number]>> = {
  vote: 'votes',
  'witness of vote': 'vote-witness',
  reveal: 'reveals',
  'witness of reveal': 'reveal-witness',
  'proof-list': 'proof-lists',
  'witness of proof-list': 'proof-witness',
  endorsement: 'consensus',
};

export interface AuthorityRound {
  /** When each step had begun, and when all that belongs into it had come. */
  moments: { state: AuthorityState; now: number }[];
  events: AuthorityEvent[];
  /** After the round. */
  end: number;
}

export function roundOf(genesis: Genesis, relays: readonly TestRelay[]): AuthorityRound {
  const record = runRound(genesis, relays);
  const context = contextOf(NAME, genesis);
  const moments: AuthorityRound['moments'] = [];
  const events: AuthorityEvent[] = [];
  let state = NEW_AUTHORITY;
  let now = roundFor(genesis, 0).startsAtMilliseconds + 1;
  const tell = (event: AuthorityEvent) => {
    state = stepAuthority(state, event, now, context).state;
  };
  for (const step of ROUND_STEPS) {
    tell({ kind: 'tick' });
    moments.push({ state, now });
    const told: AuthorityEvent[] = record.messages
      .filter((message) => message.body.authority !== NAME && SENT_IN[nameOf(message)] === step)
      .map((document) => ({ kind: 'message', document }));
    if (step === 'descriptors') {
      told.push(
        ...record.descriptors.map((document): AuthorityEvent => ({ kind: 'descriptor', document, source: SOURCE })),
      );
    }
    if (step === 'proofs') told.push(...record.proofs.map((document): AuthorityEvent => ({ kind: 'proof', document })));
    for (const event of told) {
      // Half of what belongs into a step has come at its moment: the other half is news.
      if (told.indexOf(event) === told.length >> 1) moments.push({ state, now });
      tell(event);
    }
    events.push(...told);
    now = stepEnd(genesis, 0, step) + 1;
  }
  events.push({ kind: 'consensus', document: record.consensus });
  return { moments, events, end: now };
}

function nameOf({ body }: AuthorityMessage): string {
  return body.kind === 'witness' ? `witness of ${body.of}` : body.kind;
}
