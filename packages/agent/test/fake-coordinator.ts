/** A scripted coordinator: real frames over a real WebSocket and blobs over HTTP, all state in memory. */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  AGENT_PATH,
  AGENT_PROTOCOL,
  type AgentFrame,
  type AttemptName,
  agentFrameSchema,
  attemptKey,
  type CoordinatorFrame,
  FogError,
  type HelloFrame,
  helloSigningInput,
  type JobSpecInput,
  type JournalEntry,
  type LeaseGroup,
  parseJobSpec,
  tunnelIdOf,
  UPLOAD_OFFSET_HEADER,
} from '@fog/contract';
import { TunnelStream } from '@fog/contract/node';
import { type WebSocket, WebSocketServer } from 'ws';

export const JOB = 'j000000000000000001';
export const MODULE = Buffer.from('a module');

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

type TaskInput = Partial<JobSpecInput['spec']['task']>;

export function leaseGroup(
  partitions: number[],
  change: { task?: TaskInput; spec?: Record<string, unknown>; group?: Partial<LeaseGroup> } = {},
): LeaseGroup {
  const spec = parseJobSpec({
    kind: 'Job',
    spec: {
      count: 1000,
      task: {
        runtime: 'wasm',
        ...((change.task?.runtime ?? 'wasm') === 'wasm' ? { wasm: { module: digestOf(MODULE) } } : {}),
        resources: { cpu: '100m', memory: '1Mi' },
        ...change.task,
      },
      ...change.spec,
    },
  });
  return {
    job: JOB,
    submitter: 'alice',
    submittedAtMilliseconds: 1_700_000_000_000,
    partitions: 1000,
    spec,
    secrets: {},
    leases: partitions.map((partition) => ({ partition, fence: 1 })),
    ...change.group,
  };
}

export class FakeCoordinator implements AsyncDisposable {
  readonly #server = createServer((request, response) => void this.#serveBlob(request, response));
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #waiting = new Set<() => void>();
  protocols = [AGENT_PROTOCOL];
  refusal: FogError | null = null;
  heartbeatMilliseconds = 200;
  blobBytes = 1 << 30;
  /** Answers frames by itself: acks after every journal frame, beats after every heartbeat. */
  acknowledges = true;
  beats = true;
  socket: WebSocket | null = null;
  session = 0;
  hellos: HelloFrame[] = [];
  heartbeats = 0;
  capacities: Extract<AgentFrame, { type: 'capacity' }>[] = [];
  goodbyes = 0;
  /** Every journal by its id, as a coordinator stores it: in order, each number once. */
  journals = new Map<string, JournalEntry[]>();
  violations: string[] = [];
  logs = new Map<string, { text: Buffer; chunks: number }>();
  /** Frames in the order they came. */
  frames: AgentFrame[] = [];
  /** What the agent dialled because it was told to. */
  tunnels: { id: string; authorization: string | undefined; stream: TunnelStream }[] = [];
  blobs = new Map<string, Buffer>([[digestOf(MODULE), MODULE]]);
  partials = new Map<string, Buffer>();
  requests: string[] = [];
  /** May answer a blob request itself: true when it did. */
  onRequest: (request: IncomingMessage, response: ServerResponse, digest: string) => boolean = () => false;
  /** Held attempts to be stopped in the next welcome. */
  stopOnWelcome = (_attempt: AttemptName): boolean => false;
  forgetOnWelcome = (_attempt: AttemptName): boolean => false;

  static async start(): Promise<FakeCoordinator> {
    const fake = new FakeCoordinator();
    fake.#server.on('upgrade', (request, socket, head) => {
      const id = tunnelIdOf(request.url ?? '');
      if (id !== null) {
        const { authorization } = request.headers;
        fake.#sockets.handleUpgrade(request, socket, head, (dialled) => {
          const stream = new TunnelStream(dialled, { idleMilliseconds: 60_000 });
          fake.tunnels.push({ id, authorization, stream: stream.on('error', () => {}) });
        });
        return;
      }
      if (request.url !== AGENT_PATH) return socket.destroy();
      fake.#sockets.handleUpgrade(request, socket, head, (webSocket) => fake.#accept(webSocket));
    });
    fake.#server.listen(0, '127.0.0.1');
    await once(fake.#server, 'listening');
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Entries of all journals. */
  get entries(): JournalEntry[] {
    return [...this.journals.values()].flat();
  }

  reports(attempt: Partial<AttemptName> = {}): JournalEntry['report'][] {
    return this.entries
      .filter((entry) => Object.entries(attempt).every(([key, value]) => entry.attempt[key as 'job'] === value))
      .map((entry) => entry.report);
  }

  /** The terminal report of a partition. */
  ending(partition: number): JournalEntry['report'] | undefined {
    return this.reports({ partition }).find((report) => ['succeed', 'fail', 'yield', 'decline'].includes(report.event));
  }

  log(partition: number, fence = 1): string {
    return this.logs.get(attemptKey({ job: JOB, partition, fence }))?.text.toString() ?? '';
  }

  send(frame: CoordinatorFrame): void {
    this.socket?.send(JSON.stringify(frame));
  }

  sendRaw(text: string | Buffer): void {
    this.socket?.send(text);
  }

  lease(...groups: LeaseGroup[]): void {
    this.send({ type: 'lease', groups });
  }

  /** Acknowledges everything received of the present journal. */
  acknowledge(): void {
    const id = this.hellos.at(-1)?.journalId ?? '';
    this.send({ type: 'ack', sequence: this.journals.get(id)?.length ?? 0 });
  }

  cut(): void {
    this.socket?.terminate();
    this.socket = null;
  }

  /** Resolves when the condition holds after some frame or request. */
  async until(condition: () => boolean, what = 'the condition', milliseconds = 5000): Promise<void> {
    const deadline = Date.now() + milliseconds;
    while (!condition()) {
      if (Date.now() > deadline)
        throw new Error(`waited in vain for ${what}: ${JSON.stringify(this.frames.slice(-5))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(wake, 20);
        const waiting = this.#waiting;
        function wake(): void {
          clearTimeout(timer);
          waiting.delete(wake);
          resolve();
        }
        waiting.add(wake);
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#sockets.clients) client.terminate();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: WebSocket): void {
    const nonce = `nonce-${Math.random()}`;
    socket.send(JSON.stringify({ type: 'challenge', nonce, protocols: this.protocols }));
    socket.on('message', (data) => {
      const frame = agentFrameSchema.parse(JSON.parse(String(data)));
      this.frames.push(frame);
      if (frame.type === 'hello') this.#greet(socket, frame, nonce);
      else if (socket === this.socket) this.#take(frame);
      for (const wake of this.#waiting) wake();
    });
    socket.on('close', () => {
      if (socket === this.socket) this.socket = null;
      for (const wake of this.#waiting) wake();
    });
  }

  #greet(socket: WebSocket, hello: HelloFrame, nonce: string): void {
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: hello.publicKey }, format: 'jwk' });
    const input = helloSigningInput(nonce, hello.nodeId, hello.bootId);
    if (!verify(null, input, publicKey, Buffer.from(hello.signature, 'base64url'))) this.violations.push('signature');
    if (`n${digestOf(Buffer.from(hello.publicKey, 'base64url')).slice(7, 39)}` !== hello.nodeId) {
      this.violations.push('node id');
    }
    this.hellos.push(hello);
    if (this.refusal !== null) {
      socket.send(JSON.stringify({ type: 'refuse', problem: this.refusal.toProblem() }));
      socket.close();
      return;
    }
    this.socket = socket;
    this.session += 1;
    const journal = this.journals.get(hello.journalId) ?? [];
    this.journals.set(hello.journalId, journal);
    const held = hello.attempts.map(({ attempt }) => attempt).filter((attempt) => !this.forgetOnWelcome(attempt));
    this.send({
      type: 'welcome',
      session: this.session,
      coordinatorVersion: 'fake',
      acknowledged: journal.length,
      heartbeatMilliseconds: this.heartbeatMilliseconds,
      blobBytes: this.blobBytes,
      blobToken: `token-${this.session}`,
      keep: held
        .filter((attempt) => !this.stopOnWelcome(attempt))
        .map((attempt) => ({ attempt, logBytes: this.logs.get(attemptKey(attempt))?.text.length ?? 0 })),
      stop: held.filter((attempt) => this.stopOnWelcome(attempt)),
      cordoned: false,
    });
  }

  #take(frame: AgentFrame): void {
    switch (frame.type) {
      case 'journal': {
        const journal = this.journals.get(this.hellos.at(-1)?.journalId ?? '') ?? [];
        frame.entries.forEach((entry, index) => {
          const sequence = frame.first + index;
          if (sequence === journal.length + 1) journal.push(entry);
          else if (sequence > journal.length) this.violations.push(`gap at ${sequence}`);
          else if (JSON.stringify(journal[sequence - 1]) !== JSON.stringify(entry)) {
            this.violations.push(`entry ${sequence} changed`);
          }
        });
        if (this.acknowledges) this.acknowledge();
        return;
      }
      case 'log': {
        const key = attemptKey(frame.attempt);
        const log = this.logs.get(key) ?? { text: Buffer.alloc(0), chunks: 0 };
        if (frame.offset !== log.text.length)
          this.violations.push(`log offset ${frame.offset}, not ${log.text.length}`);
        log.text = Buffer.concat([log.text, Buffer.from(frame.data, 'base64')]);
        log.chunks += 1;
        this.logs.set(key, log);
        return;
      }
      case 'heartbeat':
        this.heartbeats += 1;
        if (this.beats) this.send({ type: 'beat' });
        return;
      case 'capacity':
        this.capacities.push(frame);
        return;
      case 'goodbye':
        this.goodbyes += 1;
        return;
      default:
        this.violations.push(`frame ${frame.type}`);
    }
  }

  async #serveBlob(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.url);
    const digest = decodeURIComponent(url.pathname.slice('/v1/blobs/'.length));
    this.requests.push(`${request.method} ${digest} ${request.headers.range ?? url.search}`);
    for (const wake of this.#waiting) wake();
    if (request.headers.authorization !== `Bearer token-${this.session}`) {
      return problem(response, new FogError('unauthenticated', 'another session'));
    }
    if (this.onRequest(request, response, digest)) return;
    const blob = this.blobs.get(digest);
    if (request.method === 'PUT')
      return await this.#storeBlob(request, response, digest, Number(url.searchParams.get('offset')));
    if (blob === undefined) {
      response.setHeader(UPLOAD_OFFSET_HEADER, this.partials.get(digest)?.length ?? 0);
      return problem(response, new FogError('blob-not-found', 'no such blob'));
    }
    const offset = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(offset > 0 ? 206 : 200, { 'content-length': blob.length - offset });
    response.end(request.method === 'HEAD' ? undefined : blob.subarray(offset));
  }

  async #storeBlob(request: IncomingMessage, response: ServerResponse, digest: string, offset: number): Promise<void> {
    let partial = this.partials.get(digest) ?? Buffer.alloc(0);
    if (offset > partial.length) return problem(response, new FogError('blob-offset-mismatch', 'a gap'));
    partial = partial.subarray(0, offset);
    try {
      for await (const chunk of request) {
        partial = Buffer.concat([partial, chunk]);
        this.partials.set(digest, partial);
      }
    } catch {
      return; // the connection was cut; what arrived stays
    }
    if (digestOf(partial) !== digest) return problem(response, new FogError('blob-digest-mismatch', 'other bytes'));
    this.blobs.set(digest, partial);
    response.writeHead(201).end();
  }
}

export function problem(response: ServerResponse, error: FogError): void {
  response
    .writeHead(error.status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify(error.toProblem()));
}
