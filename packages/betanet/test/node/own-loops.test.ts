import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { mock, test } from 'node:test';
import { geometryOf, PURE_PRIMITIVES, readOutcome, TYPESCRIPT_BACKEND, x25519PublicKey } from '@fog/sphinx';
import type { NetworkView } from '../../src/client/network-view.ts';
import { RandomNumbers } from '../../src/mixing/random-numbers.ts';
import { OwnLoops } from '../../src/node/own-loops.ts';
import { keyOf, networkOf, nodesNamed } from '../client/small-network.ts';
import { GENESIS_TIME, smallGenesis } from '../directory/members.ts';

const GRACE = 20_000;
const genesis = smallGenesis({ epochMilliseconds: 200_000, graceMilliseconds: GRACE });
const GEOMETRY = geometryOf(genesis.geometry);

/** A mix of the first of two layers, with one node in each stage; private keys are those of `keyOf`. */
function network(): { view: NetworkView; ownId: string } {
  const { nodes, ...view } = networkOf({ layers: 2, relaysPerLayer: 1, test: true, epochs: [0, 1, 2] });
  const [mix] = nodesNamed({ nodes, ...view }, 'm1-0');
  const keyed = nodes.map((node, index) => {
    const sphinxKeys = new Map([0, 1, 2].map((epoch) => [epoch, x25519PublicKey(keyOf(`node ${index}`, epoch))]));
    return { ...node, sphinxKeys };
  });
  const { genesisMilliseconds, epochMilliseconds, graceMilliseconds } = genesis;
  const times = { genesisMilliseconds, epochMilliseconds, graceMilliseconds };
  return { view: { ...view, ...times, nodes: keyed }, ownId: Buffer.from(mix?.id ?? []).toString('hex') };
}

/** Of which epoch the key is that opens the packet at the node it is sent to; null for none. */
function epochOf(view: NetworkView, packet: Uint8Array, nodeId: string): number | null {
  const index = view.nodes.findIndex(({ id }) => Buffer.from(id).toString('hex') === nodeId);
  const opens = (epoch: number) => {
    const [tagKey, privateKey] = [new Uint8Array(32), keyOf(`node ${index}`, epoch)];
    using unwrapper = TYPESCRIPT_BACKEND.createUnwrapper({ geometry: GEOMETRY, privateKey, tagKey });
    const outcome = new Uint8Array(64);
    unwrapper.unwrapBatch(Uint8Array.from(packet), outcome, 1);
    return readOutcome(outcome).status === 'forward';
  };
  return [0, 1, 2].find(opens) ?? null;
}

/** Of the first loop that is sent when the wall clock stands still at `wallClock`. */
function firstLoopAt(wallClock: number): { epoch: number | null; waits: number } {
  mock.timers.enable({ apis: ['setTimeout'] });
  const { view, ownId } = network();
  const sent: { epoch: number | null; waits: number }[] = [];
  let now = 0;
  using loops = new OwnLoops({
    id: ownId,
    genesis,
    geometry: GEOMETRY,
    primitives: PURE_PRIMITIVES,
    random: new RandomNumbers(randomFillSync),
    recipient: new Uint8Array(32),
    view: () => view,
    now: () => now,
    wallClock: () => wallClock,
    send: (packet, first, waits) => sent.push({ epoch: epochOf(view, packet, first), waits }),
    stateChanged: () => {},
  });
  try {
    for (; sent.length === 0 && now < 600_000; now += 100) mock.timers.tick(100);
  } finally {
    mock.timers.reset();
  }
  assert.equal(loops.state, 'ok');
  return sent[0] ?? assert.fail('no loop was sent');
}

test('a loop takes the key of the last epoch while a neighbour may still be in it, and then the new one', () => {
  const change = GENESIS_TIME + genesis.epochMilliseconds;
  assert.equal(firstLoopAt(change - 5000).epoch, 0, 'before the change');
  assert.equal(firstLoopAt(change + 1).epoch, 0, 'just after it');
  assert.equal(firstLoopAt(change + GRACE / 2 + 1).epoch, 1, 'when half of the grace is over');
});

test('the key is the one of the time at which the loop sets out, not of that at which it is made', () => {
  const change = GENESIS_TIME + genesis.epochMilliseconds + GRACE / 2;
  const made = Array.from({ length: 12 }, () => firstLoopAt(change - 20));
  for (const { epoch, waits } of made) assert.equal(epoch, waits >= 20 ? 1 : 0, `held for ${waits} ms`);
});
