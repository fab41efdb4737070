/** What a client needs to know of the network, as the consensus of the directory states it. Types only. */

import type { NodeRole } from '../directory/fields.ts';
import type { TrafficSettings } from '../directory/genesis.ts';

/** One relay that is active in the epoch of the consensus. */
export interface NetworkNode {
  /** 32 bytes: SHA-256 of the identity key. The id in packet headers. */
  id: Uint8Array;
  role: NodeRole;
  /** 1 to `layers` for a mix, null for others. */
  layer: number | null;
  /** Who runs it, as its descriptor says. */
  operator: string;
  /** Of its stake, reputation and performance, in units of the consensus: gateways and services are drawn by it. */
  weight: bigint;
  /** Its addresses cut to /16 (IPv4) and /32 (IPv6), each written the same way for all nodes. */
  addressPrefixes: readonly string[];
  /** Epoch -> X25519 public key, 32 bytes: of the current epoch and the next two, and of the last one if it is known. */
  sphinxKeys: ReadonlyMap<number, Uint8Array>;
}

/** A key of epoch E is accepted from E's start to E's end and the grace period after it. */
export interface EpochTimes {
  genesisMilliseconds: number;
  epochMilliseconds: number;
  graceMilliseconds: number;
}

/** Of the traffic that the consensus states, what concerns a client. */
export type TrafficParameters = Omit<TrafficSettings, 'nodeLoopIntervalMilliseconds'>;

export interface NetworkView extends EpochTimes {
  nodes: readonly NetworkNode[];
  /** Layers of mixes; a path of fewer mixes enters at the last of them. */
  layers: number;
  /** All nodes may be one machine: relays of one operator may be in one path, and nobody is anonymous. */
  test: boolean;
  traffic: TrafficParameters;
}
