/**
 * One handshake of the Noise framework, whichever pattern: its HandshakeState, driven by the table of patterns.
 *
 *     writing <-> reading   in turn, the initiator writes first
 *        |  any fault          -> failed      everything secret is wiped, later calls throw
 *        |  after the last one -> finished --split--> spent
 *
 * Source: The Noise Protocol Framework, revision 34, sections 5.3 and 9.2.
 */
import { FogError } from '@fog/contract';
import { NOISE_LIMITS } from '../limits.ts';
import type { CipherState } from './cipher-state.ts';
import { type HandshakePattern, protocolOf, type Token } from './patterns.ts';
import { generateKeyPair, KEY_BYTES, MAC_BYTES, type NoiseKeyPair, sharedSecret } from './primitives.ts';
import { SymmetricState } from './symmetric-state.ts';

export interface HandshakeOptions {
  /** E.g. `Noise_XK_25519_ChaChaPoly_SHA256`; see `protocolOf`. */
  protocolName: string;
  isInitiator: boolean;
  /** What both sides must agree on already; a difference lets the handshake fail. Default: nothing. */
  prologue?: Uint8Array | undefined;
  /** Ours, if the pattern has one. */
  static?: NoiseKeyPair | undefined;
  /** For tests: in use, a fresh one is made when the pattern asks for it. */
  ephemeral?: NoiseKeyPair | undefined;
  /** Static public key of the other side, if the pattern says that it is known. */
  remoteStatic?: Uint8Array | undefined;
  /** 32 bytes each, in the order of the modifiers in the name. Copied. */
  preSharedKeys?: readonly Uint8Array[] | undefined;
}

/** The two ciphers of what follows a handshake. In a one-way pattern only the initiator's `send` may be used. */
export interface TransportCiphers {
  send: CipherState;
  receive: CipherState;
}

type Phase = 'open' | 'finished' | 'failed' | 'spent';

export class Handshake implements Disposable {
  readonly #pattern: HandshakePattern;
  readonly #symmetric: SymmetricState;
  readonly #isInitiator: boolean;
  readonly #static: NoiseKeyPair | undefined;
  readonly #preSharedKeys: Buffer[];
  readonly #hasPreSharedKeys: boolean;
  #ephemeral: NoiseKeyPair | undefined;
  #remoteStatic: Uint8Array | undefined;
  #remoteEphemeral: Uint8Array | undefined;
  #messageNumber = 0;
  #phase: Phase = 'open';

  /** Throws `unsupported` for an unknown name, `invalid-configuration` when a key is missing, too many, or too short. */
  constructor(options: HandshakeOptions) {
    const { name, hashName, pattern } = protocolOf(options.protocolName);
    assertKeys(pattern, options);
    this.#pattern = pattern;
    this.#isInitiator = options.isInitiator;
    this.#static = options.static;
    this.#ephemeral = options.ephemeral;
    this.#remoteStatic = options.remoteStatic && Uint8Array.from(options.remoteStatic);
    this.#preSharedKeys = (options.preSharedKeys ?? []).map((key) => Buffer.from(key));
    this.#hasPreSharedKeys = this.#preSharedKeys.length > 0;
    this.#symmetric = new SymmetricState(hashName, name);
    this.#symmetric.mixHash(options.prologue ?? new Uint8Array());
    const own = this.#static?.publicKey;
    const [initiator, responder] = this.#isInitiator ? [own, this.#remoteStatic] : [this.#remoteStatic, own];
    if (pattern.isInitiatorKnown) this.#symmetric.mixHash(present(initiator));
    if (pattern.isResponderKnown) this.#symmetric.mixHash(present(responder));
  }

  get isFinished(): boolean {
    return this.#phase === 'finished' || this.#phase === 'spent';
  }

  /** Whether the next message is ours to write. */
  get isOurTurn(): boolean {
    return this.#phase === 'open' && (this.#messageNumber % 2 === 0) === this.#isInitiator;
  }

  /** Static public key of the other side, as soon as it is known. Proven only when the handshake is finished. */
  get remoteStaticKey(): Uint8Array | undefined {
    return this.#remoteStatic;
  }

  /** 32 bytes that name this session, for both sides the same. Throws before the end. */
  get handshakeHash(): Uint8Array {
    if (!this.isFinished) throw misuse('the hash of a handshake is known only when it is finished');
    return this.#symmetric.handshakeHash;
  }

  /** The next message with this payload, which is encrypted if the pattern has a key by then. */
  writeMessage(payload: Uint8Array = new Uint8Array()): Buffer {
    if (!this.isOurTurn) throw misuse('it is not our turn to write in this handshake');
    return this.#step(() => {
      const parts = this.#tokens().map((token) => this.#write(token));
      const message = Buffer.concat([...parts, this.#symmetric.encryptAndHash(payload)]);
      if (message.length <= NOISE_LIMITS.messageBytes) return message;
      throw misuse(`a handshake message of ${message.length} bytes is longer than Noise allows`);
    });
  }

  /**
   * The payload of the other side's message. Throws `protocol-violation` when the message is too short or too long, not
   * authentic, or has a key of low order; the handshake has failed then.
   */
  readMessage(message: Uint8Array): Buffer {
    if (this.#phase !== 'open' || this.isOurTurn)
      throw misuse('it is not the turn of the other side in this handshake');
    return this.#step(() => {
      if (message.length > NOISE_LIMITS.messageBytes) throw wrongLength(message.length);
      let offset = 0;
      for (const token of this.#tokens()) offset += this.#read(token, message.subarray(offset));
      return this.#symmetric.decryptAndHash(message.subarray(offset));
    });
  }

  /** Hands over the ciphers, once, and wipes what the handshake knew. */
  split(): TransportCiphers {
    if (this.#phase !== 'finished') throw misuse('a handshake can be split once, when it is finished');
    const [first, second] = this.#symmetric.split();
    this.#end('spent');
    return this.#isInitiator ? { send: first, receive: second } : { send: second, receive: first };
  }

  /** Wipes the keys. */
  [Symbol.dispose](): void {
    this.#end(this.#phase === 'spent' ? 'spent' : 'failed');
  }

  #step<Result>(step: () => Result): Result {
    try {
      const result = step();
      this.#messageNumber += 1;
      if (this.#messageNumber === this.#pattern.messages.length) this.#phase = 'finished';
      return result;
    } catch (error) {
      this.#end('failed');
      throw error;
    }
  }

  #end(phase: Phase): void {
    this.#phase = phase;
    this.#ephemeral = undefined;
    this.#symmetric[Symbol.dispose]();
    for (const key of this.#preSharedKeys) key.fill(0);
  }

  #tokens(): readonly Token[] {
    return present(this.#pattern.messages[this.#messageNumber]);
  }

  #write(token: Token): Uint8Array {
    if (token === 'e') {
      this.#ephemeral ??= generateKeyPair();
      this.#mixEphemeral(this.#ephemeral.publicKey);
      return this.#ephemeral.publicKey;
    }
    if (token === 's') return this.#symmetric.encryptAndHash(present(this.#static).publicKey);
    this.#mixSecret(token);
    return new Uint8Array();
  }

  /** Answers how many bytes it took. */
  #read(token: Token, rest: Uint8Array): number {
    if (token === 'e') {
      this.#remoteEphemeral = cut(rest, KEY_BYTES);
      this.#mixEphemeral(this.#remoteEphemeral);
      return KEY_BYTES;
    }
    if (token === 's') {
      const length = this.#symmetric.hasKey ? KEY_BYTES + MAC_BYTES : KEY_BYTES;
      this.#remoteStatic = Uint8Array.from(this.#symmetric.decryptAndHash(cut(rest, length)));
      return length;
    }
    this.#mixSecret(token);
    return 0;
  }

  /** With pre-shared keys the ephemeral key makes the secrets of each session different; section 9.2. */
  #mixEphemeral(publicKey: Uint8Array): void {
    this.#symmetric.mixHash(publicKey);
    if (this.#hasPreSharedKeys) this.#symmetric.mixKey(publicKey);
  }

  #mixSecret(token: Exclude<Token, 'e' | 's'>): void {
    if (token === 'psk') {
      const key = present(this.#preSharedKeys.shift());
      this.#symmetric.mixKeyAndHash(key);
      key.fill(0);
      return;
    }
    // The first letter is the initiator's key, the second the responder's.
    const [own, remote] = this.#isInitiator ? [token[0], token[1]] : [token[1], token[0]];
    const pair = present(own === 'e' ? this.#ephemeral : this.#static);
    const secret = sharedSecret(pair, present(remote === 'e' ? this.#remoteEphemeral : this.#remoteStatic));
    this.#symmetric.mixKey(secret);
    secret.fill(0);
  }
}

function assertKeys(pattern: HandshakePattern, options: HandshakeOptions): void {
  const { isInitiator, protocolName, preSharedKeys = [] } = options;
  const tokensOf = (sender: boolean) => pattern.messages.filter((_, at) => (at % 2 === 0) === sender).flat();
  const isOwnKnown = isInitiator ? pattern.isInitiatorKnown : pattern.isResponderKnown;
  const isRemoteKnown = isInitiator ? pattern.isResponderKnown : pattern.isInitiatorKnown;
  const needsStatic = isOwnKnown || tokensOf(isInitiator).includes('s');
  const fault = (what: string) =>
    new FogError('invalid-configuration', `${what} in a handshake of ${protocolName}`, {
      hint: 'give the keys that the pattern names, of 32 bytes each',
    });
  if (needsStatic && options.static === undefined) throw fault('the static key is missing');
  if (isRemoteKnown !== (options.remoteStatic !== undefined)) {
    throw fault(`the static key of the other side is ${isRemoteKnown ? 'missing' : 'given and has no place'}`);
  }
  if ((options.remoteStatic?.length ?? KEY_BYTES) !== KEY_BYTES) throw fault('the key of the other side is too short');
  const wanted = pattern.messages.flat().filter((token) => token === 'psk').length;
  if (preSharedKeys.length !== wanted) throw fault(`${preSharedKeys.length} pre-shared keys instead of ${wanted}`);
  if (preSharedKeys.some((key) => key.length !== KEY_BYTES)) throw fault('a pre-shared key has not 32 bytes');
}

/** A copy: the message is the caller's. */
function cut(rest: Uint8Array, length: number): Uint8Array {
  if (rest.length < length) throw wrongLength(rest.length);
  return Uint8Array.from(rest.subarray(0, length));
}

function wrongLength(length: number): FogError {
  return new FogError(
    'protocol-violation',
    `a handshake message cannot be read: ${length} bytes are too few or too many`,
    {
      details: { cause: 'wrong-length' },
      hint: 'end the connection: the other side speaks another protocol',
    },
  );
}

function misuse(what: string): FogError {
  return new FogError('internal', what, { retryable: false, hint: 'this is a mistake in the calling program' });
}

/** What the table of patterns and `assertKeys` make sure of. */
function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw misuse('a handshake pattern uses a key before there is one');
  return value;
}
