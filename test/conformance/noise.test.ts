import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateKeyPair, Handshake, keyPairFrom } from '@fog/transport';
import { NOISE_AREA } from './noise.ts';

const hex = (data: Uint8Array) => Buffer.from(data).toString('hex');

/** A vector as our own code makes it: right in form, and passed if the area can read it at all. */
function vector(): Record<string, unknown> & { messages: { payload: string; ciphertext: string }[] } {
  const secret = () => hex(generateKeyPair().privateKey.export({ format: 'raw-private' }));
  const [ours, theirs] = [secret(), secret()];
  const pair = (privateKey: string) => keyPairFrom(Buffer.from(privateKey, 'hex'));
  const protocolName = 'Noise_NK_25519_ChaChaPoly_SHA256';
  const remoteStatic = pair(theirs).publicKey;
  const [initial, answering] = [secret(), secret()];
  const initiator = new Handshake({ protocolName, isInitiator: true, ephemeral: pair(initial), remoteStatic });
  const common = { protocolName, isInitiator: false, static: pair(theirs) };
  const responder = new Handshake({ ...common, ephemeral: pair(answering) });
  const first = initiator.writeMessage(Buffer.from('one'));
  responder.readMessage(first);
  const second = responder.writeMessage(Buffer.from('two'));
  initiator.readMessage(second);
  const message = (text: string, ciphertext: Uint8Array) => ({
    payload: hex(Buffer.from(text)),
    ciphertext: hex(ciphertext),
  });
  return {
    protocol_name: protocolName,
    init_prologue: '',
    init_static: ours,
    init_ephemeral: initial,
    init_remote_static: hex(remoteStatic),
    resp_prologue: '',
    resp_static: theirs,
    resp_ephemeral: answering,
    handshake_hash: hex(initiator.handshakeHash),
    messages: [
      message('one', first),
      message('two', second),
      message('three', initiator.split().send.encrypt(Buffer.from('three'))),
    ],
  };
}

function run(data: unknown): void {
  void NOISE_AREA.run({ name: 'case', data });
}
const cases = (file: unknown) =>
  NOISE_AREA.cases(
    { path: 'noise/a.json', content: Buffer.from(JSON.stringify(file)), sibling: async () => null },
    { isQuick: false },
  );

test('a vector is run to its last message', () => {
  const good = vector();
  run(good);
  for (const index of [0, 1, 2]) {
    const bad = structuredClone(good);
    const message = bad.messages[index];
    assert.ok(message);
    message.ciphertext = message.ciphertext.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
    assert.throws(() => run(bad), `message ${index}`);
  }
  assert.throws(() => run({ ...good, handshake_hash: '00'.repeat(32) }), /handshake hash/);
});

test('what the area does not know is a failure', () => {
  const good = vector();
  assert.throws(() => run({ ...good, fallback: true }), /unknown key "fallback"/);
  assert.throws(() => run({ ...good, protocol_name: 'Noise_NK_25519_AESGCM_SHA256' }), /no Noise protocol/);
  assert.throws(() => run({ ...good, init_prologue: 'zz' }), /not hexadecimal/);
  assert.throws(() => run({ ...good, messages: [{ payload: '' }] }), /unknown shape/);
  assert.throws(() => run({ ...good, messages: good.messages.slice(0, 1) }), /fewer messages/);
  assert.throws(() => cases({ vectors: {} }), /unknown shape/);
  assert.throws(() => cases({ vectors: [], tests: [] }), /unknown shape/);
  assert.throws(() => cases([good]), /unknown shape/);
});
