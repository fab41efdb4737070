/** What the verdicts of a step of `verifyTask` are evidence of, for reputation. Pure. */
import { type JobSpec, parseConstraint } from '@fog/contract';
import { type Evidence, evidenceOf, REPUTATION_LIMITS } from '@fog/economy/reputation';
import type { TaskVerificationState, VerificationVerdict } from '@fog/verification';

/** What follows from a verdict for the record of a node, and of its owner at the lease. */
export interface NodeEvidence {
  owner: string;
  evidence: Evidence;
}

export interface JudgedStep {
  spec: JobSpec;
  submitter: string;
  /** With the results that are judged. */
  before: TaskVerificationState;
  after: TaskVerificationState;
  verdicts: readonly VerificationVerdict[];
  /** What was at risk with each of the verdicts, in micro-FOG. */
  values: readonly bigint[];
  /** A hidden run of a known answer tells by what the answer says, not by what accepts it. */
  isCheck: boolean;
}

/** One for each verdict, in their order; null: nothing follows. */
export function evidenceOfStep({
  spec,
  submitter,
  before,
  after,
  verdicts,
  values,
  isCheck,
}: JudgedStep): (NodeEvidence | null)[] {
  const ownerOf = (fence: number) => before.replicas.find((replica) => replica.fence === fence)?.owner;
  const chosenBy = isPinned(spec) && !isCheck ? 'submitter' : 'coordinator';
  const by = after.accepted?.by === 'trusted' ? 'trusted' : 'quorum';
  return verdicts.map(({ fence, verdict }, index) => {
    const provider = ownerOf(fence);
    if (provider === undefined) return null;
    const agreeing = verdicts.filter((other) => other.verdict === 'valid' && other.fence !== fence);
    const witnesses = agreeing.flatMap((other) => ownerOf(other.fence) ?? []).slice(0, REPUTATION_LIMITS.witnesses);
    const valueMicroFog = values[index] ?? 0n;
    const evidence = evidenceOf({ verdict, by, chosenBy, provider, submitter, witnesses, valueMicroFog });
    return evidence === null ? null : { owner: provider, evidence };
  });
}

/** Evidence of a node that was asked for what is known; null where it was the submitter's own. */
export function evidenceOfAnswer(
  verdict: 'spot-check-passed' | 'spot-check-failed',
  { owner, submitter, valueMicroFog }: { owner: string; submitter: string; valueMicroFog: bigint },
): NodeEvidence | null {
  const check = { by: 'known-answer', chosenBy: 'coordinator', witnesses: [] } as const;
  const evidence = evidenceOf({ verdict, ...check, provider: owner, submitter, valueMicroFog });
  return evidence === null ? null : { owner, evidence };
}

/** Its submitter has said whose nodes, or which of them, run it. */
function isPinned({ spec: { type, placement } }: JobSpec): boolean {
  return type === 'ops' || type === 'daemon' || placement.constraints.some(namesOwner);
}

function namesOwner(text: string): boolean {
  const { label, operator } = parseConstraint(text);
  return label === 'owner' && operator !== 'exists' && operator !== 'absent';
}
