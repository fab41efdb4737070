/** A node of its own owner and network, over a real WebSocket: commits, stores, signs; its answers are the test's. */
import { createHash, sign } from 'node:crypto';
import {
  type AttemptName,
  type AttemptReport,
  attemptKey,
  type CoordinatorFrame,
  FogClient,
  type TaskOutput,
} from '@fog/contract';
import { commitmentOf, resultDigest, resultSigningInput } from '@fog/verification';
import { LinkClient, type NodeKey, newKey } from './link-client.ts';

export interface VerifyingNodeOptions {
  url: string;
  joinToken: string;
  name: string;
  /** Address on this machine that it connects from. */
  localAddress: string;
  /** What it says the file `result` of an attempt is. */
  answer: (name: AttemptName) => string;
}

const OUTCOME = {
  usage: { wallMilliseconds: 1, cpuMilliseconds: null, peakMemoryBytes: null },
  engine: 'test',
  logBytes: 0,
};

interface Kept {
  bytes: Buffer;
  outputs: TaskOutput[];
  digest: string;
  nonce: string;
}

export class VerifyingNode {
  readonly key: NodeKey = newKey();
  readonly commitments: string[] = [];
  /** Whether it shows what it is asked for. */
  reveals = true;
  readonly #options: VerifyingNodeOptions;
  readonly #kept = new Map<string, Kept>();
  #sequence = 0;
  #client: LinkClient | null = null;
  #blobs: FogClient | null = null;

  constructor(options: VerifyingNodeOptions) {
    this.#options = options;
  }

  async connect(): Promise<void> {
    const { url, joinToken, name, localAddress } = this.#options;
    const client = await LinkClient.open(url, { key: this.key, localAddress });
    this.#client = client;
    client.socket.on('message', (data) => this.#receive(JSON.parse(data.toString()) as CoordinatorFrame));
    const hello = await client.hello(joinToken);
    const capacity = { slots: 4, milliCpu: 8000, memoryBytes: 2 ** 40, diskBytes: 2 ** 40 };
    client.send({ ...hello, node: { ...hello.node, name, capacity } });
    await client.frame('welcome');
  }

  async close(): Promise<void> {
    this.#client?.socket.close();
    await this.#client?.end();
  }

  #receive(frame: CoordinatorFrame): void {
    if (frame.type === 'welcome') {
      this.#blobs = new FogClient({ url: this.#options.url, token: frame.blobToken });
    } else if (frame.type === 'reveal' && this.reveals) {
      for (const name of frame.attempts) void this.#reveal(name);
    } else if (frame.type === 'lease') {
      for (const { job, leases, verified } of frame.groups) {
        for (const { partition, fence } of leases) this.#run({ job, partition, fence }, verified === true);
      }
    }
  }

  #run(name: AttemptName, isVerified: boolean): void {
    const bytes = Buffer.from(this.#options.answer(name));
    const output = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const canonical = { name: 'result', path: '/result', digest: output, bytes: bytes.length };
    const digest = resultDigest({ exitCode: 0, stdout: null, outputs: [canonical] });
    const nonce = createHash('sha256').update(attemptKey(name)).digest('hex');
    const outputs: TaskOutput[] = [{ name: 'result', type: 'file', digest: output, bytes: bytes.length }];
    this.#kept.set(attemptKey(name), { bytes, outputs, digest, nonce });
    if (!isVerified) return void this.#reveal(name);
    const commitment = commitmentOf({ digest, nodeId: this.key.id, nonce });
    this.commitments.push(commitment);
    this.#report(name, { event: 'commit', commitment });
  }

  async #reveal(name: AttemptName): Promise<void> {
    const kept = this.#kept.get(attemptKey(name));
    if (kept === undefined) return;
    this.#kept.delete(attemptKey(name));
    const { bytes, outputs, digest, nonce } = kept;
    await this.#blobs?.putBlob(outputs[0]?.digest ?? '', bytes);
    const { job, partition, fence } = name;
    const claim = resultSigningInput({ job, partition, fence, nodeId: this.key.id, digest });
    const signature = sign(null, claim, this.key.privateKey).toString('base64url');
    this.#report(name, { event: 'succeed', outputs, result: { digest, nonce, signature }, ...OUTCOME });
  }

  #report(attempt: AttemptName, report: AttemptReport): void {
    this.#sequence += 1;
    this.#client?.journal(this.#sequence, [{ attempt, atMilliseconds: 1, report }]);
  }
}
