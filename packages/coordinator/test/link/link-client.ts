/** A client of the agent link for tests: real keys and a real WebSocket, but it says what the test wants. */
import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import {
  AGENT_PATH,
  AGENT_PROTOCOL,
  type CoordinatorFrame,
  coordinatorFrameSchema,
  type HelloFrame,
  helloSigningInput,
  type JournalEntry,
} from '@fog/contract';
import { WebSocket } from 'ws';

export interface NodeKey {
  id: string;
  publicKey: string;
  privateKey: KeyObject;
}

export function newKey(): NodeKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const id = `n${createHash('sha256').update(raw).digest('hex').slice(0, 32)}`;
  return { id, publicKey: raw.toString('base64url'), privateKey };
}

const PATIENCE_MILLISECONDS = 10_000;

export class LinkClient {
  readonly frames: CoordinatorFrame[] = [];
  readonly socket: WebSocket;
  closed: { code: number; reason: string } | null = null;
  readonly #key: NodeKey;
  readonly #journalId: string;
  #wake: () => void = () => undefined;

  private constructor(url: string, key: NodeKey, journalId: string, localAddress: string | undefined) {
    this.#key = key;
    this.#journalId = journalId;
    this.socket = new WebSocket(url.replace(/^http/, 'ws') + AGENT_PATH, { localAddress });
    this.socket.on('message', (data) => {
      this.frames.push(coordinatorFrameSchema.parse(JSON.parse(data.toString())));
      this.#wake();
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wake();
    });
  }

  /** Connects and waits for the challenge. */
  static async open(
    url: string,
    options: { key?: NodeKey; journalId?: string; localAddress?: string } = {},
  ): Promise<LinkClient> {
    const { key = newKey(), journalId = randomUUID(), localAddress } = options;
    const client = new LinkClient(url, key, journalId, localAddress);
    await client.frame('challenge');
    return client;
  }

  /** The hello of this node, signed, with changes made after signing. */
  async hello(joinToken: string | undefined, change: Partial<HelloFrame> = {}): Promise<HelloFrame> {
    const { nonce } = await this.frame('challenge');
    const { id, publicKey, privateKey } = this.#key;
    const bootId = 'boot-0001';
    return {
      type: 'hello',
      protocol: AGENT_PROTOCOL,
      nodeId: id,
      publicKey,
      signature: sign(null, helloSigningInput(nonce, id, bootId), privateKey).toString('base64url'),
      ...(joinToken === undefined ? {} : { joinToken }),
      bootId,
      journalId: this.#journalId,
      nextSequence: 1,
      node: {
        name: 'node',
        agentVersion: 'test',
        labels: {},
        capacity: { slots: 1, milliCpu: 1000, memoryBytes: 1 << 30, diskBytes: 1 << 30 },
        runtimes: { wasm: { available: true, version: '1', features: {} } },
        policy: { accept: ['*'], trusted: [] },
      },
      attempts: [],
      ...change,
    };
  }

  async join(
    joinToken: string | undefined,
    change: Partial<HelloFrame> = {},
  ): Promise<Extract<CoordinatorFrame, { type: 'welcome' }>> {
    this.send(await this.hello(joinToken, change));
    return await this.frame('welcome');
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  journal(first: number, entries: JournalEntry[]): void {
    this.send({ type: 'journal', first, entries });
  }

  /** The newest frame of this type, waiting for one. */
  async frame<Type extends CoordinatorFrame['type']>(type: Type): Promise<Extract<CoordinatorFrame, { type: Type }>> {
    await this.until(`a frame "${type}"`, () => this.frames.some((frame) => frame.type === type));
    return this.frames.findLast((frame) => frame.type === type) as Extract<CoordinatorFrame, { type: Type }>;
  }

  async end(): Promise<{ code: number; reason: string }> {
    await this.until('the link ends', () => this.closed !== null);
    return this.closed ?? { code: 0, reason: '' };
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = performance.now() + PATIENCE_MILLISECONDS;
    while (!holds()) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`waited in vain: ${what}; got ${JSON.stringify(this.frames.at(-1))}`);
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, Math.min(left, 50));
      });
      clearTimeout(timer);
    }
  }
}
