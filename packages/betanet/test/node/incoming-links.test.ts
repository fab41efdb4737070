import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { dialLink, generateKeyPair, type Link, type LinkEnd, listenForLinks, MemoryNetwork } from '@fog/transport';
import { DropCounters } from '../../src/mixing/drop-counters.ts';
import { IncomingLinks } from '../../src/node/incoming-links.ts';
import { NODE_LIMITS } from '../../src/node/limits.ts';
import { clientRecipient, Mailboxes } from '../../src/node/mailboxes.ts';
import type { Relay, Sender } from '../../src/node/relay-table.ts';

const PACKET_BYTES = 64;
const packet = new Uint8Array(PACKET_BYTES);

const sumOf = (drops: DropCounters) => drops.entries().reduce((sum, [, count]) => sum + count, 0);

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let waited = 0; !isSo(); waited += 5, await sleep(5)) assert.ok(waited < 4000, what);
}

/**
 * A gateway to which everybody is a client but who has the key of `relayKey`. Its clock stands still unless it is set.
 * `took` is told what the links are whenever they have brought something.
 */
async function gateway(took: (links: IncomingLinks) => void = () => {}) {
  const network = new MemoryNetwork();
  const [networkId, own, relayKey] = [randomBytes(32), generateKeyPair(), generateKeyPair()];
  const common = { networkId, packetBytes: PACKET_BYTES };
  const drops = new DropCounters();
  const mailboxes = new Mailboxes();
  const senders: number[] = [];
  let [received, now] = [0, 0];
  const links: IncomingLinks = new IncomingLinks({
    limits: {
      prefixPacketsPerSecond: 10,
      linkPacketsPerSecond: 20,
      worthlessPacketsPerSecond: 15,
      clientLinks: 3,
      clientLinksPerPrefix: 2,
    },
    drops,
    mailboxes,
    now: () => now,
    receive: ({ count, sender }) => {
      received += count;
      senders.push(sender);
      took(links);
    },
  });
  const isRelay = (key: Uint8Array) => Buffer.compare(key, relayKey.publicKey) === 0;
  const sender = (key: Uint8Array): Sender =>
    isRelay(key) ? { kind: 'relay', relay: {} as Relay } : { kind: 'client' };
  const listener = await listenForLinks<Sender>({
    ...common,
    static: own,
    transport: network.transportOf('gateway'),
    address: 'gateway:1',
    admit: (key, from) => links.place({ admitted: true, context: sender(key) }, from),
    onLink: (link, from) => links.welcome(link, from),
  });
  const connect = async (from: string, key = generateKeyPair()) => {
    const ends: LinkEnd[] = [];
    const link: Link = await dialLink({
      ...common,
      static: key,
      remoteStatic: own.publicKey,
      transport: network.transportOf(from),
      address: 'gateway:1',
    });
    const firstBytes: number[] = [];
    link.start({
      onPackets: (message, { offset, stride, count }) => {
        for (let index = 0; index < count; index += 1) firstBytes.push(message[offset + index * stride] as number);
      },
      onClose: (end) => ends.push(end),
    });
    return { link, ends, key, firstBytes };
  };
  const setClock = (milliseconds: number) => {
    now = milliseconds;
  };
  const close = () => listener.close();
  return { links, drops, mailboxes, relayKey, connect, received: () => received, senders, setClock, close };
}

test('clients have so many places, and those of one prefix fewer; a place is free again when its link ends', async () => {
  const { links, connect, relayKey, close } = await gateway();
  const first = await connect('192.0.2.1:1');
  await connect('192.0.2.2:1');
  const refused = { code: 'forbidden', message: /over-limit/ };
  await assert.rejects(() => connect('192.0.2.3:1'), refused, 'of one prefix');
  await connect('198.51.100.1:1');
  await assert.rejects(() => connect('203.0.113.1:1'), refused, 'of all');
  await connect('192.0.2.9:1', relayKey);
  assert.equal(links.size, 4, 'relays have places of their own');
  first.link.close();
  await until('it is gone', () => links.size === 3);
  await connect('192.0.2.3:1');
  links.close();
  await close();
});

test('a prefix shares one rate, and a relay has its own', async () => {
  const { drops, connect, relayKey, received, links, close } = await gateway();
  const [one, two] = [await connect('192.0.2.1:1'), await connect('192.0.2.2:1')];
  for (let number = 0; number < 8; number += 1) for (const { link } of [one, two]) link.sendPacket(packet);
  await until('all have come', () => received() + drops.count('over-limit') === 16);
  assert.equal(received(), 10);
  const relay = await connect('192.0.2.3:1', relayKey);
  for (let number = 0; number < 25; number += 1) relay.link.sendPacket(packet);
  await until('all have come', () => received() + drops.count('over-limit') === 41);
  assert.equal(received(), 25, 'no more than it may waste at once');
  links.close();
  await close();
});

test('a relay that wastes what it may is not heard for a while, over no link of its key; a client is nobody here', async () => {
  const { links, drops, connect, relayKey, received, senders, setClock, close } = await gateway();
  const client = await connect('192.0.2.1:1');
  client.link.sendPacket(packet);
  const first = await connect('192.0.2.3:1', relayKey);
  first.link.sendPacket(packet);
  await until('both have come', () => received() === 2);
  const [ofClient, ofRelay] = [...senders].sort((a, b) => a - b) as [number, number];
  assert.equal(ofClient, 0);
  for (let number = 0; number < 45; number += 1) for (const sender of [ofClient, ofRelay]) links.worthless(sender);
  setClock(1000);
  const second = await connect('192.0.2.3:1', relayKey);
  for (const { link } of [client, second]) link.sendPacket(packet);
  await until('of two one has come', () => received() === 3 && drops.count('over-limit') === 1);
  assert.deepEqual([second.ends, senders.at(-1)], [[], ofClient], 'the link stays');
  setClock(2100);
  second.link.sendPacket(packet);
  await until('it is heard again', () => received() === 4);
  links.review((key) => ({ admitted: true, context: { kind: 'relay', relay: { linkKey: key } as Relay } }), []);
  links.close();
  await close();
});

test('links that are held are not read, those that are new neither; then everything comes', async () => {
  const { links, drops, connect, relayKey, received, close } = await gateway();
  const relay = await connect('192.0.2.1:1', relayKey);
  links.hold('all');
  const client = await connect('198.51.100.1:1');
  for (let number = 0; number < 8; number += 1) for (const { link } of [relay, client]) link.sendPacket(packet);
  await sleep(50);
  assert.equal(received(), 0);
  links.release();
  await until('all have come', () => received() === 16);
  relay.link.sendPacket(packet);
  client.link.sendPacket(packet);
  await until('what is sent later, too', () => received() === 18);
  assert.equal(sumOf(drops), 0);
  links.close();
  await close();
});

test('a relay that is held waits alone, over a new link of its key, too', async () => {
  const { links, connect, relayKey, received, senders, close } = await gateway();
  const [relay, client] = [await connect('192.0.2.1:1', relayKey), await connect('198.51.100.1:1')];
  relay.link.sendPacket(packet);
  await until('its number is known', () => senders.length === 1);
  links.hold(senders[0] as number);
  const again = await connect('192.0.2.1:1', relayKey);
  for (const { link } of [again, client]) link.sendPacket(packet);
  await until('the client is heard', () => senders.length === 2);
  await sleep(30);
  assert.deepEqual(senders, [senders[0], 0]);
  links.release();
  await until('and then the relay', () => received() === 3);
  links.close();
  await close();
});

test('links that are held again with each message lose nothing', async () => {
  let holds = 0;
  const { links, drops, connect, relayKey, received, close } = await gateway((held) => {
    holds += 1;
    held.hold('all');
    setTimeout(() => held.release(), 3);
  });
  const relay = await connect('192.0.2.1:1', relayKey);
  for (let number = 0; number < 20; number += 1) {
    assert.equal(relay.link.sendPacket(packet), 'sent');
    await sleep(1);
  }
  await until('all have come', () => received() === 20);
  assert.ok(holds >= 2, `${holds} times`);
  assert.deepEqual([sumOf(drops), relay.ends], [0, []]);
  links.close();
  await close();
});

test('a client gets as many records as it has slots, whatever there is for it', async () => {
  const { links, mailboxes, connect, close } = await gateway();
  const [silent, talking] = [await connect('192.0.2.1:1'), await connect('198.51.100.1:1')];
  assert.equal(mailboxes.clients, 0, 'nobody is remembered before the first packet');
  const recipient = clientRecipient(talking.key.publicKey);
  const { slotsPerClientPacket } = NODE_LIMITS;
  for (const { link } of [silent, talking]) link.sendPacket(packet);
  await until('both have their dummies', () =>
    [silent, talking].every(({ link }) => link.counters.packetsReceived === slotsPerClientPacket),
  );
  for (let number = 0; number < 2; number += 1) mailboxes.deliver(recipient, new Uint8Array(PACKET_BYTES).fill(1));
  await sleep(20);
  for (const { link } of [silent, talking]) link.sendPacket(packet);
  await until('both have more', () =>
    [silent, talking].every(({ link }) => link.counters.packetsReceived === 2 * slotsPerClientPacket),
  );
  await sleep(20);
  assert.deepEqual(talking.link.counters.bytesReceived, silent.link.counters.bytesReceived);
  assert.deepEqual([talking.firstBytes, silent.firstBytes].map(String), ['0,0,1,1', '0,0,0,0']);
  links.close();
  await close();
});

test('of one key there is one link: the newest, also for what waits for the client', async () => {
  const { links, mailboxes, connect, close } = await gateway();
  const older = await connect('192.0.2.1:1');
  older.link.sendPacket(packet);
  await until('it is known', () => mailboxes.clients === 1);
  const newer = await connect('192.0.2.1:2', older.key);
  await until('the older is closed', () => older.ends.length === 1);
  const [end] = older.ends;
  assert.ok(end?.by === 'peer' && end.code === 'superseded');
  await sleep(20);
  assert.equal(links.size, 1);
  mailboxes.deliver(clientRecipient(older.key.publicKey), new Uint8Array(PACKET_BYTES).fill(1));
  newer.link.sendPacket(packet);
  await until('it arrives', () => newer.firstBytes.includes(1));
  links.review(() => ({ admitted: false, code: 'not-serving' }), []);
  await until('the newer is closed', () => newer.ends.length === 1);
  assert.deepEqual([links.size, mailboxes.clients], [0, 1], 'what comes for it is kept');
  await close();
});
