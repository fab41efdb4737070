/** Bad input and faults against one network on real sockets: nodes stay up, and honest traffic goes on. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Consensus, type DropCause, type MixClient, type MixNode, NODE_LIMITS } from '@fog/betanet';
import { geometryOf, packetFromReplyBlock } from '@fog/sphinx';
import { generateKeyPair, type NoiseKeyPair, type Transport, tcpTransport } from '@fog/transport';
import { clientRecipient } from '../../src/node/mailboxes.ts';
import {
  connectTo,
  flipped,
  type HandMadeLink,
  linkKeyOf,
  linkTo,
  packetThrough,
  sendAll,
  until,
} from './hostile-parts.ts';
import { JammedStream } from './jammed-stream.ts';
import { NodeProcess } from './mix-node-process.ts';
import { type SmallMixNetwork, startMixNetwork } from './small-mix-network.ts';

const KEPT_PER_CLIENT = 16;
const PREFIX_RATE = 500;
const WORTHLESS_RATE = 300;
const LONGEST_DELAY = 500;
const onLinux = process.platform === 'linux' ? false : 'all of 127.0.0.0/8 is this machine on Linux alone';

let network: SmallMixNetwork;
let consensus: Consensus;
let client: MixClient;
/** The mixes by layer, and the way of a packet from the first of them to the service node. */
let layers: string[];
let way: string[];
/** Of a relay of the consensus that is in the wrong hands: it may send to every mix. */
let turned: NoiseKeyPair;
let toFirst: HandMadeLink;
let captured: Uint8Array;
let damages = 0;
/** Whatever connects to a gateway. */
const streams: JammedStream[] = [];
const jammable: Transport = {
  ...tcpTransport,
  listen: (address, onStream, options) => {
    const onJammable = (stream: Duplex, from: string) => {
      const jammed = new JammedStream(stream);
      streams.push(jammed);
      onStream(jammed, from);
    };
    return tcpTransport.listen(address, onJammable, options);
  },
};

before(async () => {
  network = await startMixNetwork({
    gateways: 2,
    traffic: { delayCapMilliseconds: LONGEST_DELAY },
    nodeOptions: (name) =>
      name.startsWith('gateway')
        ? {
            limits: { prefixPacketsPerSecond: PREFIX_RATE, keptDeliveriesPerClient: KEPT_PER_CLIENT },
            transport: jammable,
          }
        : { limits: { worthlessPacketsPerSecond: WORTHLESS_RATE } },
    sendReply: (node, block, payload) => {
      const isCover = payload.every((byte) => byte === 0);
      if (damages === 0 || isCover) return node.sendReply(block, payload, 1);
      damages -= 1;
      const { packet } = packetFromReplyBlock(geometryOf(network.genesis.geometry), block, payload);
      toFirst.link.sendPacket(flipped(packet, bodyBit(packet, 77)));
    },
  });
  await until('all nodes have their links', () => network.nodes.every(isReady), 20_000).catch((cause: unknown) => {
    throw new Error(network.said.join('\n'), { cause });
  });
  consensus = network.node('gateway-0').consensus as Consensus;
  layers = [1, 2, 3].map((layer) => nameOfMix((node) => node.status().layer === layer));
  way = [...layers, 'service-0'].map((name) => network.node(name).id);
  turned = await linkKeyOf(network, 'gateway-1');
  await network.stopNode('gateway-1');
  toFirst = await linkTo(network, layers[0] as string, { key: turned });
  client = network.client('confidential', network.node('gateway-0').id);
  await client.connected(AbortSignal.timeout(10_000));
});

after(() => network?.[Symbol.asyncDispose]());

const isReady = (node: MixNode): boolean => {
  const { isInConsensus, links } = node.status();
  return isInConsensus && links.wanted > 0 && links.out === links.wanted;
};
const nameOfMix = (is: (node: MixNode) => boolean): string =>
  ['mix-0', 'mix-1', 'mix-2'].find((name) => is(network.node(name))) as string;
const bodyBit = (packet: Uint8Array, bit: number): number => {
  const { headerBytes } = geometryOf(network.genesis.geometry);
  return 8 * headerBytes + (bit % (8 * (packet.length - headerBytes)));
};
const dropsAt = (name: string, ...causes: DropCause[]): number =>
  causes.reduce((sum, cause) => sum + network.node(name).drops.count(cause), 0);
const echo = async (): Promise<void> => {
  const bytes = randomBytes(40);
  const answer = await client.request({ service: 'echo', bytes, answerWithinMilliseconds: 20_000 });
  assert.deepEqual(Buffer.from(answer), bytes);
};
const first = () => layers[0] as string;

test('a header in which a bit was flipped dies at the next hop', async () => {
  const { headerBytes } = geometryOf(network.genesis.geometry);
  const packet = packetThrough(network, consensus, way);
  // Some bit of each seventh byte, and the one of the group element that X25519 itself does not look at.
  const bits = Array.from({ length: Math.floor(headerBytes / 7) }, (_, index) => 56 * index + (index % 8));
  bits.push(8 * 2 + 255);
  const dead = () => dropsAt(first(), 'malformed', 'bad-mac', 'zero-secret');
  const [atFirst, atService] = [dead(), dropsAt('service-0', 'unknown-recipient')];
  await sendAll(
    toFirst,
    bits.map((bit) => flipped(packet, bit)),
  );
  await until('all of them are counted', () => dead() === atFirst + bits.length);
  assert.equal(dropsAt('service-0', 'unknown-recipient'), atService);
  toFirst.link.sendPacket(packet);
  await until('the packet arrives as it was', () => dropsAt('service-0', 'unknown-recipient') === atService + 1);
});

test('a payload in which a bit was flipped dies at the last hop', async () => {
  const before = dropsAt('service-0', 'bad-payload');
  const packets = [0, 1000, 9999, 20_000].map((bit) => {
    const packet = packetThrough(network, consensus, way);
    return flipped(packet, bodyBit(packet, bit));
  });
  await sendAll(toFirst, packets);
  await until('all of them are counted', () => dropsAt('service-0', 'bad-payload') === before + packets.length);
});

test('a reply in which a bit was flipped is found out by its owner, who gets another', async () => {
  damages = 1;
  await echo();
  assert.equal(damages, 0);
  assert.equal(client.strayReplies?.damagedReplies, 1);
});

test('a packet is taken once, by the node that it is for, and goes on to who comes next', async () => {
  captured = packetThrough(network, consensus, way);
  const replays = dropsAt(first(), 'replay');
  await sendAll(toFirst, [captured, captured, captured]);
  await until('two of three are counted', () => dropsAt(first(), 'replay') === replays + 2);

  const foreign = dropsAt(first(), 'bad-mac');
  toFirst.link.sendPacket(packetThrough(network, consensus, way.slice(1)));
  await until('a packet for another is counted', () => dropsAt(first(), 'bad-mac') === foreign + 1);

  const strays = dropsAt(first(), 'unknown-next-hop');
  const [one = '', , three = ''] = way;
  const unknown = randomBytes(32).toString('hex');
  await sendAll(toFirst, [
    packetThrough(network, consensus, [one, three]), // leaves a layer out
    packetThrough(network, consensus, [one, unknown]),
  ]);
  await until('both are counted', () => dropsAt(first(), 'unknown-next-hop') === strays + 2);
});

test('greetings of another version, network or key come to nothing, and garbage too', async () => {
  const { handshakeFaults, address } = network.node(first());
  const counted = (fault: Parameters<typeof handshakeFaults.get>[0]) => handshakeFaults.get(fault) ?? 0;
  const from = { key: turned };
  await assert.rejects(() => linkTo(network, first(), { ...from, versions: [9] }), { code: 'protocol-version' });
  await assert.rejects(() => linkTo(network, first(), { ...from, networkId: randomBytes(32) }), {
    code: 'invalid-configuration',
  });
  await assert.rejects(() => linkTo(network, first(), { ...from, remoteStatic: generateKeyPair().publicKey }));
  const cut = await connectTo(address);
  cut.end(Buffer.from('FOGL'));
  const garbage = await connectTo(address);
  garbage.resume().write(randomBytes(4096));
  const faults = ['protocol-version', 'other-network', 'not-authentic', 'cut', 'malformed-hello'] as const;
  await until('each is counted', () => faults.every((fault) => counted(fault) === 1));
});

test('who has no business at a mix is refused', async () => {
  const refusedAs = (goodbye: string) => (error: { details?: object }) => {
    assert.deepEqual({ ...error.details, reason: '' }, { goodbye, reason: '', cause: 'refused' });
    return true;
  };
  // While the network started, neighbours may have been refused for knowing the consensus earlier.
  const refusals = () => network.node(first()).handshakeFaults.get('refused') ?? 0;
  const before = refusals();
  const later = await linkKeyOf(network, layers[1] as string);
  await assert.rejects(() => linkTo(network, first(), { key: later }), refusedAs('wrong-layer'));
  await assert.rejects(() => linkTo(network, first()), refusedAs('unknown-node'));
  assert.equal(refusals() - before, 2);
});

test('messages that are no messages end their link, and nothing else', async () => {
  const { packetBytes } = geometryOf(network.genesis.geometry);
  const last = layers[2] as string;
  const counted = () => network.node(last).status().linkFaults;
  for (const wrong of [packetBytes - 1, packetBytes + 1]) {
    const sized = await linkTo(network, last, { key: turned, packetBytes: wrong });
    sized.link.sendPacket(new Uint8Array(wrong));
    await sized.ended;
  }
  const garbled = await linkTo(network, last, { key: turned });
  garbled.socket.write(Buffer.concat([Buffer.from([0, 64]), randomBytes(64)]));
  await garbled.ended;
  const empty = await linkTo(network, last, { key: turned });
  empty.socket.write(Buffer.from([0, 0]));
  await empty.ended;
  await until('each is counted', () => counted()['bad-frame'] === 1);
  assert.equal(counted()['wrong-packet-size'], 2);
  assert.equal(counted()['not-authentic'], 1);
  await echo();
});

test('a flood from one prefix is limited, and others get through', { skip: onLinux }, async () => {
  const { packetBytes } = geometryOf(network.genesis.geometry);
  const flood = await linkTo(network, 'gateway-0', { from: '127.9.9.9' });
  const packets = Array.from({ length: 6 * PREFIX_RATE }, () => new Uint8Array(packetBytes));
  const before = dropsAt('gateway-0', 'over-limit');
  await Promise.all([sendAll(flood, packets), echo(), echo(), echo()]);
  const limited = () => dropsAt('gateway-0', 'over-limit') - before;
  await until('most of the flood is counted', () => limited() >= 3 * PREFIX_RATE);
  flood.link.close();
});

test('a relay that sends junk is not heard for a while, and others are', async () => {
  const second = layers[1] as string;
  const junk = await linkTo(network, second, { key: turned });
  const { packetBytes } = geometryOf(network.genesis.geometry);
  const packets = Array.from({ length: 10 * WORTHLESS_RATE }, () => new Uint8Array(packetBytes));
  const [limited, unwrapped] = [dropsAt(second, 'over-limit'), dropsAt(second, 'malformed', 'bad-mac', 'zero-secret')];
  const began = performance.now();
  await Promise.all([sendAll(junk, packets), echo(), echo(), echo()]);
  await until('most of it is dropped unseen', () => dropsAt(second, 'over-limit') - limited >= packets.length / 2);
  const seconds = (performance.now() - began) / 1000;
  const wasted = dropsAt(second, 'malformed', 'bad-mac', 'zero-secret') - unwrapped;
  // Beside what it may waste at once and in that time: what was in the threads already when the first came back.
  assert.ok(wasted <= WORTHLESS_RATE * (1 + seconds) + NODE_LIMITS.congestedAbove + 64, `${wasted} unwrapped`);
  await echo();
  assert.equal(junk.link.isOpen, true);
  junk.link.close();
});

test('a client that does not read costs its gateway a bounded amount, and gets what was kept when it reads', async () => {
  const gateway = network.node('gateway-0');
  const { packetBytes } = geometryOf(network.genesis.geometry);
  const key = generateKeyPair();
  const stalled = await linkTo(network, 'gateway-0', { key });
  const stream = streams.at(-1) as JammedStream;
  const { clients, kept } = gateway.mailboxes;
  stalled.link.sendPacket(new Uint8Array(packetBytes));
  await until('it is known', () => gateway.mailboxes.clients === clients + 1);
  stream.jam();
  const junk = Array.from({ length: 100 }, () => new Uint8Array(packetBytes));
  const slots = NODE_LIMITS.slotsPerClientPacket * junk.length;
  assert.ok(slots * packetBytes > 2 * NODE_LIMITS.clientBufferBytes);
  await Promise.all([sendAll(stalled, junk), echo()]);
  const recipient = clientRecipient(key.publicKey);
  const full = dropsAt('gateway-0', 'link-full');
  const packets = Array.from({ length: 2 * KEPT_PER_CLIENT }, () =>
    packetThrough(network, consensus, [gateway.id], { recipient }),
  );
  await Promise.all([sendAll(await linkTo(network, 'gateway-0'), packets), echo(), echo()]);
  await until('what it has no room for is dropped', () => dropsAt('gateway-0', 'link-full') >= full + KEPT_PER_CLIENT);
  const before = stalled.link.counters.packetsReceived;
  stream.free();
  await until('it gets what its link held', () => stalled.link.counters.packetsReceived > before);
  assert.ok((stalled.link.counters.packetsReceived - before) * packetBytes <= NODE_LIMITS.clientBufferBytes);
  await sendAll(stalled, junk.slice(0, KEPT_PER_CLIENT));
  await until('it gets what was kept', () => gateway.mailboxes.kept - kept < KEPT_PER_CLIENT / 2);
});

test('a mix that is killed while it holds packets loses them, and knows those that it had', async () => {
  const { address } = network.node(first());
  await network.stopNode(first());
  const { genesis } = network;
  const folder = network.folderOf(first());
  using killed = new NodeProcess({ genesis, role: 'mix', operator: first(), folder, listen: address });
  await until('it serves in a process of its own', () => killed.last?.isServing === true);
  toFirst = await linkTo(network, first(), { key: turned });
  const arrivals = () => dropsAt('service-0', 'unknown-recipient');
  const before = arrivals();
  const forwarded = packetThrough(network, consensus, way);
  toFirst.link.sendPacket(forwarded);
  await until('it forwards', () => arrivals() === before + 1);

  const requests = [echo(), echo(), echo()];
  const held = Array.from({ length: 20 }, () =>
    packetThrough(network, consensus, way, { delayMilliseconds: LONGEST_DELAY }),
  );
  // Others hold packets there too: the replay behind them tells that it has seen all of these.
  await sendAll(toFirst, [...held, captured]);
  const holdsThem = () => killed.last !== null && killed.last.held >= held.length && killed.last.replays > 0;
  await until('it holds them', holdsThem);
  assert.equal(await killed.kill(), 'SIGKILL');
  requests.push(echo(), echo());
  await sleep(500);
  const restarted = await network.restartNode(first());
  await until('it is back', () => restarted.status().isInConsensus);
  toFirst = await linkTo(network, first(), { key: turned });
  // One from before the process that was killed, one that it forwarded, and those that were lost with it.
  await sendAll(toFirst, [captured, forwarded, ...held]);
  await until('all are counted', () => restarted.drops.count('replay') === 2 + held.length);
  await Promise.all(requests);
  assert.equal(arrivals(), before + 1, 'what it held is lost');
});

test('a gateway that is killed is found again by its clients, who get what was asked before', async () => {
  const requests = [echo(), echo()];
  await sleep(30);
  const restarted = await network.restartNode('gateway-0');
  await until('it is back', () => restarted.status().isInConsensus);
  await Promise.all(requests);
});

test('a node whose clock is wrong stops and says so', async () => {
  const failed = Promise.withResolvers<Error>();
  const late = await network.startNode('mix', 'mix-late', {
    now: () => Date.now() - 120_000,
    failed: failed.resolve,
  });
  assert.match((await failed.promise).message, /this clock is 120 s behind those of the directory's authorities/);
  await sleep(100);
  await assert.rejects(() => connectTo(late.address), { code: 'ECONNREFUSED' });
});

test('after all of this every node is up and empty, and the network carries messages', async () => {
  const { loopsReturned } = client.counters;
  await Promise.all([echo(), echo()]);
  await until('its loops come back', () => client.counters.loopsReturned > loopsReturned);
  for (const name of [...layers, 'gateway-0', 'service-0']) {
    const { isInConsensus, packets } = network.node(name).status();
    assert.ok(isInConsensus, name);
    assert.ok(packets.held < 200, `${name} holds ${packets.held} packets`);
  }
  assert.deepEqual(
    network.said.filter((line) => line.includes(' failed: ')),
    [],
  );
});
