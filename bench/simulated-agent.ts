/**
 * A node without a runtime: it speaks the agent link over a real WebSocket, with a key and a journal of its own, and
 * reports every attempt as succeeded, at once or after a pause.
 *
 *     connecting --challenge, hello, welcome--> connected --cut()--> connecting
 *
 * It builds and reads its few frames as text, so that thousands of agents fit into one process. Its journal is in
 * memory: it survives a cut, as the journal of a real node survives a restart.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { WebSocket } from 'ws';
import {
  AGENT_PATH,
  AGENT_PROTOCOL,
  type AttemptName,
  type CoordinatorFrame,
  type HelloFrame,
  helloSigningInput,
  LIMITS,
} from '../packages/contract/src/index.ts';
import { clockMilliseconds } from './clock.ts';

export interface SimulatedAgentOptions {
  url: string;
  joinToken: string;
  name: string;
  slots: number;
}

/** What the process that holds the agents wants to know. Called for every task: must be quick. */
export interface AgentObserver {
  leased(job: string, atMilliseconds: number): void;
  /** The task has run on this agent. */
  executed(job: string, partition: number): void;
  /** So many results are durable at the coordinator. */
  acknowledged(count: number, atMilliseconds: number): void;
  refused(reason: string): void;
  /** How long the next task runs. */
  pauseMilliseconds(): number;
}

interface Held {
  job: string;
  partition: number;
  fence: number;
  state: 'running' | 'reported';
}
interface Entry {
  key: string;
  text: string;
}

const REPORT =
  '{"event":"succeed","outputs":[],"usage":{"wallMilliseconds":1,"cpuMilliseconds":0,"peakMemoryBytes":null},' +
  '"engine":"none","logBytes":0}';

export class SimulatedAgent {
  readonly #options: SimulatedAgentOptions;
  readonly #observer: AgentObserver;
  readonly #privateKey: KeyObject;
  readonly #publicKey: string;
  readonly #nodeId: string;
  readonly #bootId = randomUUID();
  readonly #journalId = randomUUID();
  readonly #held = new Map<string, Held>();
  /** Entries that are not acknowledged; the first has the number `acknowledged + 1`. */
  readonly #journal: Entry[] = [];
  #acknowledged = 0;
  #sent = 0;
  #socket: WebSocket | null = null;
  #isWelcome = false;

  constructor(options: SimulatedAgentOptions, observer: AgentObserver) {
    this.#options = options;
    this.#observer = observer;
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    this.#privateKey = privateKey;
    this.#publicKey = publicKey.export({ format: 'jwk' }).x ?? '';
    const digest = createHash('sha256').update(Buffer.from(this.#publicKey, 'base64url')).digest('hex');
    this.#nodeId = `n${digest.slice(0, 32)}`;
  }

  get heldCount(): number {
    return this.#held.size;
  }

  get unacknowledgedCount(): number {
    return this.#journal.length;
  }

  /** Resolves with the welcome; rejects when the connection ends before. */
  connect(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = new WebSocket(this.#options.url.replace(/^http/, 'ws') + AGENT_PATH, { perMessageDeflate: false });
    this.#socket = socket;
    this.#isWelcome = false;
    socket.on('message', (data: Buffer) => {
      if (this.#socket === socket) this.#receive(data.toString('latin1'), resolve);
    });
    socket.on('error', reject);
    socket.on('close', () => {
      if (this.#socket === socket) this.#isWelcome = false;
      reject(new Error('the connection was closed'));
    });
    return promise;
  }

  /** As if the cable was pulled: no close frame, nothing more is read. */
  cut(): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#isWelcome = false;
    socket?.terminate();
  }

  heartbeat(): void {
    if (this.#isWelcome) this.#socket?.send('{"type":"heartbeat","cpuBusy":0,"memoryFreeBytes":1073741824}');
  }

  #receive(text: string, welcomed: () => void): void {
    if (text.startsWith('{"type":"ack"')) this.#acknowledge(Number(text.slice(text.lastIndexOf(':') + 1, -1)));
    else if (text.startsWith('{"type":"lease"')) this.#lease(text);
    else this.#receiveRare(JSON.parse(text) as CoordinatorFrame, welcomed);
  }

  #receiveRare(frame: CoordinatorFrame, welcomed: () => void): void {
    switch (frame.type) {
      case 'challenge':
        this.#socket?.send(JSON.stringify(this.#hello(frame.nonce)));
        break;
      case 'welcome':
        this.#acknowledge(frame.acknowledged);
        this.#forget(frame.stop);
        this.#isWelcome = true;
        this.#sent = frame.acknowledged;
        this.#flush();
        welcomed();
        break;
      case 'stop':
        this.#forget(frame.attempts.map((stop) => stop.attempt));
        break;
      case 'refuse':
        this.#observer.refused(frame.problem.detail);
        break;
    }
  }

  #forget(attempts: readonly AttemptName[]): void {
    for (const { job, partition, fence } of attempts) this.#held.delete(keyOf(job, partition, fence));
  }

  #hello(nonce: string): HelloFrame {
    const { name, slots, joinToken } = this.#options;
    return {
      type: 'hello',
      protocol: AGENT_PROTOCOL,
      nodeId: this.#nodeId,
      publicKey: this.#publicKey,
      signature: sign(null, helloSigningInput(nonce, this.#nodeId, this.#bootId), this.#privateKey).toString(
        'base64url',
      ),
      joinToken,
      bootId: this.#bootId,
      journalId: this.#journalId,
      nextSequence: this.#acknowledged + this.#journal.length + 1,
      node: {
        name,
        agentVersion: 'simulated',
        labels: { os: 'linux', arch: 'x64', cores: '16' },
        capacity: { slots, milliCpu: 1_000_000, memoryBytes: 2 ** 40, diskBytes: 2 ** 40 },
        runtimes: { wasm: { available: true, version: 'simulated', features: {} } },
        policy: { accept: ['*'], trusted: [] },
      },
      attempts: [...this.#held.values()].map(({ state, ...attempt }) => ({ attempt, state })),
    };
  }

  /** Reads the groups without parsing the specification that lies between the names and the leases. */
  #lease(text: string): void {
    const at = clockMilliseconds();
    for (let start = text.indexOf('{"job":"'); start !== -1; start = text.indexOf('{"job":"', start)) {
      const job = text.slice(start + 8, text.indexOf('"', start + 8));
      const list = text.indexOf('"leases":[', start) + 9;
      const end = text.indexOf(']', list);
      this.#observer.leased(job, at);
      for (const { partition, fence } of JSON.parse(text.slice(list, end + 1)) as {
        partition: number;
        fence: number;
      }[]) {
        this.#run({ job, partition, fence, state: 'running' });
      }
      start = end;
    }
    this.#flush();
  }

  #run(held: Held): void {
    const key = keyOf(held.job, held.partition, held.fence);
    this.#held.set(key, held);
    const pause = this.#observer.pauseMilliseconds();
    if (pause === 0) {
      this.#finish(key, held);
      return;
    }
    setTimeout(() => {
      if (!this.#held.has(key)) return;
      this.#finish(key, held);
      this.#flush();
    }, pause);
  }

  #finish(key: string, held: Held): void {
    const { job, partition, fence } = held;
    held.state = 'reported';
    this.#observer.executed(job, partition);
    const attempt = `{"job":"${job}","partition":${partition},"fence":${fence}}`;
    this.#journal.push({ key, text: `{"attempt":${attempt},"atMilliseconds":${Date.now()},"report":${REPORT}}` });
  }

  #flush(): void {
    if (!this.#isWelcome) return;
    const last = this.#acknowledged + this.#journal.length;
    while (this.#sent < last) {
      const from = this.#sent - this.#acknowledged;
      const entries = this.#journal.slice(from, from + LIMITS.journalEntries);
      const texts = entries.map((entry) => entry.text);
      this.#socket?.send(`{"type":"journal","first":${this.#sent + 1},"entries":[${texts.join(',')}]}`);
      this.#sent += entries.length;
    }
  }

  #acknowledge(sequence: number): void {
    const count = sequence - this.#acknowledged;
    if (count <= 0) return;
    for (const { key } of this.#journal.splice(0, count)) this.#held.delete(key);
    this.#acknowledged = sequence;
    this.#observer.acknowledged(count, clockMilliseconds());
  }
}

function keyOf(job: string, partition: number, fence: number): string {
  return `${job}/${partition}/${fence}`;
}
