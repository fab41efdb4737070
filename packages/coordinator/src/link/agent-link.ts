/**
 * The coordinator's end of the agent link.
 *
 *     open --challenge--> waiting for hello --(signature, version, token)--> admitted --> closed
 *              \___ nothing within 10 s, garbage, wrong version: refuse, close ___/
 *
 * Every frame is validated; a frame that does not fit is answered with a typed refusal and ends the link, nothing
 * else. What the agent reports is handed to the dispatcher; this file decides nothing about tasks.
 */
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto';
import {
  AGENT_PROTOCOL,
  type AgentFrame,
  agentFrameSchema,
  FogError,
  type HelloFrame,
  helloSigningInput,
  type JournalEntry,
  LIMITS,
} from '@fog/contract';
import { networkPrefix } from '@fog/verification';
import type { RawData, WebSocket } from 'ws';
import { z } from 'zod';
import type { Dispatcher } from '../dispatch/dispatcher.ts';
import type { HelloOutcome } from '../dispatch/inputs.ts';
import type { Nodes } from '../dispatch/nodes.ts';
import type { Samples } from '../dispatch/samples.ts';
import type { AgentSession, SessionLink } from '../dispatch/sessions.ts';
import { DISPATCH_LIMITS, PLACEMENT_LIMITS } from '../limits.ts';

export interface AgentLinkDependencies {
  dispatcher: Dispatcher;
  nodes: Nodes;
  samples: Pick<Samples, 'add'>;
  heartbeatMilliseconds: number;
  /** Owner of the nodes that join with this token. Throws `unauthenticated` or `forbidden`. */
  authenticateJoin: (token: string) => Promise<{ owner: string; trusted: boolean }>;
  /** Address that the agent connects from. */
  address: string | undefined;
  warn: (message: string, data: Record<string, unknown>) => void;
}

/** Serves one connection until it ends. */
export function serveAgent(socket: WebSocket, dependencies: AgentLinkDependencies): void {
  new AgentLink(socket, dependencies).start();
}

class AgentLink implements SessionLink {
  readonly #socket: WebSocket;
  readonly #dependencies: AgentLinkDependencies;
  readonly #nonce = randomBytes(24).toString('base64url');
  #session: AgentSession | null = null;
  #introduced = false;
  /** What is wrong with the join token. */
  #joinFault: FogError | null = null;
  #lastHeard = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #closeReason = 'the agent went away';
  /** When the ping was sent that is not answered. */
  #pingedAt: number | null = null;

  constructor(socket: WebSocket, dependencies: AgentLinkDependencies) {
    this.#socket = socket;
    this.#dependencies = dependencies;
  }

  start(): void {
    this.#socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    this.#socket.on('error', (error) => {
      this.#closeReason = error.message;
    });
    this.#socket.on('close', () => this.#closed());
    this.#socket.on('pong', () => this.#pong());
    this.#timer = setTimeout(() => this.close('the agent did not introduce itself'), DISPATCH_LIMITS.helloMilliseconds);
    this.send(JSON.stringify({ type: 'challenge', nonce: this.#nonce, protocols: [AGENT_PROTOCOL] }));
  }

  send(frame: string): boolean {
    if (this.#socket.readyState !== this.#socket.OPEN) return false;
    if (this.#socket.bufferedAmount > DISPATCH_LIMITS.linkBufferBytes) {
      this.#closeReason = 'the agent does not read';
      this.#socket.terminate();
      return false;
    }
    this.#socket.send(frame);
    return true;
  }

  close(reason: string): void {
    this.#closeReason = reason;
    // A close frame has room for 123 bytes of reason; a character cut in half becomes one of three bytes.
    this.#socket.close(4000, Buffer.from(reason).subarray(0, 120).toString());
    // A peer that does not answer the close handshake is cut.
    setTimeout(() => this.#socket.terminate(), 1000).unref();
  }

  #receive(data: RawData, isBinary: boolean): void {
    this.#lastHeard = performance.now();
    // Nothing is heard of a link that was closed from here: a refused agent could go on talking for a second.
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const frame = isBinary ? null : parseFrame(data.toString());
    if (frame instanceof FogError || frame === null) {
      return this.#refuse(frame ?? new FogError('protocol-violation', 'a frame that is not of the agent protocol'));
    }
    if (this.#session === null) {
      if (frame.type === 'hello' && !this.#introduced) void this.#hello(frame);
      else if (frame.type !== 'heartbeat')
        this.#refuse(new FogError('protocol-violation', 'a frame before the welcome'));
      return;
    }
    this.#handle(this.#session, frame);
  }

  async #hello(hello: HelloFrame): Promise<void> {
    this.#introduced = true;
    try {
      if (hello.protocol !== AGENT_PROTOCOL) throw protocolMismatch(hello.protocol);
      checkSignature(hello, this.#nonce);
      const { dispatcher, authenticateJoin } = this.#dependencies;
      if (dispatcher.sessions.size >= DISPATCH_LIMITS.sessions) {
        throw new FogError('too-many-requests', `this coordinator serves ${DISPATCH_LIMITS.sessions} agents already`);
      }
      // A bad token does not matter to a node that is known by its key; another one wants to know what is wrong with it.
      const joining =
        hello.joinToken === undefined
          ? null
          : await authenticateJoin(hello.joinToken).catch((error: unknown) => {
              this.#joinFault = FogError.from(error);
              return null;
            });
      const prefix = networkPrefix(this.#dependencies.address ?? '') ?? '';
      const answer = (outcome: HelloOutcome) => this.#answer(outcome);
      dispatcher.take({ kind: 'hello', hello, joining, prefix, link: this, answer });
    } catch (error) {
      this.#refuse(FogError.from(error));
    }
  }

  #answer(outcome: HelloOutcome): void {
    if (!outcome.accepted) {
      const fault = new FogError(
        outcome.code,
        outcome.message,
        outcome.hint === undefined ? {} : { hint: outcome.hint },
      );
      this.#refuse(outcome.code === 'unauthenticated' ? (this.#joinFault ?? fault) : fault);
      return;
    }
    clearTimeout(this.#timer);
    this.#session = outcome.session;
    if (!this.send(outcome.welcome)) {
      this.#closed();
      return;
    }
    this.#ping();
    const patience = this.#dependencies.heartbeatMilliseconds * DISPATCH_LIMITS.missedHeartbeats;
    const watch = () => {
      const silence = performance.now() - this.#lastHeard;
      if (silence >= patience) {
        this.#closeReason = 'no heartbeat';
        this.#socket.terminate();
      } else this.#timer = setTimeout(watch, patience - silence);
    };
    this.#timer = setTimeout(watch, patience);
  }

  #handle(session: AgentSession, frame: AgentFrame): void {
    const { dispatcher, nodes } = this.#dependencies;
    switch (frame.type) {
      case 'journal':
        return this.#journal(session, frame.first, frame.entries);
      case 'heartbeat':
        session.cpuBusy = frame.cpuBusy;
        session.memoryFreeBytes = frame.memoryFreeBytes;
        this.send('{"type":"beat"}');
        this.#ping();
        return;
      case 'log': {
        if (dispatcher.waitingInputs > DISPATCH_LIMITS.waitingInputs)
          return this.close('the coordinator is overloaded');
        const bytes = Buffer.from(frame.data, 'base64');
        const text = withoutNul(bytes.toString('utf8'));
        const { attempt: name, stream, offset } = frame;
        dispatcher.take({ kind: 'log', session, name, stream, offset, bytes: bytes.length, text });
        return;
      }
      case 'samples':
        return this.#dependencies.samples.add(session, frame.samples);
      case 'capacity':
        session.description = { ...session.description, capacity: frame.capacity };
        dispatcher.sessions.changed(session);
        dispatcher.wake();
        return;
      case 'goodbye':
        this.#closeReason = 'drained';
        nodes.drained(session).then(
          () => this.close('goodbye'),
          () => this.close('goodbye'),
        );
        return;
      case 'hello':
        return this.#refuse(new FogError('protocol-violation', 'a second hello'));
    }
  }

  /** Entries that were taken over before are dropped; they are acknowledged again by what follows them. */
  #journal(session: AgentSession, first: number, entries: Extract<AgentFrame, { type: 'journal' }>['entries']): void {
    if (first > session.received + 1) {
      const message = `journal entry ${session.received + 1} is missing, ${first} came instead`;
      return this.#refuse(new FogError('protocol-violation', message));
    }
    const { dispatcher } = this.#dependencies;
    if (dispatcher.waitingInputs > DISPATCH_LIMITS.waitingInputs) return this.close('the coordinator is overloaded');
    const fresh = entries.slice(session.received + 1 - first);
    if (fresh.length === 0) {
      this.send(`{"type":"ack","sequence":${session.acknowledged}}`);
      return;
    }
    const base = session.received;
    session.received += fresh.length;
    dispatcher.take(
      ...fresh.map((entry, index) => ({
        kind: 'entry' as const,
        session,
        sequence: base + index + 1,
        entry: storable(entry),
      })),
    );
  }

  /** Measures the way to the agent and back. */
  #ping(): void {
    if (this.#pingedAt !== null || this.#socket.readyState !== this.#socket.OPEN) return;
    this.#pingedAt = performance.now();
    this.#socket.ping();
  }

  #pong(): void {
    const session = this.#session;
    if (session === null || this.#pingedAt === null) return;
    const measured = performance.now() - this.#pingedAt;
    this.#pingedAt = null;
    const known = session.roundTripMilliseconds;
    // A busy moment of either side makes one longer; none is shorter than the way is.
    const next = known === null || measured < known ? measured : known + (measured - known) / 8;
    if (known !== null && Math.abs(next - known) < PLACEMENT_LIMITS.roundTripChangeMilliseconds) return;
    session.roundTripMilliseconds = next;
    this.#dependencies.dispatcher.sessions.changed(session);
  }

  #refuse(error: FogError): void {
    this.#dependencies.warn('an agent was refused', {
      code: error.code,
      message: error.message,
      node: this.#session?.nodeId,
    });
    this.send(JSON.stringify({ type: 'refuse', problem: error.toProblem() }));
    this.close(error.message);
  }

  #closed(): void {
    clearTimeout(this.#timer);
    const session = this.#session;
    this.#session = null;
    if (session === null || !session.open) return;
    session.open = false;
    this.#dependencies.nodes.disconnected(session, this.#closeReason).catch((error: unknown) => {
      this.#dependencies.warn('a disconnection could not be stored', { node: session.nodeId, error: String(error) });
    });
  }
}

/** Only what names the version may be relied on in a hello of another one. */
const versionSchema = z.looseObject({ type: z.literal('hello'), protocol: z.int() });

function parseFrame(text: string): AgentFrame | FogError | null {
  try {
    const json: unknown = JSON.parse(text);
    const result = agentFrameSchema.safeParse(json);
    if (result.success) return result.data;
    const { data } = versionSchema.safeParse(json);
    return data === undefined || data.protocol === AGENT_PROTOCOL ? null : protocolMismatch(data.protocol);
  } catch {
    return null;
  }
}

function protocolMismatch(theirs: number): FogError {
  return new FogError(
    'protocol-version',
    `the agent speaks protocol version ${theirs}, this coordinator version ${AGENT_PROTOCOL}`,
    { details: { agent: theirs, coordinator: AGENT_PROTOCOL }, hint: 'install the same fog version on both sides' },
  );
}

/** Whoever can sign for the key is the node that the key's hash names. */
function checkSignature(hello: HelloFrame, nonce: string): void {
  const raw = Buffer.from(hello.publicKey, 'base64url');
  const id = `n${createHash('sha256').update(raw).digest('hex').slice(0, 32)}`;
  let isValid = false;
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: hello.publicKey }, format: 'jwk' });
    const signature = Buffer.from(hello.signature, 'base64url');
    isValid = verify(null, helloSigningInput(nonce, hello.nodeId, hello.bootId), key, signature);
  } catch {
    isValid = false;
  }
  if (id !== hello.nodeId || !isValid) {
    throw new FogError('unauthenticated', 'the node could not prove that it owns its key');
  }
}

/** Options of the WebSocket server that matter to this link. */
export const AGENT_SOCKET_OPTIONS = { maxPayload: LIMITS.frameBytes, perMessageDeflate: false } as const;

/** What programs write reaches the database in messages, too. */
function storable(entry: JournalEntry): JournalEntry {
  const { report } = entry;
  if (!('message' in report)) return entry;
  return { ...entry, report: { ...report, message: withoutNul(report.message) } };
}

/** NUL is no text for PostgreSQL. */
function withoutNul(text: string): string {
  return text.replaceAll('\0', '\uFFFD');
}
