/**
 * Ballots: what a voter signs, with Ed25519 (RFC 8032) by the key that the snapshot of power names. The signature is
 * over domain, network, proposal, voter, choice and nonce, so that a ballot is good for one proposal of one network. The
 * id of a proposal covers what it does and its terms.
 */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { canonicalBytes, canonicalDigest } from './canonical-bytes.ts';
import { CHOICES, type Choice } from './counting.ts';
import { governanceFault } from './faults.ts';
import { assertPrincipal } from './fields.ts';
import { GOVERNANCE_LIMITS } from './limits.ts';
import { advance, assertState, castVote, type OpeningPower, type Step } from './proposal-machine.ts';
import type { Clock, Proposal } from './proposals.ts';

const BALLOT_DOMAIN = 'fog-ballot-v1';
const NONCE = new RegExp(`^[0-9a-f]{${GOVERNANCE_LIMITS.nonceBytes * 2}}$`);

/** DER in front of a raw key of Ed25519: PKCS #8 and SubjectPublicKeyInfo of RFC 8410. */
const PRIVATE_KEY_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_KEY_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

export interface BallotContent {
  network: string;
  /** Id of the proposal. */
  proposal: string;
  voter: string;
  choice: Choice;
  /** 32 random hex digits: no two ballots are alike. */
  nonce: string;
}

export interface SignedBallot extends BallotContent {
  /** Hex. */
  signature: string;
}

/** A row (proposal, voter): what a store keeps of a ballot that was counted. */
export interface Ballot extends SignedBallot {
  publicKey: string;
  powerMicroFog: bigint;
  castSequence: number;
  castAtMilliseconds: number;
}

function fieldsOf({ network, proposal, voter, choice, nonce }: BallotContent) {
  return [network, proposal, voter, choice, nonce];
}

/** Signs by a raw Ed25519 secret key (32 bytes), which is copied; wipe yours if you need it no more. */
export function signBallot(content: BallotContent, secretKey: Uint8Array): SignedBallot {
  const der = Buffer.concat([PRIVATE_KEY_HEAD, secretKey]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  const { network, proposal, voter, choice, nonce } = content;
  const signature = sign(null, canonicalBytes(BALLOT_DOMAIN, fieldsOf(content)), key).toString('hex');
  return { network, proposal, voter, choice, nonce, signature };
}

/** Hex of the public key of a raw secret key. */
export function votingKeyOf(secretKey: Uint8Array): string {
  const der = Buffer.concat([PRIVATE_KEY_HEAD, secretKey]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  der.fill(0);
  return key.export({ format: 'der', type: 'spki' }).subarray(PUBLIC_KEY_HEAD.length).toString('hex');
}

/** `publicKey`: hex of the raw key. False for anything malformed. */
export function isSignedBallot(ballot: SignedBallot, publicKey: string): boolean {
  if (!/^[0-9a-f]{64}$/.test(publicKey) || !/^[0-9a-f]{128}$/.test(ballot.signature)) return false;
  const der = Buffer.concat([PUBLIC_KEY_HEAD, Buffer.from(publicKey, 'hex')]);
  try {
    const bytes = canonicalBytes(BALLOT_DOMAIN, fieldsOf(ballot));
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    return verify(null, bytes, key, Buffer.from(ballot.signature, 'hex'));
  } catch {
    // Not a key, or text that has no bytes.
    return false;
  }
}

/** Names what was signed, whatever the signature; hex. */
export function ballotDigest(content: BallotContent): string {
  return canonicalDigest(BALLOT_DOMAIN, fieldsOf(content));
}

/** What the snapshot says of a voter. */
export interface VoterPower {
  voter: string;
  publicKey: string;
  powerMicroFog: bigint;
}

/**
 * Takes a signed ballot: checks whom it is for and who signed it, and counts it with all of the voter's power. `earlier`
 * is the voter's ballot on this proposal that is stored already. Throws `invalid-request` for a ballot that is none or
 * for another proposal or network, `forbidden` without power or a good signature, `conflict` for a second ballot and
 * unless the vote is open.
 */
export function castBallot(
  proposal: Proposal,
  ballot: SignedBallot,
  { power, earlier }: { power: VoterPower | null; earlier: Pick<Ballot, 'voter'> | null },
  clock: Clock,
  opening: OpeningPower | null = null,
): Step & { ballot: Ballot } {
  assertBallot(ballot, proposal);
  const step = advance(proposal, clock, opening);
  assertState(step.proposal, ['active'], 'voted on');
  const { voter } = ballot;
  if (power === null || power.voter !== voter || power.powerMicroFog <= 0n) {
    throw governanceFault('no-power', `${voter} has no power over proposal ${proposal.id}`, {
      hint: 'what counts is stake that was bonded and delegated before the proposal, and still at its snapshot',
    });
  }
  if (!isSignedBallot(ballot, power.publicKey)) {
    throw governanceFault('bad-signature', `the ballot of ${voter} is not signed by the key of the snapshot`, {
      hint: 'sign it with the key that was registered when the snapshot was taken',
    });
  }
  const { powerMicroFog, publicKey } = power;
  const usedMicroFog = earlier === null ? 0n : powerMicroFog;
  const vote = { vote: ballot.choice, weightMicroFog: powerMicroFog, usedMicroFog };
  const { proposal: voted, transfers } = castVote(step.proposal, vote, clock);
  const { network, choice, nonce, signature } = ballot;
  const stored = { network, proposal: proposal.id, voter, choice, nonce, signature, publicKey, powerMicroFog };
  return {
    proposal: voted,
    transfers: [...step.transfers, ...transfers],
    ballot: { ...stored, castSequence: clock.sequence, castAtMilliseconds: clock.nowMilliseconds },
  };
}

function assertBallot(ballot: SignedBallot, proposal: Pick<Proposal, 'id' | 'network'>): void {
  assertPrincipal(ballot.voter, 'the voter');
  if (!CHOICES.includes(ballot.choice)) {
    throw governanceFault(
      'invalid-vote-type',
      `a ballot cannot be ${JSON.stringify(String(ballot.choice).slice(0, 40))}`,
      {
        hint: `choices are ${CHOICES.join(', ')}`,
      },
    );
  }
  if (!NONCE.test(ballot.nonce)) {
    throw governanceFault('malformed', `the nonce of a ballot is ${GOVERNANCE_LIMITS.nonceBytes} bytes as hex digits`);
  }
  if (ballot.proposal === proposal.id && ballot.network === proposal.network) return;
  throw governanceFault('malformed', `the ballot of ${ballot.voter} is for another proposal or network`, {
    details: { proposal: proposal.id, network: proposal.network },
    hint: 'sign a ballot for this one',
  });
}
