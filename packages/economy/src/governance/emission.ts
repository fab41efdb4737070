/**
 * Emission: new money for work, off unless it was voted on. It is bounded twice. An epoch makes no more than its cap, and
 * no payment earns more than the fees that burned for it: who pays himself for work of his own to get new money burns at
 * least as much. Where all claims together come to more than the cap, each is cut by the same share. What roundings leave
 * over is never made, to the good of everybody who holds money.
 */

import { assertAmount, portionOf } from '../amounts.ts';
import { accountId, CURRENCIES, TRANSFER_CODES, transferId } from '../chart.ts';
import { governanceFault } from './faults.ts';
import { assertPrincipal } from './fields.ts';
import type { Parameters } from './parameters.ts';
import { type GovernanceTransfer, walletOf } from './proposals.ts';

/** What a provider worked for a job in the epoch: verified, paid for, and its fee burned. */
export interface EmissionClaim {
  job: string;
  provider: string;
  /** Of the fees on what the job paid this provider, what was burned. */
  burnedMicroFog: bigint;
}

/** What holds for all claims of one epoch. */
export interface EmissionTerms {
  /** Of what burned for a claim; 0 while emission is off. */
  sharePpm: bigint;
  /** The cap. */
  mostMicroFog: bigint;
  /** What all claims of the epoch come to before the cap. */
  wantedMicroFog: bigint;
}

export interface Emission {
  totalMicroFog: bigint;
  /** In the order of the claims, those of nothing too. */
  earned: (EmissionClaim & { emittedMicroFog: bigint })[];
  /** From issuance to wallets. The id is made of job, provider and epoch, so that none is paid twice. */
  transfers: GovernanceTransfer[];
}

type EmissionParameters = Pick<Parameters, 'emissionSwitch' | 'emissionMost' | 'emissionSharePpm'>;

/** What holds for an epoch by the parameters that hold at its end: nothing is made while emission is off. */
export function emissionRates({
  emissionSwitch,
  emissionMost,
  emissionSharePpm,
}: EmissionParameters): Omit<EmissionTerms, 'wantedMicroFog'> {
  return emissionSwitch === 1n
    ? { sharePpm: emissionSharePpm, mostMicroFog: emissionMost }
    : { sharePpm: 0n, mostMicroFog: 0n };
}

/** What these claims come to before the cap. */
export function wantedBy(
  claims: readonly Pick<EmissionClaim, 'burnedMicroFog'>[],
  { sharePpm }: Pick<EmissionTerms, 'sharePpm'>,
): bigint {
  return claims.reduce((sum, { burnedMicroFog }) => sum + portionOf(burnedMicroFog, sharePpm), 0n);
}

/**
 * What claims of an epoch emit, all of them or a part: what one earns does not depend on which others are given along.
 * Throws `invalid-request` for a pair of job and provider that is there twice, and names, amounts and epochs that are none.
 */
export function emissionFor(epoch: number, claims: readonly EmissionClaim[], terms: EmissionTerms): Emission {
  assertClaims(epoch, claims);
  const { sharePpm, mostMicroFog: most, wantedMicroFog: all } = terms;
  const earned = claims.map((claim) => {
    const wanted = portionOf(claim.burnedMicroFog, sharePpm);
    return { ...claim, emittedMicroFog: all > most ? (wanted * most) / all : wanted };
  });
  const transfers = earned
    .filter(({ emittedMicroFog }) => emittedMicroFog > 0n)
    .map(({ job, provider, emittedMicroFog }) => ({
      id: transferId('emission', job, provider, epoch),
      debitAccount: accountId('fog', 'issuance'),
      creditAccount: walletOf(provider),
      amount: emittedMicroFog,
      ledger: CURRENCIES.fog,
      code: TRANSFER_CODES.emission,
    }));
  return { totalMicroFog: earned.reduce((sum, { emittedMicroFog }) => sum + emittedMicroFog, 0n), earned, transfers };
}

/**
 * What of the fees that a job burned belongs to each provider: by the fees on what it was paid. `retained`: all that was
 * kept back since the job burned before. Rounded down; what is left over makes no new money.
 */
export function burnedShares<Share extends { retainedMicroFog: bigint }>(
  shares: readonly Share[],
  { burnedMicroFog, retainedMicroFog }: { burnedMicroFog: bigint; retainedMicroFog: bigint },
): (Share & { burnedMicroFog: bigint })[] {
  const known = shares.reduce((sum, share) => sum + share.retainedMicroFog, 0n);
  const whole = known > retainedMicroFog ? known : retainedMicroFog;
  if (whole === 0n) return [];
  return shares.map((share) => ({ ...share, burnedMicroFog: (burnedMicroFog * share.retainedMicroFog) / whole }));
}

function assertClaims(epoch: number, claims: readonly EmissionClaim[]): void {
  if (!Number.isSafeInteger(epoch) || epoch < 0) throw governanceFault('malformed', `${epoch} is no epoch`);
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
