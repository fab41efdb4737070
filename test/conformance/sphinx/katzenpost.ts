/** Files of Katzenpost: whole packets hop by hop, commands, primitives. */
import assert from 'node:assert/strict';
import {
  aezDecrypt,
  aezEncrypt,
  createHeader,
  delayCommand,
  type Geometry,
  geometryOf,
  type HeaderSuite,
  hkdfExpand,
  KP_X25519,
  lastRegionBytes,
  nextHopCommand,
  OUTCOME_BYTES,
  openHeader,
  openReply,
  PAYLOAD_TAG_BYTES,
  PURE_PRIMITIVES,
  packetFromReplyBlock,
  readCommands,
  readOutcome,
  recipientCommand,
  replyCommand,
  type SphinxBackend,
} from '@fog/sphinx';
import { z } from 'zod';
import { assertBytes, type Check, hex, hexOfLength, parseShape } from '../vector-shape.ts';
import { sphinxBackends } from './backends.ts';

const packetSchema = z.strictObject({
  Nodes: z.array(z.strictObject({ ID: hexOfLength(32), PrivateKey: hexOfLength(32) })).min(1),
  Path: z.array(z.strictObject({ ID: hexOfLength(32), PublicKey: hexOfLength(32), Commands: z.array(hex) })).min(1),
  Packets: z.array(hex).min(2),
  Payload: hex,
  Surb: hex,
  SurbKeys: hex,
});
type PacketVector = z.output<typeof packetSchema>;

const commandsSchema = z.strictObject({
  NextHopID: hexOfLength(32),
  NextHopMAC: hexOfLength(32),
  NextHopCmdWant: hex,
  RecipientID: hexOfLength(32),
  RecipientCmdWant: hex,
  SURBReplyID: hexOfLength(16),
  SURBReplyCmdWant: hex,
  NodeDelay: z.int(),
  NodeDelayCmdWant: hex,
});

const primitivesSchema = z.strictObject({
  kdf_sphinx: z.array(
    z.strictObject({
      ikm: hexOfLength(32),
      header_mac: hexOfLength(32),
      header_encryption: hexOfLength(32),
      iv: hexOfLength(16),
      payload_encryption: hexOfLength(48),
      blinding_seed: hexOfLength(32),
    }),
  ),
  chacha20_deterministic_rand: z.array(z.strictObject({ key: hexOfLength(32), keystream: hex })),
  sprp_aez_short: z.array(z.strictObject({ key: hex, iv: hex, pt: hex, ct: hex })),
});

/** The checks of a file, whose shape tells what it is. */
export function katzenpostChecks(content: unknown): Check[] {
  if (Array.isArray(content)) {
    return parseShape(z.array(packetSchema), content).flatMap((vector, index) => packetChecks(vector, index));
  }
  if (typeof content === 'object' && content !== null && 'NextHopCmdWant' in content) {
    const vector = parseShape(commandsSchema, content);
    return [{ name: 'commands', run: () => checkCommands(vector) }];
  }
  return primitiveChecks(parseShape(primitivesSchema, content));
}

/** The payload is as long as the user's, so there is no room for a reply block; the rest of a packet tells the hops. */
function geometryOfVector({ Packets, Payload }: PacketVector): Geometry {
  const one = geometryOf({ hops: 1, userPayloadBytes: Payload.length, hasReplyBlock: false });
  const two = geometryOf({ hops: 2, userPayloadBytes: Payload.length, hasReplyBlock: false });
  const hops = 1 + ((Packets[0] as Uint8Array).length - one.packetBytes) / (two.packetBytes - one.packetBytes);
  return geometryOf({ hops, userPayloadBytes: Payload.length, hasReplyBlock: false });
}

function packetChecks(vector: PacketVector, index: number): Check[] {
  const geometry = geometryOfVector(vector);
  const isReply = vector.Surb.length > 0;
  const name = `${isReply ? 'reply' : 'packet'} ${index} of ${vector.Nodes.length} hops`;
  const backends = sphinxBackends();
  return [
    ...backends.map((backend) => ({
      name: `${name}: unwrapped by ${backend.name}`,
      run: () => checkUnwrap(geometry, vector, backend.backend),
    })),
    { name: `${name}: created again`, run: () => checkCreate(geometry, vector) },
    ...(isReply ? [{ name: `${name}: packet of the reply block`, run: () => checkReplyBlock(geometry, vector) }] : []),
  ];
}

function checkUnwrap(geometry: Geometry, vector: PacketVector, backend: SphinxBackend): void {
  const { Nodes, Packets, Path, Payload, SurbKeys } = vector;
  assert.equal(Path.length, Nodes.length, 'as many hops as nodes');
  for (const [hop, { PrivateKey }] of Nodes.entries()) {
    using unwrapper = backend.createUnwrapper({ geometry, privateKey: PrivateKey, tagKey: new Uint8Array(32) });
    const packet = (Packets[hop] as Uint8Array).slice();
    const records = new Uint8Array(OUTCOME_BYTES);
    unwrapper.unwrapBatch(packet, records, 1);
    const outcome = readOutcome(records);
    const expected = commandsOf(Path[hop]?.Commands ?? []);
    assert.equal(outcome.delayMilliseconds, expected.delayMilliseconds, `delay at hop ${hop}`);
    if (hop < Nodes.length - 1) {
      assert.equal(outcome.status, 'forward', `status at hop ${hop}`);
      assertBytes(outcome.id, Nodes[hop + 1]?.ID ?? new Uint8Array(0), `next node of hop ${hop}`);
      assertBytes(packet, Packets[hop + 1] as Uint8Array, `packet after hop ${hop}`);
      continue;
    }
    assertBytes(outcome.id, expected.recipient ?? new Uint8Array(0), 'recipient');
    const body = packet.subarray(geometry.headerBytes);
    if (SurbKeys.length === 0) {
      assert.equal(outcome.status, 'deliver', 'status at the last hop');
      assertBytes(body.subarray(PAYLOAD_TAG_BYTES), Payload, 'payload');
    } else {
      assert.equal(outcome.status, 'reply', 'status at the last hop');
      assertBytes(outcome.replyId, expected.replyId ?? new Uint8Array(0), 'id of the reply block');
      assertBytes(openReply(geometry, SurbKeys.slice(), body), Payload, 'payload of the reply');
    }
  }
}

/** The commands of one hop as its slot would hold them; a hop before the last has its next hop added. */
function commandsOf(parts: readonly Uint8Array[]) {
  const joined = Buffer.concat(parts);
  const hasRecipient = parts.some((part) => part[0] === 0x02);
  const next = hasRecipient ? [] : [nextHopCommand(new Uint8Array(32), new Uint8Array(32))];
  const commands = readCommands(Buffer.concat([joined, ...next]));
  assert.ok(commands !== null, 'commands that make sense');
  return commands;
}

/**
 * The key that a packet was made with is not in the files, but the nodes' keys are: they give what each hop shares with
 * the creator, and the padding that the last one finds. From these the first packet follows.
 */
function checkCreate(geometry: Geometry, vector: PacketVector): void {
  const { Nodes, Packets, Path, Payload, Surb } = vector;
  const format: HeaderSuite = { suite: KP_X25519, primitives: PURE_PRIMITIVES, maxHops: geometry.hops };
  const opened = Nodes.map(({ PrivateKey }, hop) => {
    const header = (Packets[hop] as Uint8Array).subarray(0, geometry.headerBytes);
    const result = openHeader(format, PrivateKey, header).opened;
    assert.ok(result !== undefined, `hop ${hop} opens`);
    return { ...result, element: header.slice(2, 34) };
  });
  const slots = Path.slice(0, -1).map(({ Commands }, hop) => {
    const command = nextHopCommand(Path[hop + 1]?.ID ?? new Uint8Array(0), new Uint8Array(32));
    const bytes = new Uint8Array(KP_X25519.slotBytes);
    bytes.set(Buffer.concat([...Commands, command]));
    return { bytes, macAt: Buffer.concat(Commands).length + command.length - KP_X25519.macBytes };
  });
  const region = opened.at(-1)?.routing.slice(0, lastRegionBytes(format, Nodes.length)) ?? new Uint8Array(0);
  region.set(Buffer.concat(Path.at(-1)?.Commands ?? []));
  const chain = { elements: opened.map(({ element }) => element), secrets: opened.map(({ secrets }) => secrets) };
  const header = createHeader(format, chain, { slots, lastRegion: region });
  const first = Packets[0] as Uint8Array;
  if (Surb.length > 0) {
    assertBytes(header, Surb.slice(0, geometry.headerBytes), 'header of the reply block');
    return;
  }
  let body: Uint8Array = Buffer.concat([new Uint8Array(PAYLOAD_TAG_BYTES), Payload]);
  for (const secret of chain.secrets.toReversed()) body = secret.encrypt(body);
  assertBytes(Buffer.concat([header, body]), first, 'first packet');
}

function checkReplyBlock(geometry: Geometry, { Nodes, Packets, Payload, Surb }: PacketVector): void {
  const { packet, firstNode } = packetFromReplyBlock(geometry, Surb, Payload);
  assertBytes(firstNode, Nodes[0]?.ID ?? new Uint8Array(0), 'first node');
  assertBytes(packet, Packets[0] as Uint8Array, 'first packet');
}

function checkCommands(vector: z.output<typeof commandsSchema>): void {
  assertBytes(nextHopCommand(vector.NextHopID, vector.NextHopMAC), vector.NextHopCmdWant, 'next hop');
  assertBytes(recipientCommand(vector.RecipientID), vector.RecipientCmdWant, 'recipient');
  assertBytes(replyCommand(vector.SURBReplyID), vector.SURBReplyCmdWant, 'reply');
  assertBytes(delayCommand(vector.NodeDelay), vector.NodeDelayCmdWant, 'delay');
  const read = readCommands(Buffer.concat([vector.NodeDelayCmdWant, vector.NextHopCmdWant]));
  assert.equal(read?.delayMilliseconds, vector.NodeDelay);
  assertBytes(read?.nextHop?.id ?? null, vector.NextHopID, 'next hop, read');
  assertBytes(read?.nextHop?.mac ?? null, vector.NextHopMAC, 'MAC of the next hop, read');
  const last = readCommands(Buffer.concat([vector.RecipientCmdWant, vector.SURBReplyCmdWant]));
  assertBytes(last?.recipient ?? null, vector.RecipientID, 'recipient, read');
  assertBytes(last?.replyId ?? null, vector.SURBReplyID, 'reply, read');
}

function primitiveChecks(vectors: z.output<typeof primitivesSchema>): Check[] {
  const info = new TextEncoder().encode('katzenpost-kdf-v0-hkdf-sha256');
  return [
    ...vectors.kdf_sphinx.map((vector, index) => ({
      name: `key derivation ${index}`,
      run() {
        const parts = [
          vector.header_mac,
          vector.header_encryption,
          vector.iv,
          vector.payload_encryption,
          vector.blinding_seed,
        ];
        assertBytes(hkdfExpand(PURE_PRIMITIVES, vector.ikm, info, 160), Buffer.concat(parts), 'keys');
      },
    })),
    ...vectors.chacha20_deterministic_rand.map(({ key, keystream }, index) => ({
      name: `ChaCha20 ${index}`,
      run: () => assertBytes(PURE_PRIMITIVES.chacha20Stream(key, keystream.length), keystream, 'key stream'),
    })),
    ...vectors.sprp_aez_short.map(({ key, iv, pt, ct }, index) => ({
      name: `AEZ ${index}`,
      run() {
        assertBytes(aezEncrypt({ key, nonce: iv }, pt), ct, 'encrypted');
        assertBytes(aezDecrypt({ key, nonce: iv }, ct), pt, 'decrypted');
      },
    })),
  ];
}
