import { networkPrefix } from '@fog/contract/node';
import type { Consensus, ConsensusNode } from '../directory/documents.ts';
import type { Genesis } from '../directory/genesis.ts';
import type { NetworkNode, NetworkView } from './network-view.ts';

/** Networks that one observer may well see whole. */
const OBSERVER_WIDTHS = { ipv4Bits: 16, ipv6Bits: 32 };

/**
 * What a client knows of the network in the epoch of `present`. `known` are the consensuses around it: a packet that is
 * made just after the change of epochs may still need the keys of the last one.
 */
export function viewOfConsensus(genesis: Genesis, present: Consensus, known: readonly Consensus[]): NetworkView {
  const { genesisMilliseconds, epochMilliseconds, graceMilliseconds } = genesis;
  const keysOf = ({ id, sphinxKeys }: ConsensusNode): Map<number, Uint8Array> => {
    const others = known.flatMap(({ body }) => body.nodes.filter((node) => node.id === id));
    // The present consensus has the last word: a key that was retired is in older ones still.
    const keys = [...others.flatMap((node) => node.sphinxKeys), ...sphinxKeys];
    return new Map(keys.map(({ epoch, publicKey }) => [epoch, Uint8Array.from(Buffer.from(publicKey, 'hex'))]));
  };
  const nodes = present.body.nodes.map((node): NetworkNode => {
    const prefixes = node.addresses.map(({ host }) => networkPrefix(host, OBSERVER_WIDTHS) ?? host);
    return {
      id: Uint8Array.from(Buffer.from(node.id, 'hex')),
      role: node.role,
      layer: node.layer,
      operator: node.operator,
      weight: BigInt((node.draw ?? node.standing)?.weight ?? '0'),
      addressPrefixes: [...new Set(prefixes)],
      sphinxKeys: keysOf(node),
    };
  });
  const { layers, test, traffic } = present.body;
  return { genesisMilliseconds, epochMilliseconds, graceMilliseconds, nodes, layers, test, traffic };
}
