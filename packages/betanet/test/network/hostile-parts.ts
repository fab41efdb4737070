/** What a stranger, or a relay that turned, can do to a network: packets and links made by hand. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Consensus, epochAt, networkIdOf } from '@fog/betanet';
import { chooseBackend, createPacket, geometryOf, nodePrimitives } from '@fog/sphinx';
import { generateKeyPair, keyPairFrom, type Link, type LinkEnd, type NoiseKeyPair, openLink } from '@fog/transport';
import type { SmallMixNetwork } from './small-mix-network.ts';

const PRIMITIVES = nodePrimitives(chooseBackend().backend.x25519);

export async function until(what: string, isSo: () => boolean, milliseconds = 10_000): Promise<void> {
  for (const end = Date.now() + milliseconds; !isSo(); await sleep(5)) {
    if (Date.now() > end) throw new Error(`within ${milliseconds} ms it did not happen that ${what}`);
  }
}

/** The static key of a node's links, from its folder. */
export async function linkKeyOf(network: SmallMixNetwork, name: string): Promise<NoiseKeyPair> {
  return keyPairFrom(await readFile(join(network.folderOf(name), 'link.key')));
}

export interface LinkChoice {
  key?: NoiseKeyPair;
  remoteStatic?: Uint8Array;
  networkId?: Uint8Array;
  versions?: readonly number[];
  packetBytes?: number;
  /** Where the connection comes from. */
  from?: string;
}

export interface HandMadeLink {
  link: Link;
  /** Beneath the link. */
  socket: Socket;
  ended: Promise<LinkEnd>;
}

export async function linkTo(network: SmallMixNetwork, name: string, choice: LinkChoice = {}): Promise<HandMadeLink> {
  const node = network.node(name);
  const socket = await connectTo(node.address, choice.from);
  const link = await openLink(socket, {
    networkId: Buffer.from(networkIdOf(network.genesis), 'hex'),
    static: generateKeyPair(),
    packetBytes: geometryOf(network.genesis.geometry).packetBytes,
    remoteStatic: (await linkKeyOf(network, name)).publicKey,
    ...withoutKey(choice),
    ...(choice.key === undefined ? {} : { static: choice.key }),
  });
  const ended = new Promise<LinkEnd>((resolve) => link.start({ onPackets: () => {}, onClose: resolve }));
  return { link, socket, ended };
}

function withoutKey({ key: _, from: __, ...rest }: LinkChoice) {
  return rest;
}

export function connectTo(address: string, from?: string): Promise<Socket> {
  const [host = '', port = ''] = address.split(':');
  const socket = connect({ host, port: Number(port), ...(from === undefined ? {} : { localAddress: from }) });
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(socket.on('error', () => {})));
    socket.once('error', reject);
  });
}

/** Sends as fast as the link takes it. */
export async function sendAll({ link }: HandMadeLink, packets: Iterable<Uint8Array>): Promise<void> {
  for (const packet of packets) {
    let answer = link.sendPacket(packet);
    for (; answer === 'full'; answer = link.sendPacket(packet)) await sleep(2);
    if (answer === 'closed') return;
  }
}

export interface PacketChoice {
  recipient?: Uint8Array;
  delayMilliseconds?: number;
  epoch?: number;
}

/** A valid packet through nodes of the consensus, in this order. */
export function packetThrough(
  network: Pick<SmallMixNetwork, 'genesis'>,
  consensus: Consensus,
  ids: readonly string[],
  choice: PacketChoice = {},
): Uint8Array {
  const { recipient = randomBytes(32), delayMilliseconds = 0, epoch = epochAt(network.genesis, Date.now()) } = choice;
  const geometry = geometryOf(network.genesis.geometry);
  const path = ids.map((id, index) => {
    const keys = consensus.body.nodes.find((node) => node.id === id)?.sphinxKeys ?? [];
    const key = keys.find((candidate) => candidate.epoch === epoch)?.publicKey;
    return {
      id: Buffer.from(id, 'hex'),
      // Of a node that nobody knows any key will do.
      publicKey: Buffer.from(
        key ?? keys[0]?.publicKey ?? Buffer.from(generateKeyPair().publicKey).toString('hex'),
        'hex',
      ),
      delayMilliseconds: index === ids.length - 1 ? 0 : delayMilliseconds,
    };
  });
  const payload = new Uint8Array(geometry.payloadBytes);
  return createPacket({ geometry, path, recipient, payload, primitives: PRIMITIVES });
}

/** A copy in which one bit is another. */
export function flipped(packet: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(packet);
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
}
