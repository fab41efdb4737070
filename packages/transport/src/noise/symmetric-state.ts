/**
 * What both sides of a handshake have computed so far: the SymmetricState of the Noise framework, section 5.2. The hash
 * covers everything that was said; the chaining key covers every secret.
 */
import { CipherState } from './cipher-state.ts';
import { deriveKeys, type HashName, hash, KEY_BYTES } from './primitives.ts';

export class SymmetricState implements Disposable {
  readonly #hashName: HashName;
  readonly #cipher = new CipherState();
  readonly #chainingKey = Buffer.alloc(KEY_BYTES);
  #hash: Buffer;

  /** A name that is no longer than a hash stands for itself, a longer one is hashed. */
  constructor(hashName: HashName, protocolName: string) {
    this.#hashName = hashName;
    const name = Buffer.from(protocolName, 'ascii');
    this.#hash =
      name.length <= KEY_BYTES ? Buffer.concat([name, Buffer.alloc(KEY_BYTES - name.length)]) : hash(hashName, name);
    this.#chainingKey.set(this.#hash);
  }

  /** A copy. After the handshake it names this very session, for whoever wants to bind something to it. */
  get handshakeHash(): Uint8Array {
    return Uint8Array.from(this.#hash);
  }

  get hasKey(): boolean {
    return this.#cipher.hasKey;
  }

  mixHash(data: Uint8Array): void {
    this.#hash = hash(this.#hashName, this.#hash, data);
  }

  mixKey(material: Uint8Array): void {
    const [chainingKey, key] = deriveKeys(this.#hashName, this.#chainingKey, material, 2) as [Buffer, Buffer];
    this.#chainingKey.set(chainingKey);
    this.#cipher.setKey(key);
    wipe(chainingKey, key);
  }

  mixKeyAndHash(material: Uint8Array): void {
    const outputs = deriveKeys(this.#hashName, this.#chainingKey, material, 3) as [Buffer, Buffer, Buffer];
    const [chainingKey, mixed, key] = outputs;
    this.#chainingKey.set(chainingKey);
    this.mixHash(mixed);
    this.#cipher.setKey(key);
    wipe(...outputs);
  }

  encryptAndHash(plaintext: Uint8Array): Buffer {
    const ciphertext = this.#cipher.encrypt(plaintext, this.#hash);
    this.mixHash(ciphertext);
    return ciphertext;
  }

  /** Throws `protocol-violation` when the text is not authentic. */
  decryptAndHash(ciphertext: Uint8Array): Buffer {
    const plaintext = this.#cipher.decrypt(ciphertext, this.#hash);
    this.mixHash(ciphertext);
    return plaintext;
  }

  /** The ciphers of initiator -> responder and of responder -> initiator. */
  split(): [CipherState, CipherState] {
    const keys = deriveKeys(this.#hashName, this.#chainingKey, new Uint8Array(), 2) as [Buffer, Buffer];
    const ciphers: [CipherState, CipherState] = [new CipherState(keys[0]), new CipherState(keys[1])];
    wipe(...keys);
    return ciphers;
  }

  /** Wipes the keys; the hash, which is no secret, can still be read. */
  [Symbol.dispose](): void {
    this.#chainingKey.fill(0);
    this.#cipher[Symbol.dispose]();
  }
}

function wipe(...secrets: readonly Buffer[]): void {
  for (const secret of secrets) secret.fill(0);
}
