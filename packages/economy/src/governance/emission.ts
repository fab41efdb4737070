/**
 * Emission: new money for work, off unless it was voted on. It is bounded twice. An epoch makes no more than its cap, and
 * no payment earns more than the fees that burned for it: who pays himself for work of his own to get new money burns at
 * least as much. What a share of the cap leaves over in rounding goes to the largest fractions, never beyond the fee.
 */

import { allocate, assertAmount, portionOf } from '../amounts.ts';
import { accountId, CURRENCIES, TRANSFER_CODES, transferId } from '../chart.ts';
import { governanceFault } from './faults.ts';
import { assertPrincipal } from './fields.ts';
import { GOVERNANCE_LIMITS } from './limits.ts';
import type { Parameters } from './parameters.ts';
import { type GovernanceTransfer, walletOf } from './proposals.ts';

/** What a provider worked for a job that ended in the epoch: verified, paid for, and its fee burned. */
export interface EmissionClaim {
  job: string;
  provider: string;
  /** Of the fees on what the job paid this provider, what was burned. */
  burnedMicroFog: bigint;
}

export interface Emission {
  epoch: number;
  totalMicroFog: bigint;
  /** In the order of the claims, those of nothing too. */
  earned: (EmissionClaim & { emittedMicroFog: bigint })[];
  /** From issuance to wallets. A job and provider have one id whatever the epoch, so none is paid twice. */
  transfers: GovernanceTransfer[];
}

type EmissionParameters = Pick<Parameters, 'emissionSwitch' | 'emissionMost' | 'emissionSharePpm'>;

/**
 * What an epoch emits. Each claim gets its share of what burned for it; if all of them come to more than the cap, they
 * divide the cap by what they would have got. Throws `invalid-request` for a pair of job and provider that is there
 * twice, too many claims, and names and amounts that are none.
 */
export function emissionFor(epoch: number, claims: readonly EmissionClaim[], parameters: EmissionParameters): Emission {
  assertClaims(epoch, claims);
  const { emissionSwitch, emissionMost, emissionSharePpm } = parameters;
  const isOn = emissionSwitch === 1n;
  const wanted = claims.map(({ burnedMicroFog }) => (isOn ? portionOf(burnedMicroFog, emissionSharePpm) : 0n));
  const sum = wanted.reduce((total, part) => total + part, 0n);
  const parts = sum > emissionMost ? allocate(emissionMost, wanted) : wanted;
  const earned = claims.map((claim, index) => ({ ...claim, emittedMicroFog: parts[index] ?? 0n }));
  const transfers = earned
    .filter(({ emittedMicroFog }) => emittedMicroFog > 0n)
    .map(({ job, provider, emittedMicroFog }) => ({
      id: transferId('emission', job, provider),
      debitAccount: accountId('fog', 'issuance'),
      creditAccount: walletOf(provider),
      amount: emittedMicroFog,
      ledger: CURRENCIES.fog,
      code: TRANSFER_CODES.emission,
    }));
  return { epoch, totalMicroFog: parts.reduce((total, part) => total + part, 0n), earned, transfers };
}

function assertClaims(epoch: number, claims: readonly EmissionClaim[]): void {
  if (!Number.isSafeInteger(epoch) || epoch < 0) throw governanceFault('malformed', `${epoch} is no epoch`);
  if (claims.length > GOVERNANCE_LIMITS.emissionClaims) {
    throw governanceFault(
      'malformed',
      `${claims.length} claims; an epoch has ${GOVERNANCE_LIMITS.emissionClaims} at most`,
    );
  }
  const seen = new Set<string>();
  for (const { job, provider, burnedMicroFog } of claims) {
    assertPrincipal(provider, 'a provider');
    assertAmount(burnedMicroFog, { what: `what burned for job ${job}` });
    const key = `${provider}/${job}`;
    if (seen.has(key)) {
      throw governanceFault('malformed', `job ${job} claims emission for ${provider} twice`, {
        hint: 'add up what burned for a provider of a job',
      });
    }
    seen.add(key);
  }
}
