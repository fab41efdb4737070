import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConsensusBody, NodeRole } from '../../src/index.ts';
import { RelayTable } from '../../src/node/relay-table.ts';

interface Entry {
  name: string;
  role: NodeRole;
  layer?: number;
  link?: string;
  port?: number;
}

const hex = (name: string) => Buffer.from(name.padEnd(32, '.')).toString('hex');
const keyOf = (name: string) => Buffer.from(name.padEnd(32, '.'));

/** What of a consensus the table looks at. */
function consensusOf(layers: number, entries: readonly Entry[]): ConsensusBody {
  const nodes = entries.map(({ name, role, layer = null, link = `link of ${name}`, port = 1 }) => {
    return { id: hex(name), role, layer, linkKey: hex(link), addresses: [{ host: '127.0.0.1', port }] };
  });
  return { layers, nodes } as unknown as ConsensusBody;
}

const THREE: Entry[] = [
  { name: 'gate', role: 'gateway' },
  { name: 'exit', role: 'service' },
  { name: 'm1', role: 'mix', layer: 1 },
  { name: 'm2', role: 'mix', layer: 2 },
  { name: 'm3', role: 'mix', layer: 3 },
];

test('packets go from the ends to any layer, from each layer to the next, and from the last to the ends', () => {
  const table = new RelayTable([consensusOf(3, THREE)]);
  const names = THREE.map(({ name }) => name);
  const allowed = names.flatMap((from) =>
    names.filter((to) => table.allows(hex(from), hex(to))).map((to) => `${from} ${to}`),
  );
  assert.deepEqual(allowed, [
    ...['gate m1', 'gate m2', 'gate m3'],
    ...['exit m1', 'exit m2', 'exit m3'],
    ...['m1 m2', 'm2 m3', 'm3 gate', 'm3 exit'],
  ]);
  assert.ok(!table.allows(hex('stranger'), hex('m1')) && !table.allows(hex('gate'), hex('stranger')));
  assert.deepEqual(
    table.receivers(hex('m3')).map(({ idText }) => idText),
    [hex('gate'), hex('exit')],
  );
});

test('what one of the epochs around now allows is allowed, and the newest address is used', () => {
  const moved = THREE.map((entry) => (entry.name === 'm1' ? { ...entry, layer: 3, port: 2 } : entry));
  const table = new RelayTable([consensusOf(3, THREE), consensusOf(3, moved)]);
  assert.ok(table.allows(hex('m1'), hex('m2')), 'by the older');
  assert.ok(table.allows(hex('m2'), hex('m1')), 'by the newer');
  assert.equal(table.relay(hex('m1'))?.addresses[0]?.port, 2);
});

test('who connects is let in as what the consensus says of its key', () => {
  const table = new RelayTable([consensusOf(3, THREE)]);
  const admitted = (own: string, key: string) => {
    const admission = table.admit(hex(own), keyOf(key));
    return admission.admitted ? admission.context.kind : admission.code;
  };
  assert.equal(admitted('m2', 'link of m1'), 'relay');
  assert.equal(admitted('m2', 'link of m3'), 'wrong-layer');
  assert.equal(admitted('m2', 'whoever'), 'unknown-node');
  assert.equal(admitted('exit', 'whoever'), 'unknown-node');
  assert.equal(admitted('gate', 'whoever'), 'client');
  assert.equal(admitted('gate', 'link of m3'), 'relay');
  assert.equal(admitted('gate', 'link of m1'), 'wrong-layer', 'a relay is no client');
  assert.equal(admitted('newcomer', 'whoever'), 'not-serving');
  assert.equal(new RelayTable([]).admit(hex('gate'), keyOf('whoever')).admitted, false);
});

test('a relay that names the link key of another does not shut it out', () => {
  for (const name of ['a-thief', 'z-thief']) {
    const thief: Entry = { name, role: 'mix', layer: 3, link: 'link of m1' };
    for (const entries of [
      [thief, ...THREE],
      [...THREE, thief],
    ]) {
      const admission = new RelayTable([consensusOf(3, entries)]).admit(hex('m2'), keyOf('link of m1'));
      assert.ok(admission.admitted && admission.context.kind === 'relay');
      assert.equal(admission.context.relay.idText, hex('m1'));
    }
  }
});
