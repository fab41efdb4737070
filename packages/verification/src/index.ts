/**
 * @fog/verification: whether the results of machines that nobody trusts are right.
 *
 * Pure: time, randomness and storage belong to the caller. `verifyTask` ties it together for one task; `NodeTrust` is
 * the record of a node; `SpotCheck` puts known answers to nodes.
 */
export * from './adaptive.ts';
export * from './commitment.ts';
export * from './comparator.ts';
export * from './credibility.ts';
export * from './limits.ts';
export * from './network-prefix.ts';
export * from './node-trust.ts';
export * from './quorum.ts';
export * from './result-digest.ts';
export * from './spot-checks.ts';
export * from './task-verification.ts';
export * from './task-verification-state.ts';
export * from './verification-policy.ts';
