import assert from 'node:assert/strict';
import { test } from 'node:test';
import { viewOfConsensus } from '../../src/client/view-of-consensus.ts';
import type { Consensus, ConsensusNode } from '../../src/index.ts';
import { smallGenesis, smallRelays } from '../directory/members.ts';
import { runRound } from '../directory/one-round.ts';

const genesis = smallGenesis();
const { consensus } = runRound(genesis, smallRelays());

function withNode(epoch: number, change: (node: ConsensusNode) => void): Consensus {
  const copy = structuredClone(consensus);
  copy.body.epoch = epoch;
  for (const node of copy.body.nodes) {
    node.sphinxKeys = node.sphinxKeys.map((key, index) => ({ ...key, epoch: epoch + index }));
    change(node);
  }
  return copy;
}

test('a client sees roles, layers, operators and the networks of addresses', () => {
  const present = withNode(0, (node) => {
    node.addresses = ['198.51.100.7', '198.51.7.7', '2001:db8:1::1'].map((host) => ({ host, port: 1 }));
  });
  const view = viewOfConsensus(genesis, present, [present]);
  const { traffic, layers, test: isTest } = present.body;
  assert.deepEqual([view.traffic, view.layers, view.test], [traffic, layers, isTest]);
  assert.deepEqual(
    [view.genesisMilliseconds, view.epochMilliseconds, view.graceMilliseconds],
    [genesis.genesisMilliseconds, genesis.epochMilliseconds, genesis.graceMilliseconds],
  );
  assert.equal(view.nodes.length, present.body.nodes.length);
  for (const [index, node] of view.nodes.entries()) {
    const listed = present.body.nodes[index] as ConsensusNode;
    assert.equal(Buffer.from(node.id).toString('hex'), listed.id);
    assert.deepEqual([node.role, node.layer, node.operator], [listed.role, listed.layer, listed.operator]);
    assert.deepEqual(node.addressPrefixes, ['198.51.0.0/16', '2001:db8::/32']);
  }
});

test('keys of the last epoch are known from its consensus, and the present one has the last word', () => {
  const fill = (digit: string) => (node: ConsensusNode) => {
    for (const key of node.sphinxKeys) key.publicKey = digit.repeat(64);
  };
  const [last, present, next] = [withNode(0, fill('a')), withNode(1, fill('b')), withNode(2, fill('c'))];
  for (const known of [
    [last, present, next],
    [next, present, last],
  ]) {
    const [node] = viewOfConsensus(genesis, present, known).nodes;
    const keys = [...(node?.sphinxKeys ?? [])].map(([epoch, key]) => [epoch, Buffer.from(key).toString('hex')[0]]);
    assert.deepEqual(
      keys.sort(([a], [b]) => Number(a) - Number(b)),
      [
        [0, 'a'],
        [1, 'b'],
        [2, 'b'],
        [3, 'b'],
        [4, 'c'],
      ],
    );
  }
});

test('a node that only another consensus lists is no part of the view', () => {
  const smaller = structuredClone(consensus);
  smaller.body.nodes.length -= 1;
  const view = viewOfConsensus(genesis, smaller, [consensus, smaller]);
  assert.equal(view.nodes.length, consensus.body.nodes.length - 1);
});
