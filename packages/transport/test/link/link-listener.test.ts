import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  dialLink,
  dialLinkAtAny,
  type Link,
  type LinkListenerOptions,
  listenForLinks,
  MemoryNetwork,
  type Transport,
  tcpTransport,
} from '@fog/transport';
import { HandshakeGate } from '../../src/link/handshake-gate.ts';
import { collect, INITIATOR, NETWORK_ID, PACKET_BYTES, RESPONDER, settled } from './link-stage.ts';

async function listening(transport: Transport, changes: Partial<LinkListenerOptions<string>> = {}) {
  const links: Link<string>[] = [];
  const failures: string[] = [];
  const listener = await listenForLinks<string>({
    transport,
    address: transport.name === 'tcp' ? '127.0.0.1:0' : '',
    networkId: NETWORK_ID,
    static: RESPONDER,
    packetBytes: PACKET_BYTES,
    admit: (_key, remoteAddress) => ({ admitted: true, context: remoteAddress }),
    onLink: (link) => links.push(link),
    onFailure: (fault) => failures.push(fault),
    ...changes,
  });
  return { listener, links, failures };
}

function dialling(transport: Transport, address: string, changes: object = {}): Promise<Link> {
  const common = { networkId: NETWORK_ID, packetBytes: PACKET_BYTES };
  return dialLink({ transport, address, ...common, static: INITIATOR, remoteStatic: RESPONDER.publicKey, ...changes });
}

test('over TCP many packets cross both ways, intact', async () => {
  const { listener, links } = await listening(tcpTransport);
  const near = await dialling(tcpTransport, listener.address);
  const far = links[0] as Link<string>;
  assert.match(far.context, /^127\.0\.0\.1:\d+$/);
  assert.equal(listener.links, 1);
  const [back, there] = [collect(near), collect(far)];
  const packets = Array.from({ length: 20_000 }, () => randomBytes(PACKET_BYTES));
  for (const [index, packet] of packets.entries()) {
    assert.equal(near.sendPacket(packet), 'sent');
    assert.equal(far.sendPacket(packet), 'sent');
    if (index % 500 === 0) await settled(1);
  }
  near.close('done');
  assert.equal((await there.ended).by, 'peer');
  await back.ended;
  assert.deepEqual(there.packets, packets);
  await settled();
  assert.equal(listener.links, 0);
  await listener.close();
  await assert.rejects(dialling(tcpTransport, listener.address), { code: 'unavailable' });
});

test('over the bound a stranger is told so, and there is room again when a handshake is over', async () => {
  const network = new MemoryNetwork();
  const limits = { handshakesPerPrefix: 2 };
  const { listener, failures, links } = await listening(network.transportOf('node'), { limits });
  const address = listener.address;
  const silent = [await network.transportOf('one').dial(address), await network.transportOf('one').dial(address)];
  assert.equal(listener.handshakes, 2);
  const refused = { code: 'too-many-requests', details: { cause: 'busy' }, retryable: true };
  await assert.rejects(dialling(network.transportOf('one'), address), refused);
  const other = await dialling(network.transportOf('two'), address);
  assert.equal(links.length, 1);
  for (const stream of silent) stream.destroy();
  await settled();
  const again = await dialling(network.transportOf('one'), address);
  assert.deepEqual(failures, ['busy', 'cut', 'cut']);
  assert.deepEqual([listener.handshakes, listener.links], [0, 2]);
  for (const link of [other, again, ...links]) link.destroy();
  await settled();
  assert.equal(listener.links, 0);
  await listener.close();
});

const STRANGER = { name: 'stranger', isExpected: false };

test('links of one listener are bounded, those under way included', () => {
  const limits = { handshakes: 3, handshakesPerPrefix: 2, handshakesKept: 0, links: 4, linksKept: 0 };
  const gate = new HandshakeGate(limits);
  const enter = (name: string) => gate.enter({ name, isExpected: false });
  const leave = (name: string) => gate.leave({ name, isExpected: false });
  assert.deepEqual(['a', 'a', 'a', 'b', 'c'].map(enter), [true, true, false, true, false]);
  leave('a');
  gate.linkOpened(STRANGER);
  assert.ok(enter('a'));
  leave('b');
  gate.linkOpened(STRANGER);
  assert.equal(enter('c'), false, 'two links and two handshakes');
  gate.linkClosed(STRANGER);
  assert.ok(enter('c'));
  assert.deepEqual([gate.handshakes, gate.links], [3, 1]);
});

test('strangers cannot take the last places, neither of handshakes nor of links', () => {
  const limits = { handshakes: 4, handshakesPerPrefix: 2, handshakesKept: 2, links: 6, linksKept: 2 };
  const gate = new HandshakeGate(limits);
  const enter = (name: string, isExpected: boolean) => gate.enter({ name, isExpected });
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => enter(name, false)),
    [true, true, false],
  );
  assert.deepEqual(
    ['relay', 'relay', 'relay'].map((name) => enter(name, true)),
    [true, true, false],
  );
  for (const name of ['a', 'b']) gate.leave({ name, isExpected: false });
  for (const name of ['relay', 'relay']) gate.leave({ name, isExpected: true });
  for (let link = 0; link < 4; link += 1) gate.linkOpened(STRANGER);
  assert.equal(enter('a', false), false, 'four links: the rest is for relays');
  assert.ok(enter('other relay', true));
});

test('links of relays take no places of strangers', () => {
  const gate = new HandshakeGate({ handshakes: 4, handshakesPerPrefix: 4, handshakesKept: 2, links: 6, linksKept: 4 });
  const relay = { name: 'relay', isExpected: true };
  for (let link = 0; link < 4; link += 1) gate.linkOpened(relay);
  assert.deepEqual([gate.enter(STRANGER), gate.enter(STRANGER), gate.enter(STRANGER)], [true, true, false]);
  assert.equal(gate.enter(relay), false, 'six places in all');
  gate.linkClosed(relay);
  assert.deepEqual([gate.enter(relay), gate.enter(STRANGER)], [true, false]);
});

test('who comes too often is refused before anything is computed, and keeps no place', async () => {
  const network = new MemoryNetwork();
  const asked: string[] = [];
  const { listener, failures } = await listening(network.transportOf('node'), {
    callerOf: (from) => ({ name: `caller ${from}`, isExpected: false }),
    mayBegin: ({ name }) => asked.push(name) > 1,
  });
  const one = network.transportOf('one');
  await assert.rejects(dialling(one, listener.address), { code: 'too-many-requests' });
  assert.deepEqual([failures, listener.handshakes], [['busy'], 0]);
  const link = await dialling(one, listener.address);
  assert.equal(new Set(asked).size, 1);
  link.destroy();
  await listener.close();
});

test('of several addresses the first that answers is taken', async () => {
  const network = new MemoryNetwork();
  const { listener, links } = await listening(network.transportOf('node'));
  const dial = (addresses: string[], signal?: AbortSignal) => {
    const keys = { networkId: NETWORK_ID, static: INITIATOR, remoteStatic: RESPONDER.publicKey };
    const transport = network.transportOf('one');
    return dialLinkAtAny(addresses, { transport, packetBytes: PACKET_BYTES, ...keys, signal });
  };
  const link = await dial(['nobody:1', 'nowhere:1', listener.address, 'nobody:2']);
  assert.equal(links.length, 1);
  await assert.rejects(dial(['nobody:1', 'nowhere:1']), /nowhere/);
  await assert.rejects(dial([]), { code: 'invalid-configuration' });
  await assert.rejects(dial(['nobody:1', listener.address], AbortSignal.abort()));
  assert.equal(links.length, 1);
  link.destroy();
  await listener.close();
});

test('a listener that closes ends handshakes, and leaves links alone', async () => {
  const network = new MemoryNetwork();
  const { listener, failures, links } = await listening(network.transportOf('node'));
  const near = await dialling(network.transportOf('one'), listener.address);
  const silent = await network.transportOf('two').dial(listener.address);
  await listener.close();
  await settled();
  assert.deepEqual(failures, ['cancelled']);
  assert.ok(silent.destroyed);
  const [{ packets }] = [collect(links[0] as Link<string>)];
  near.sendPacket(randomBytes(PACKET_BYTES));
  await settled();
  assert.equal(packets.length, 1);
  near.destroy();
});

test('an abort of the listener ends it', async () => {
  const abort = new AbortController();
  const { listener, failures } = await listening(tcpTransport, { signal: abort.signal });
  const stream = await tcpTransport.dial(listener.address);
  while (listener.handshakes === 0) await sleep(1);
  abort.abort();
  while (failures.length === 0) await sleep(1);
  assert.deepEqual(failures, ['cancelled']);
  stream.destroy();
  await assert.rejects(dialling(tcpTransport, listener.address), { code: 'unavailable' });
});
