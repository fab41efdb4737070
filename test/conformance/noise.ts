/**
 * Handshakes of the Noise framework against vectors in the shape that cacophony and snow write: all keys of both sides,
 * and every message in clear and as it goes over the wire, those after the handshake included.
 */
import assert from 'node:assert/strict';
import { type CipherState, Handshake, keyPairFrom, protocolOf, type TransportCiphers } from '@fog/transport';
import type { ConformanceArea } from './areas.ts';

interface NoiseVector {
  protocol_name: string;
  init_prologue: string;
  init_psks?: string[];
  init_static?: string;
  init_ephemeral?: string;
  init_remote_static?: string;
  resp_prologue: string;
  resp_psks?: string[];
  resp_static?: string;
  resp_ephemeral?: string;
  resp_remote_static?: string;
  handshake_hash?: string;
  messages: { payload: string; ciphertext: string }[];
  /** Which of the two programs made it. */
  suite?: string;
}

const TEXTS = ['protocol_name', 'init_prologue', 'resp_prologue'];
const OPTIONAL_TEXTS = ['suite'];
const OPTIONAL_HEX = [
  ...['init_static', 'init_ephemeral', 'init_remote_static', 'handshake_hash'],
  ...['resp_static', 'resp_ephemeral', 'resp_remote_static'],
];
const OPTIONAL_LISTS = ['init_psks', 'resp_psks'];
const KNOWN = new Set([...TEXTS, ...OPTIONAL_TEXTS, ...OPTIONAL_HEX, ...OPTIONAL_LISTS, 'messages']);

export const NOISE_AREA: ConformanceArea = {
  summary: 'Noise handshakes of every pattern, and the messages after them, as both sides',
  folder: 'vectors',
  files: (path) => /^noise\/.*\.json$/.test(path),
  cases({ content }) {
    const file: unknown = JSON.parse(Buffer.from(content).toString('utf8'));
    const { vectors, ...rest } = isRecord(file) ? file : {};
    const unknown = Object.keys(rest).find((key) => !key.startsWith('_'));
    if (!Array.isArray(vectors) || unknown !== undefined) throw new Error('unknown shape: not {"vectors": [...]}');
    return vectors.map((data: unknown, index) => ({ name: `${index}: ${nameOf(data)}`, data }));
  },
  run({ data }) {
    assertVector(data);
    const initiator = handshakeOf(data, true);
    const responder = handshakeOf(data, false);
    const { isOneWay, messages } = protocolOf(data.protocol_name).pattern;
    assert.ok(data.messages.length >= messages.length, 'fewer messages than the handshake has');
    let ciphers: { initiator: TransportCiphers; responder: TransportCiphers } | undefined;
    data.messages.forEach(({ payload, ciphertext }, index) => {
      const isFromInitiator = isOneWay || index % 2 === 0;
      if (index < messages.length) {
        const [writer, reader] = isFromInitiator ? [initiator, responder] : [responder, initiator];
        assert.equal(writer.writeMessage(bytes(payload)).toString('hex'), ciphertext, `message ${index}`);
        assert.equal(reader.readMessage(bytes(ciphertext)).toString('hex'), payload, `payload of message ${index}`);
        return;
      }
      if (ciphers === undefined) {
        assertFinished(data, initiator, responder);
        ciphers = { initiator: initiator.split(), responder: responder.split() };
      }
      const { initiator: ours, responder: theirs } = ciphers;
      const [send, receive] = isFromInitiator ? [ours.send, theirs.receive] : [theirs.send, ours.receive];
      checkTransport(send, receive, { payload, ciphertext }, index);
    });
    assertFinished(data, initiator, responder);
  },
};

function checkTransport(
  send: CipherState,
  receive: CipherState,
  { payload, ciphertext }: NoiseVector['messages'][number],
  index: number,
): void {
  assert.equal(send.encrypt(bytes(payload)).toString('hex'), ciphertext, `transport message ${index}`);
  assert.equal(receive.decrypt(bytes(ciphertext)).toString('hex'), payload, `payload of transport message ${index}`);
}

function assertFinished({ handshake_hash, ...vector }: NoiseVector, initiator: Handshake, responder: Handshake): void {
  for (const side of [initiator, responder]) {
    assert.ok(side.isFinished, 'the handshake is not finished');
    const hash = Buffer.from(side.handshakeHash).toString('hex');
    assert.equal(hash, handshake_hash ?? hash, 'handshake hash');
  }
  // Whatever each has learnt of the other's static key is what the other has.
  assertStatic(initiator, vector.resp_static);
  assertStatic(responder, vector.init_static);
}

function assertStatic({ remoteStaticKey }: Handshake, privateKey: string | undefined): void {
  if (remoteStaticKey === undefined || privateKey === undefined) return;
  assert.deepEqual(Buffer.from(remoteStaticKey), Buffer.from(keyPairFrom(bytes(privateKey)).publicKey), 'static key');
}

function handshakeOf(vector: NoiseVector, isInitiator: boolean): Handshake {
  const side = isInitiator ? 'init' : 'resp';
  const pair = (privateKey: string | undefined) =>
    privateKey === undefined ? undefined : keyPairFrom(bytes(privateKey));
  const remoteStatic = vector[`${side}_remote_static`];
  return new Handshake({
    protocolName: vector.protocol_name,
    isInitiator,
    prologue: bytes(vector[`${side}_prologue`]),
    static: pair(vector[`${side}_static`]),
    ephemeral: pair(vector[`${side}_ephemeral`]),
    remoteStatic: remoteStatic === undefined ? undefined : bytes(remoteStatic),
    preSharedKeys: (vector[`${side}_psks`] ?? []).map(bytes),
  });
}

function assertVector(data: unknown): asserts data is NoiseVector {
  if (!isRecord(data)) throw new Error('unknown shape: a case is not an object');
  const unknown = Object.keys(data).find((key) => !KNOWN.has(key));
  if (unknown !== undefined) throw new Error(`unknown key "${unknown}"`);
  const isText = (value: unknown) => typeof value === 'string';
  const isMissing = (value: unknown) => value === undefined;
  const isList = (value: unknown, of: (entry: unknown) => boolean) => Array.isArray(value) && value.every(of);
  const isMessage = (value: unknown) =>
    isRecord(value) && Object.keys(value).sort().join() === 'ciphertext,payload' && Object.values(value).every(isText);
  const isWell =
    TEXTS.every((key) => isText(data[key])) &&
    [...OPTIONAL_TEXTS, ...OPTIONAL_HEX].every((key) => isMissing(data[key]) || isText(data[key])) &&
    OPTIONAL_LISTS.every((key) => isMissing(data[key]) || isList(data[key], isText)) &&
    isList(data.messages, isMessage);
  if (!isWell) throw new Error('unknown shape: a key is missing or of another type');
}

/** Throws for what is not hexadecimal, which Node would read as far as it goes. */
function bytes(hex: string): Buffer {
  if (!/^([0-9a-f]{2})*$/i.test(hex)) throw new Error(`"${hex.slice(0, 40)}" is not hexadecimal`);
  return Buffer.from(hex, 'hex');
}

function nameOf(data: unknown): string {
  return isRecord(data) ? String(data.protocol_name) : 'not an object';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
