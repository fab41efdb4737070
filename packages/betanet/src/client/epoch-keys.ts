/**
 * Which key of a node a packet is made for: the one that is valid when the packet gets there, given the drawn delays.
 *
 * The acceptance of a key (epoch and grace) is longer than an epoch by the grace period, so around the change of epochs
 * there is a choice. The key of a packet is chosen such that half of that is left on either side of its arrival: it may be
 * late by that much, and clocks may differ. A reply block is used at some later time, never earlier than is known; so the
 * newer key is taken sooner, with room for the differences of clocks alone, and the block lives longer.
 */
import { FogError } from '@fog/contract';
import { epochAt } from '../directory/schedule.ts';
import type { EpochTimes, NetworkNode } from './network-view.ts';

/** A node on a path, with its key and how long it is to hold the packet. */
export interface PathHop {
  id: Uint8Array;
  publicKey: Uint8Array;
  /** Whole milliseconds; 0 at the last hop, which delivers. */
  delayMilliseconds: number;
}

export interface KeyedPath {
  hops: PathHop[];
  /** Sum of the drawn delays. */
  delayMilliseconds: number;
  /** Until then a packet may set out and still find every key accepted. See `KEY_EXPIRY_STEPS`. */
  expiresAt: number;
}

/**
 * When a reply block expires is told to whoever holds it. It must not tell him the drawn delays, so it is rounded down
 * to a whole part of the grace period, counted from the end of the key: as long as the delays are shorter than that
 * part, each block of an epoch has the same expiry.
 */
export const KEY_EXPIRY_STEPS = 4;

/** What a key has been accepted for at least before the expected arrival, as a share of the grace period. */
export const KEY_LEAD = { packet: 1 / 2, replyBlock: 1 / 8 } as const;
export type KeyUse = keyof typeof KEY_LEAD;

/** From then on (inclusive, exclusive) the key of an epoch is accepted. */
export function keyAcceptance(times: EpochTimes, epoch: number): { from: number; until: number } {
  const from = times.genesisMilliseconds + epoch * times.epochMilliseconds;
  return { from, until: from + times.epochMilliseconds + times.graceMilliseconds };
}

/** The epoch whose key of `node` to use for a packet that arrives at `at`, or null when no known key is valid then. */
export function keyEpochFor(node: NetworkNode, times: EpochTimes, at: number, use: KeyUse): number | null {
  const present = epochAt(times, at);
  const last = epochAt(times, at - times.graceMilliseconds);
  const preferred = epochAt(times, at - times.graceMilliseconds * KEY_LEAD[use]);
  return [preferred, present, last].find((epoch) => node.sphinxKeys.has(epoch)) ?? null;
}

/**
 * Joins nodes, delays (one for each, the last one 0) and keys. `setsOutAt`: when the first node gets the packet.
 * Throws `unavailable` when the view knows no key of a node for the time of arrival: the consensus is too old.
 */
export function keyedPath(
  nodes: readonly NetworkNode[],
  delays: readonly number[],
  setsOutAt: number,
  times: EpochTimes,
  use: KeyUse,
): KeyedPath {
  const step = Math.max(1, Math.floor(times.graceMilliseconds / KEY_EXPIRY_STEPS));
  let travelled = 0;
  let expiresAt = Number.POSITIVE_INFINITY;
  const hops = nodes.map((node, index) => {
    const epoch = keyEpochFor(node, times, setsOutAt + travelled, use);
    const publicKey = epoch === null ? undefined : node.sphinxKeys.get(epoch);
    if (epoch === null || publicKey === undefined) throw missingKey(node, times, setsOutAt + travelled);
    const needed = Math.ceil(travelled / step) * step;
    expiresAt = Math.min(expiresAt, keyAcceptance(times, epoch).until - needed);
    const delayMilliseconds = delays[index] ?? 0;
    travelled += delayMilliseconds;
    return { id: node.id, publicKey, delayMilliseconds };
  });
  return { hops, delayMilliseconds: travelled, expiresAt };
}

function missingKey(node: NetworkNode, times: EpochTimes, at: number): FogError {
  const id = Buffer.from(node.id).toString('hex');
  const epoch = epochAt(times, at);
  return new FogError('unavailable', `no key of ${node.role} ${id.slice(0, 16)} is known for epoch ${epoch}`, {
    details: { node: id, epoch },
    hint: 'get a newer consensus from the directory',
  });
}
