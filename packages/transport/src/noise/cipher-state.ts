/**
 * A key of ChaCha20-Poly1305 with its count of messages: the CipherState of the Noise framework.
 *
 *     without a key (handshake only: texts pass unchanged) --setKey--> with a key --dispose--> unusable
 *
 * Source: The Noise Protocol Framework, revision 34, sections 5.1, 11.3 and 12.3.
 */
import { FogError } from '@fog/contract';
import { NONCE_BYTES, openText, type SealedText, sealText } from './aead.ts';
import { KEY_BYTES, MAC_BYTES } from './primitives.ts';

const EMPTY = new Uint8Array();

export class CipherState implements Disposable {
  readonly #key = Buffer.alloc(KEY_BYTES);
  readonly #nonceBytes = Buffer.alloc(NONCE_BYTES);
  #hasKey = false;
  #isDisposed = false;
  /** Messages under this state so far. They are not counted anew after a rekey. */
  #count = 0;

  constructor(key?: Uint8Array) {
    if (key !== undefined) this.setKey(key);
  }

  /** Copies the key and begins to count at 0. */
  setKey(key: Uint8Array): void {
    this.#key.set(key);
    this.#hasKey = true;
    this.#count = 0;
  }

  get hasKey(): boolean {
    return this.#hasKey;
  }

  /** How many messages were encrypted or decrypted: the next message's nonce. */
  get count(): number {
    return this.#count;
  }

  /** Ciphertext and tag in one piece; without a key, a copy of the plaintext. */
  encrypt(plaintext: Uint8Array, associatedData: Uint8Array = EMPTY): Buffer {
    if (!this.#hasKey && !this.#isDisposed) return Buffer.from(plaintext);
    const { ciphertext, tag } = this.seal(plaintext, associatedData);
    return Buffer.concat([ciphertext, tag]);
  }

  /** Ciphertext and tag as they come, so that a link need not copy them together. Needs a key. */
  seal(plaintext: Uint8Array, associatedData: Uint8Array = EMPTY): SealedText {
    const sealed = sealText(this.#usableKey(), this.#nonce(), plaintext, associatedData);
    this.#count += 1;
    return sealed;
  }

  /**
   * The plaintext of a message, in memory of its own. Throws `protocol-violation` when it is not authentic; nothing is
   * counted then.
   */
  decrypt(message: Uint8Array, associatedData: Uint8Array = EMPTY): Buffer {
    if (!this.#hasKey && !this.#isDisposed) return Buffer.from(message);
    const key = this.#usableKey();
    const textBytes = message.length - MAC_BYTES;
    if (textBytes < 0) throw notAuthentic(`it has ${message.length} bytes, fewer than a MAC`);
    const parts = { ciphertext: message.subarray(0, textBytes), tag: message.subarray(textBytes) };
    const plaintext = openText(key, this.#nonce(), parts, associatedData);
    if (plaintext === null) throw notAuthentic('its MAC is wrong');
    this.#count += 1;
    return plaintext;
  }

  /** A new key out of the old one, from which the old one cannot be computed. */
  rekey(): void {
    const nonce = Buffer.alloc(NONCE_BYTES, 0xff).fill(0, 0, 4);
    const next = sealText(this.#usableKey(), nonce, Buffer.alloc(KEY_BYTES), EMPTY).ciphertext;
    this.#key.set(next);
    next.fill(0);
  }

  /** Wipes the key. Later calls throw. */
  [Symbol.dispose](): void {
    this.#key.fill(0);
    this.#hasKey = false;
    this.#isDisposed = true;
  }

  #usableKey(): Buffer {
    // Above 2^53 numbers are no longer exact; at a million messages a second that is in 285 years.
    if (this.#hasKey && this.#count < Number.MAX_SAFE_INTEGER) return this.#key;
    throw new FogError('internal', `no key is left for message ${this.#count} of a Noise cipher`, {
      retryable: false,
      hint: 'make a new connection',
    });
  }

  #nonce(): Buffer {
    this.#nonceBytes.writeUInt32LE(this.#count % 2 ** 32, 4);
    this.#nonceBytes.writeUInt32LE(Math.floor(this.#count / 2 ** 32), 8);
    return this.#nonceBytes;
  }
}

function notAuthentic(why: string): FogError {
  return new FogError('protocol-violation', `a Noise message cannot be decrypted: ${why}`, {
    details: { cause: 'not-authentic' },
    hint: 'end the connection: it was tampered with, or the two sides have different keys or prologues',
  });
}
