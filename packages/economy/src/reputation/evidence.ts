/**
 * Which results are evidence. Only checks that the coordinator chose: replicas that it placed, and spot checks. Nothing
 * comes of a job between accounts of one owner, nothing of a result that nobody else vouches for or against, and nothing of
 * what the submitter could have arranged alone: agreement with its own nodes.
 */
import { FogError } from '@fog/contract';
import { REPUTATION_LIMITS } from './limits.ts';
import type { Evidence, Finding } from './record.ts';

/** What verification says of a result; the words of its `Verdict`. */
export type CheckVerdict =
  | 'valid'
  | 'alone'
  | 'cleared'
  | 'invalid'
  | 'withheld'
  | 'inconclusive'
  | 'spot-check-passed'
  | 'spot-check-failed';

export interface Check {
  verdict: CheckVerdict;
  /** What decided it: other replicas, a trusted node that computed it again, or an answer known before. */
  by: 'quorum' | 'trusted' | 'known-answer';
  /** Who chose the node: the submitter, where its job was pinned to it. */
  chosenBy: 'coordinator' | 'submitter';
  /** Whose node computed it, and whose job it was: people or firms, however many accounts they have. */
  provider: string;
  submitter: string;
  /** Whose other results agree with the accepted one. */
  witnesses: readonly string[];
  /** What was charged for it, in micro-FOG; of a spot check, the quote of its lease. */
  valueMicroFog: bigint;
}

const FINDING_OF: Readonly<Record<CheckVerdict, Finding | null>> = {
  valid: 'right',
  'spot-check-passed': 'right',
  invalid: 'wrong',
  // A liar that sees itself checked would withhold, were it spared by that.
  withheld: 'wrong',
  'spot-check-failed': 'wrong',
  // Nobody checked it, it was checked only because its node was found out, or nobody knows.
  alone: null,
  cleared: null,
  inconclusive: null,
};

/** What follows from a check for the records of its node and of the node's owner; null: nothing. */
export function evidenceOf(check: Check): Evidence | null {
  const { verdict, by, chosenBy, provider, submitter, witnesses, valueMicroFog } = check;
  if (witnesses.length > REPUTATION_LIMITS.witnesses || !Object.hasOwn(FINDING_OF, verdict)) {
    throw new FogError('invalid-request', `a check with ${witnesses.length} witnesses and the verdict "${verdict}"`, {
      hint: `verdicts are ${Object.keys(FINDING_OF).join(', ')}, of at most ${REPUTATION_LIMITS.witnesses} witnesses`,
    });
  }
  const finding = FINDING_OF[verdict];
  if (finding === null || chosenBy !== 'coordinator' || provider === submitter) return null;
  const isVouched = by !== 'quorum' || witnesses.some((owner) => owner !== provider && owner !== submitter);
  if (verdict !== 'withheld' && !isVouched) return null;
  return { finding: verdict === 'invalid' && by === 'trusted' ? 'proven-wrong' : finding, valueMicroFog };
}
