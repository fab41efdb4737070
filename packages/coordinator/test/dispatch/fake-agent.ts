/** An agent as an object: takes leases, keeps a journal, and does with its attempts what the test tells it. */
import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import {
  AGENT_PROTOCOL,
  type AttemptName,
  type AttemptReport,
  attemptKey,
  type Capacity,
  type Checkpoint,
  type CoordinatorFrame,
  coordinatorFrameSchema,
  type DepartureReason,
  type FailureReason,
  type JournalEntry,
  type LeaseGroup,
  type NodeDescription,
  type RevealedResult,
  type RuntimeName,
  type TaskOutput,
  type Usage,
  type YieldReason,
} from '@fog/contract';
import { commitmentOf, resultDigest, resultSigningInput } from '@fog/verification';
import type { HelloOutcome } from '../../src/dispatch/inputs.ts';
import type { AgentSession, SessionLink } from '../../src/dispatch/sessions.ts';
import type { Fog } from './fog-harness.ts';

export interface FakeAgentOptions {
  name?: string;
  capacity?: Partial<Capacity>;
  labels?: Record<string, string>;
  accept?: string[];
  /** Null joins without a token. */
  owner?: string | null;
  trusted?: boolean;
  prefix?: string;
  offer?: NodeDescription['offer'];
  runtimes?: RuntimeName[];
  /** Null of an agent that counts nothing. */
  meter?: 'fuel' | null;
  /** How long its attempts take by its own clock. */
  ranMilliseconds?: number;
}

const OUTCOME: { usage: Usage; engine: string; logBytes: number } = {
  usage: { wallMilliseconds: 5, cpuMilliseconds: 4, peakMemoryBytes: 1000 },
  engine: 'test',
  logBytes: 0,
};

const FINAL = ['succeed', 'fail', 'yield', 'decline'];

export class FakeAgent {
  readonly id: string;
  readonly owner: string;
  readonly description: NodeDescription;
  /** Attempts that it runs. */
  readonly held = new Map<string, AttemptName>();
  /** All lease groups it has ever got. */
  readonly groups: LeaseGroup[] = [];
  readonly frames: CoordinatorFrame[] = [];
  /** Attempts that it was told to suspend. */
  readonly suspended = new Set<string>();
  #outcome = OUTCOME;
  readonly stopped: { attempt: AttemptName; reason: FailureReason }[] = [];
  closed: string | null = null;
  /** Called with every attempt that is leased to it; `verified`: it has to commit to its result. */
  onLease: ((name: AttemptName, verified: boolean) => void) | null = null;
  /** Called with every committed attempt whose result is asked for. */
  onReveal: ((name: AttemptName) => void) | null = null;
  /** Called with every attempt that is told to give up its place. */
  onYield: ((name: AttemptName, reason: DepartureReason) => void) | null = null;
  /** Frames are lost on the way although the link looks well. */
  deaf = false;
  session: AgentSession | null = null;
  #fog: Fog;
  readonly #joining: { owner: string; trusted: boolean } | null;
  readonly #prefix: string;
  readonly #key = generateKeyPairSync('ed25519');
  #bootId = randomUUID();
  #journalId = randomUUID();
  #journal: JournalEntry[] = [];
  #first = 1;
  /** Ends the link of the connection that is open. */
  #cutLink: () => void = () => undefined;

  constructor(fog: Fog, options: FakeAgentOptions) {
    const name = options.name ?? 'node';
    this.#fog = fog;
    if (options.ranMilliseconds !== undefined) this.ran(options.ranMilliseconds);
    const { owner = 'olga', trusted = false, prefix = '', meter = 'fuel' } = options;
    this.owner = owner ?? '';
    this.#joining = owner === null ? null : { owner, trusted };
    this.#prefix = prefix;
    this.id = `n${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
    this.description = {
      name,
      agentVersion: 'test',
      labels: options.labels ?? {},
      capacity: { slots: 4, milliCpu: 4000, memoryBytes: 1 << 30, diskBytes: 1 << 30, ...options.capacity },
      runtimes: Object.fromEntries(
        (options.runtimes ?? ['wasm', 'process']).map((runtime) => [
          runtime,
          { available: true, version: '1', features: meter === null ? {} : { meter } },
        ]),
      ),
      policy: { accept: options.accept ?? ['*'], trusted: [] },
      ...(options.offer === undefined ? {} : { offer: options.offer }),
    };
  }

  get attempts(): AttemptName[] {
    return [...this.held.values()];
  }

  get unacknowledged(): number {
    return this.#journal.length;
  }

  /** Connects with what it holds; what it ended but has no acknowledgement for counts as held too. */
  async connect(): Promise<HelloOutcome> {
    const outcome = await this.hello();
    if (!outcome.accepted) return outcome;
    const welcome = coordinatorFrameSchema.parse(JSON.parse(outcome.welcome));
    if (welcome.type !== 'welcome') throw new Error('the first frame is no welcome');
    this.session = outcome.session;
    this.frames.push(welcome);
    this.#forget(welcome.acknowledged);
    for (const name of welcome.stop) this.held.delete(attemptKey(name));
    if (this.#journal.length > 0) this.#send(this.#first, this.#journal);
    await this.#fog.settle();
    return outcome;
  }

  /** Says hello and nothing more. */
  hello(): Promise<HelloOutcome> {
    const ended = this.#journal.filter(({ report }) => FINAL.includes(report.event)).map((entry) => entry.attempt);
    const reported = ended.filter((name) => !this.held.has(attemptKey(name)));
    const unique = new Map(reported.map((name) => [attemptKey(name), name]));
    const attempts = [
      ...this.attempts.map((attempt) => {
        return {
          attempt,
          state: this.suspended.has(attemptKey(attempt)) ? ('suspended' as const) : ('running' as const),
        };
      }),
      ...[...unique.values()].map((attempt) => ({ attempt, state: 'reported' as const })),
    ];
    const fog = this.#fog;
    return new Promise((resolve) => {
      fog.dispatcher.take({
        kind: 'hello',
        hello: {
          type: 'hello',
          protocol: AGENT_PROTOCOL,
          nodeId: this.id,
          publicKey: this.#key.publicKey.export({ format: 'jwk' }).x ?? '',
          signature: 's'.repeat(86),
          bootId: this.#bootId,
          journalId: this.#journalId,
          nextSequence: this.#first + this.#journal.length,
          node: this.description,
          attempts,
        },
        joining: this.#joining,
        prefix: this.#prefix,
        link: this.#newLink(),
        answer: resolve,
      });
    });
  }

  /** The link breaks without a word, and the coordinator notices. */
  async disconnect(): Promise<void> {
    const session = this.session;
    this.cut();
    if (session?.open) await this.#fog.nodes.disconnected(session, 'the test cut the link');
    await this.#fog.settle();
  }

  /** The link is gone; nobody is told. */
  cut(): void {
    this.#cutLink();
    this.session = null;
  }

  moveTo(fog: Fog): void {
    this.#fog = fog;
  }

  /** Its memory of running attempts is gone, its journal is not. */
  restart(): void {
    this.held.clear();
    this.#bootId = randomUUID();
  }

  /** What follows took so long, by its own clock, and used so much fuel. */
  ran(wallMilliseconds: number, fuel?: number): void {
    const counted = fuel === undefined ? {} : { fuel };
    this.#outcome = { ...OUTCOME, usage: { ...OUTCOME.usage, wallMilliseconds, ...counted } };
  }

  succeed(name: AttemptName, outputs: Extract<AttemptReport, { event: 'succeed' }>['outputs'] = []): void {
    this.held.delete(attemptKey(name));
    this.report(name, { event: 'succeed', outputs, ...this.#outcome });
  }

  /** Has run: commits to a result that is this digest of the output `result`. */
  commit(name: AttemptName, result: string): void {
    this.report(name, { event: 'commit', commitment: this.commitmentOf(this.bound(name, result)) });
  }

  commitmentOf({ digest, nonce }: { digest: string; nonce: string }): string {
    return commitmentOf({ digest, nodeId: this.id, nonce });
  }

  /** Shows the result, which is signed. */
  reveal(name: AttemptName, result: string, change: Partial<RevealedResult> = {}): void {
    const { job, partition, fence } = name;
    const { digest, nonce, outputs } = this.bound(name, result);
    const claim = { job, partition, fence, nodeId: this.id, digest };
    const signature = sign(null, resultSigningInput(claim), this.#key.privateKey).toString('base64url');
    this.held.delete(attemptKey(name));
    this.report(name, { event: 'succeed', outputs, result: { digest, nonce, signature, ...change }, ...this.#outcome });
  }

  /** What the node is bound to when the file `result` of its attempt has this digest. */
  bound({ fence }: AttemptName, result: string): { digest: string; nonce: string; outputs: TaskOutput[] } {
    const digest = resultDigest({
      exitCode: 0,
      stdout: null,
      outputs: [{ name: 'result', path: '/result', digest: result, bytes: 1 }],
    });
    const nonce = fence.toString(16).padStart(64, '0');
    return { digest, nonce, outputs: [{ name: 'result', type: 'file', digest: result, bytes: 1 }] };
  }

  fail(name: AttemptName, reason: FailureReason = 'exit-code', exitCode: number | null = null): void {
    this.held.delete(attemptKey(name));
    this.report(name, { event: 'fail', reason, message: 'as told', exitCode, ...OUTCOME });
  }

  /** Gives the place up, with this checkpoint. */
  yields(name: AttemptName, checkpoint: Checkpoint | null, reason: YieldReason = 'exit-85'): void {
    this.held.delete(attemptKey(name));
    this.report(name, { event: 'yield', reason, checkpoint, ...OUTCOME });
  }

  decline(name: AttemptName): void {
    this.held.delete(attemptKey(name));
    this.report(name, { event: 'decline', message: 'no room' });
  }

  /** Writes into the journal, and sends it when there is a link. */
  report(name: AttemptName, report: AttemptReport): void {
    const attempt = { job: name.job, partition: name.partition, fence: name.fence };
    const entry = { attempt, atMilliseconds: this.#fog.clock.now, report };
    this.#journal.push(entry);
    if (this.session !== null) this.#send(this.#first + this.#journal.length - 1, [entry]);
  }

  log(name: AttemptName, offset: number, text: string): void {
    if (this.session === null) return;
    const bytes = Buffer.byteLength(text);
    this.#fog.dispatcher.take({ kind: 'log', session: this.session, name, stream: 'stdout', offset, bytes, text });
  }

  /** Sends entries as the link does: those taken over before are dropped. */
  #send(first: number, entries: readonly JournalEntry[]): void {
    const session = this.session;
    if (session === null) return;
    const fresh = entries.slice(Math.max(0, session.received + 1 - first));
    const base = session.received;
    session.received += fresh.length;
    this.#fog.dispatcher.take(
      ...fresh.map((entry, index) => ({ kind: 'entry' as const, session, sequence: base + index + 1, entry })),
    );
  }

  #newLink(): SessionLink {
    this.#cutLink();
    let open = true;
    this.#cutLink = () => {
      open = false;
    };
    this.closed = null;
    return {
      send: (text) => {
        if (open && !this.deaf) this.#receive(coordinatorFrameSchema.parse(JSON.parse(text)));
        return open;
      },
      close: (reason) => {
        if (!open) return;
        open = false;
        this.closed = reason;
        const session = this.session;
        this.session = null;
        if (session?.open) void this.#fog.nodes.disconnected(session, reason);
      },
    };
  }

  #receive(frame: CoordinatorFrame): void {
    this.frames.push(frame);
    if (frame.type === 'ack') this.#forget(frame.sequence);
    if (frame.type === 'stop') {
      this.stopped.push(...frame.attempts);
      for (const { attempt } of frame.attempts) this.held.delete(attemptKey(attempt));
    }
    if (frame.type === 'suspend') for (const attempt of frame.attempts) this.suspended.add(attemptKey(attempt));
    if (frame.type === 'resume') for (const attempt of frame.attempts) this.suspended.delete(attemptKey(attempt));
    if (frame.type === 'yield') for (const name of frame.attempts) this.onYield?.(name, frame.reason);
    if (frame.type === 'reveal') for (const name of frame.attempts) this.onReveal?.(name);
    if (frame.type !== 'lease') return;
    for (const group of frame.groups) {
      this.groups.push(group);
      for (const lease of group.leases) {
        const name = { job: group.job, partition: lease.partition, fence: lease.fence };
        if (this.held.has(attemptKey(name))) throw new Error(`${attemptKey(name)} was leased twice`);
        this.held.set(attemptKey(name), name);
        this.onLease?.(name, group.verified === true);
      }
    }
  }

  #forget(acknowledged: number): void {
    const known = Math.max(0, acknowledged + 1 - this.#first);
    this.#journal.splice(0, known);
    this.#first += known;
  }
}
