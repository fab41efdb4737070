/** Ways in which the authority carol lies. She signs with her key whatever she likes. */
import { type AuthorityContext, type AuthorityMessage, signDocument } from '../../src/index.ts';
import type { Liar } from './simulated-network.ts';

type Body = AuthorityMessage['body'];
type Sent = Parameters<Liar['twist']>[0];

const name = 'carol';

/** Something else of the same kind, for the one it goes to. */
function variant(body: Body, to: string, { authority }: AuthorityContext): Body {
  const byte = Buffer.from(to).toString('hex').slice(0, 2);
  switch (body.kind) {
    case 'vote':
      return { ...body, commitment: byte.repeat(32) };
    case 'reveal':
      return { ...body, value: byte.repeat(32) };
    case 'proof-list':
      return { ...body, proofs: body.proofs.slice(to.length % 2) };
    case 'witness':
      return { ...body, seen: body.seen.filter((document) => document.body.authority === authority) };
    case 'endorsement':
      return { ...body, digest: byte.repeat(32) };
  }
}

function signed(body: Body, { sign }: AuthorityContext): unknown {
  return signDocument(body, sign);
}

/** How long the steps of the schedule are at least, of an epoch of ten seconds: what is sent so late is just in time. */
const STEP_MILLISECONDS = 750;

export const LIARS = {
  twoVotes: {
    name,
    twist({ effect: { document }, to, context }: Sent) {
      const { body } = document;
      return [
        { document: body.kind === 'vote' && to === 'bob' ? signed(variant(body, to, context), context) : document },
      ];
    },
  },
  withholder: {
    name,
    twist: ({ effect: { document } }: Sent) => (document.body.kind === 'reveal' ? [] : [{ document }]),
  },
  anything: {
    name,
    twist({ effect: { document }, to, random, context }: Sent) {
      const { body } = document;
      const choice = Math.floor(random() * 5);
      const other = signed(variant(body, to, context), context);
      if (choice === 0) return [];
      if (choice === 1) return [{ document: other }];
      if (choice === 2) return [{ document }, { document: other }];
      if (choice === 3) return [{ document, delayMilliseconds: random() * 2 * STEP_MILLISECONDS }];
      return [{ document }];
    },
  },
  /** Each message to one of the others only, around the end of the step. */
  lastMoment: {
    name,
    twist({ effect: { document }, to, random, context }: Sent) {
      const chosen = random() < 0.5 ? 'alice' : 'bob';
      const delayMilliseconds = STEP_MILLISECONDS - 200 + random() * 300;
      const { body } = document;
      if (body.kind === 'endorsement') return [{ document }, { document: signed(variant(body, to, context), context) }];
      return to === chosen ? [{ document, delayMilliseconds }] : [];
    },
  },
} as const satisfies Record<string, Liar>;
