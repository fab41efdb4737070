import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { test } from 'node:test';
import { CipherState } from '@fog/transport';

const KEY = Buffer.alloc(32, 7);

/** What the framework defines as ENCRYPT(k, n, ad, text), written down once more. */
function encrypt(key: Uint8Array, nonce: bigint, text: Uint8Array, associatedData = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64LE(nonce, 4);
  const cipher = createCipheriv('chacha20-poly1305', key, bytes, { authTagLength: 16 });
  cipher.setAAD(associatedData);
  return Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

test('nonces count from 0, and the associated data are under the MAC', () => {
  const cipher = new CipherState(KEY);
  const text = Buffer.from('text');
  const data = Buffer.from('data');
  assert.deepEqual(cipher.encrypt(text, data), encrypt(KEY, 0n, text, data));
  assert.deepEqual(cipher.encrypt(text), encrypt(KEY, 1n, text));
  const reader = new CipherState(KEY);
  assert.throws(() => reader.decrypt(encrypt(KEY, 0n, text, data)), { code: 'protocol-violation' });
  assert.deepEqual(reader.decrypt(encrypt(KEY, 0n, text, data), data), text);
  assert.equal(reader.count, 1);
});

test('a message that is refused is not counted, so that the next good one is still read', () => {
  const reader = new CipherState(KEY);
  for (const bad of [Buffer.alloc(0), Buffer.alloc(15), Buffer.alloc(40), encrypt(KEY, 1n, Buffer.alloc(3))]) {
    assert.throws(() => reader.decrypt(bad), { details: { cause: 'not-authentic' } });
  }
  assert.deepEqual(reader.decrypt(encrypt(KEY, 0n, Buffer.from('good'))), Buffer.from('good'));
});

test('the key after a rekey is the ciphertext of zeros under the largest nonce', () => {
  const next = encrypt(KEY, 2n ** 64n - 1n, Buffer.alloc(32)).subarray(0, 32);
  const cipher = new CipherState(KEY);
  cipher.encrypt(Buffer.from('before'));
  cipher.rekey();
  assert.deepEqual(cipher.encrypt(Buffer.from('after')), encrypt(next, 1n, Buffer.from('after')));
});

test('without a key texts pass; after disposal nothing does', () => {
  const cipher = new CipherState();
  assert.deepEqual(cipher.encrypt(Buffer.from('clear')), Buffer.from('clear'));
  assert.deepEqual(cipher.decrypt(Buffer.from('clear')), Buffer.from('clear'));
  cipher.setKey(KEY);
  cipher[Symbol.dispose]();
  assert.throws(() => cipher.encrypt(Buffer.from('text')), { code: 'internal' });
  assert.throws(() => cipher.decrypt(Buffer.alloc(32)), { code: 'internal' });
  assert.throws(() => cipher.rekey(), { code: 'internal' });
});
