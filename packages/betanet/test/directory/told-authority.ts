import {
  type AuthorityContext,
  type AuthorityEffect,
  type AuthorityEvent,
  type AuthorityState,
  type Genesis,
  NEW_AUTHORITY,
  type ProbedLoop,
  roundFor,
  stepAuthority,
} from '../../src/index.ts';
import { contextOf, smallGenesis } from './members.ts';

const GENESIS = smallGenesis();

/** One authority that is told things at stated times. */
export class Told {
  state: AuthorityState = NEW_AUTHORITY;
  now = roundFor(GENESIS, 0).startsAtMilliseconds;
  readonly context: AuthorityContext;

  constructor(genesis: Genesis = GENESIS, given: Partial<AuthorityContext> = {}) {
    this.context = contextOf('alice', genesis, given);
  }

  tell(event: AuthorityEvent): AuthorityEffect[] {
    const { state, effects } = stepAuthority(this.state, event, this.now, this.context);
    this.state = state;
    return effects;
  }

  refusal(event: AuthorityEvent): string | null {
    const refused = this.tell(event).find(({ kind }) => kind === 'refused');
    return refused?.kind === 'refused' ? refused.reason : null;
  }

  at(now: number): this {
    this.now = now;
    return this;
  }
}

export const loopsOf = (relays: readonly string[], returned: number, lost: number): ProbedLoop[] => [
  ...Array.from({ length: returned }, () => ({ relays, isReturned: true })),
  ...Array.from({ length: lost }, () => ({ relays, isReturned: false })),
];
