import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  generateKeyPair,
  LINK_LIMITS,
  type Link,
  type LinkListener,
  listenForLinks,
  MemoryNetwork,
  SYSTEM_CLOCK,
  type Transport,
} from '@fog/transport';
import { DropCounters } from '../../src/mixing/drop-counters.ts';
import { NODE_LIMITS } from '../../src/node/limits.ts';
import { NextHops } from '../../src/node/next-hops.ts';
import type { Relay } from '../../src/node/relay-table.ts';

const PACKET_BYTES = 64;
const packet = (number: number) => new Uint8Array(PACKET_BYTES).fill(number);

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let waited = 0; !isSo(); waited += 5, await sleep(5)) assert.ok(waited < 4000, what);
}

/** One sender, and a receiver in memory whose host names address it; its port is nothing there. */
function bench(now = () => performance.now()) {
  const network = new MemoryNetwork();
  const networkId = randomBytes(32);
  const remote = generateKeyPair();
  const drops = new DropCounters();
  const said: string[] = [];
  const got: number[] = [];
  const links: Link[] = [];
  const hops = new NextHops({
    transport: network.transportOf('sender'),
    link: { networkId, static: generateKeyPair(), packetBytes: PACKET_BYTES },
    drops,
    troubled: () => said.push('troubled'),
    opened: () => said.push('opened'),
    now,
    setTimer: SYSTEM_CLOCK.setTimer,
  });
  const relayAt = (...hosts: string[]): Relay => ({
    id: new Uint8Array(32).fill(1),
    idText: '01'.repeat(32),
    linkKey: remote.publicKey,
    role: 'mix',
    addresses: hosts.map((host) => ({ host, port: 1 })),
  });
  const listen = (host: string, transport: Transport = network.transportOf(host)): Promise<LinkListener> =>
    listenForLinks<undefined>({
      networkId,
      static: remote,
      packetBytes: PACKET_BYTES,
      transport,
      address: `${host}:1`,
      admit: () => ({ admitted: true, context: undefined }),
      onLink: (link) => {
        links.push(link);
        link.start({
          onPackets: (message, { offset, stride, count }) => {
            for (let index = 0; index < count; index += 1) got.push(message[offset + index * stride] as number);
          },
          onClose: () => {},
        });
      },
    });
  return { network, drops, said, got, links, hops, relayAt, listen, id: '01'.repeat(32) };
}

test('packets that come before the link wait for it, so many and no more', async () => {
  const { hops, relayAt, listen, got, drops, id, said } = bench();
  await using listener = { [Symbol.asyncDispose]: (await listen('a')).close };
  assert.equal(hops.indexOf(id), -1, 'nobody has allowed it');
  hops.setAllowed([relayAt('a')]);
  const index = hops.indexOf(id);
  for (let number = 0; number < NODE_LIMITS.packetsBeforeLink + 3; number += 1) hops.send(index, packet(number));
  assert.equal(drops.count('link-full'), 3);
  await until('they arrive', () => got.length === NODE_LIMITS.packetsBeforeLink);
  assert.deepEqual(got, [...Array(NODE_LIMITS.packetsBeforeLink).keys()]);
  assert.deepEqual([hops.open, hops.wanted, said], [1, 1, ['opened']]);
  hops.close();
  void listener;
});

test('a link that was cut is made again, and what is sent meanwhile is bounded', async () => {
  const { network, hops, relayAt, listen, got, links, said, id } = bench();
  const listener = await listen('a');
  hops.setAllowed([relayAt('a')]);
  await until('it is open', () => hops.open === 1);
  network.cut('a:1');
  await until('it is gone', () => hops.open === 0);
  hops.send(hops.indexOf(id), packet(1));
  await until('it is back', () => links.length === 2 && hops.open === 1);
  hops.send(hops.indexOf(id), packet(2));
  await until('the next packet arrives', () => got.at(-1) === 2);
  assert.deepEqual(said, ['opened', 'troubled', 'opened']);
  hops.close();
  await listener.close();
});

test('a node that moved is found at its new address at once', async () => {
  const { hops, relayAt, listen, said } = bench();
  const listener = await listen('b');
  hops.setAllowed([relayAt('a')]);
  await until('it fails', () => said.length === 1);
  await sleep(800); // by now it rests for longer than that
  const asked = performance.now();
  hops.setAllowed([relayAt('b')]);
  await until('it is open', () => hops.open === 1);
  assert.ok(performance.now() - asked < 300);
  hops.close();
  await listener.close();
});

test('where the first address of a node does not answer, the next one is tried', async () => {
  const { hops, relayAt, listen, said } = bench();
  const listener = await listen('b');
  hops.setAllowed([relayAt('a', 'b')]);
  await until('it is open', () => hops.open === 1);
  assert.deepEqual(said, ['opened']);
  hops.close();
  await listener.close();
});

test('a node that is no longer allowed gets nothing, also of what was held for it', async () => {
  const { hops, relayAt, listen, got, links, drops, id } = bench();
  const listener = await listen('a');
  hops.setAllowed([relayAt('a')]);
  const index = hops.indexOf(id);
  await until('it is open', () => hops.open === 1);
  hops.setAllowed([]);
  assert.equal(hops.indexOf(id), -1);
  hops.send(index, packet(1));
  await until('the link is closed', () => hops.open === 0);
  await sleep(250);
  assert.deepEqual([got, links.length, drops.count('unknown-next-hop')], [[], 1, 1]);
  hops.setAllowed([relayAt('a')]);
  await until('allowed again it is back', () => hops.open === 1);
  hops.close();
  await listener.close();
});

test('relays come and go without end, and numbers are given anew only when nothing can be held for the last one', () => {
  let now = 0;
  const { hops } = bench(() => now);
  const relay = (number: number): Relay => ({
    id: new Uint8Array(32),
    idText: number.toString(16).padStart(64, '0'),
    linkKey: new Uint8Array(32),
    role: 'mix',
    addresses: [],
  });
  const row = (from: number, amount: number) => Array.from({ length: amount }, (_, index) => relay(from + index));
  const numbersOf = (relays: readonly Relay[]) => relays.map(({ idText }) => hops.indexOf(idText));
  const [first, second, third] = [row(0, 50), row(50, 50), row(100, 50)];
  hops.setAllowed(first);
  hops.setAllowed(second);
  now = NODE_LIMITS.nextHopMilliseconds - 1;
  hops.setAllowed([...second, ...third]);
  assert.deepEqual(
    numbersOf(third),
    [...Array(50).keys()].map((index) => 100 + index),
    'too early',
  );
  now += 1;
  const fourth = row(150, 60);
  hops.setAllowed([...second, ...fourth]);
  assert.deepEqual(
    numbersOf(fourth).sort((a, b) => a - b),
    [...Array(50).keys(), ...[...Array(10).keys()].map((index) => 150 + index)],
  );
  assert.equal(hops.indexOf(relay(0).idText), -1);
  const everybody = row(1000, NODE_LIMITS.nextHops);
  hops.setAllowed(everybody);
  assert.equal(Math.max(...numbersOf(everybody)), NODE_LIMITS.nextHops - 1, 'no number stands for anything else');
  assert.equal(hops.wanted, NODE_LIMITS.nextHops - 160);
  hops.close();
});

test('of all packets that wait for links so many are kept, and who has most of them gives way', () => {
  const { hops, drops } = bench();
  const { packetsBeforeLink, packetsBeforeLinks } = NODE_LIMITS;
  const relays = Array.from({ length: packetsBeforeLinks / packetsBeforeLink + 1 }, (_, number): Relay => {
    const idText = number.toString(16).padStart(64, '0');
    return { id: new Uint8Array(32), idText, linkKey: new Uint8Array(32), role: 'mix', addresses: [] };
  });
  hops.setAllowed(relays);
  const [last, ...others] = relays.map(({ idText }) => hops.indexOf(idText)).reverse();
  for (const hop of others)
    for (let number = 0; number < packetsBeforeLink; number += 1) hops.send(hop, packet(number));
  assert.deepEqual([hops.waiting, drops.count('link-full')], [packetsBeforeLinks, 0]);
  for (let number = 0; number < packetsBeforeLink; number += 1) hops.send(last as number, packet(number));
  assert.deepEqual([hops.waiting, drops.count('link-full')], [packetsBeforeLinks, packetsBeforeLink]);
  // Each of the others has given one up, so there is room in its queue for one more, in the place of another's.
  hops.send(others[0] as number, packet(1));
  assert.deepEqual([hops.waiting, drops.count('link-full')], [packetsBeforeLinks, packetsBeforeLink + 1]);
  hops.close();
  assert.deepEqual([hops.waiting, drops.count('link-full')], [0, packetsBeforeLinks + packetsBeforeLink + 1]);
});

test('what may wait for a neighbour that does not read is less where there are many of them', async () => {
  const { sendBufferBytes } = LINK_LIMITS;
  for (const [others, boundBytes] of [
    [0, sendBufferBytes],
    [2047, NODE_LIMITS.neighbourBufferLeastBytes],
  ] as const) {
    const { hops, relayAt, listen, drops, id, links } = bench();
    const listener = await listen('a');
    const idle = Array.from({ length: others }, (_, number): Relay => {
      return { ...relayAt(), idText: `ff${number.toString(16).padStart(62, '0')}` };
    });
    hops.setAllowed([relayAt('a'), ...idle]);
    await until('it is open', () => hops.open === 1 && links.length === 1);
    // Nothing is read while this goes on: all in one turn of the loop.
    let sent = 0;
    for (; drops.count('link-full') === 0; sent += 1) hops.send(hops.indexOf(id), packet(1));
    const share = (sent * PACKET_BYTES) / boundBytes;
    // Records have some bytes more than their packets, and a stream in memory takes 64 KiB on its way.
    assert.ok(share > 0.9 && share <= 1.3, `${share} of the bound among ${others} others`);
    hops.close();
    await listener.close();
  }
});
