/**
 * Server-sent events (WHATWG HTML, section 9.2) over a numbered stream of records.
 *
 *     opening --first page--> sending --nothing new--> waiting --wake | keep-alive--> sending
 *                                |  \--client slow--> draining --drain--> sending
 *                                |                        \--60 s--> cut
 *                                \--ended--> `event: end`
 *
 * Every state ends when the client goes away or the server stops. `id:` is the sequence number, so a client that was
 * cut goes on after the last record it saw; a cut stream never sends `event: end`.
 */
import type { ServerResponse } from 'node:http';
import { FogError } from '@fog/contract';
import { HTTP_LIMITS } from '../limits.ts';
import type { StreamPage } from '../service.ts';
import type { StreamSource } from './handlers.ts';
import type { Logger } from './problem.ts';

export interface EventStreamDependencies {
  subscribe(stream: string, wake: () => void): () => void;
  logger: Logger;
  /** Called with 1 and -1. */
  count(change: number): void;
  /** Shortened in tests. */
  keepAliveMilliseconds?: number;
  stallMilliseconds?: number;
}

export interface EventStreamRequest {
  source: StreamSource;
  after: number;
  principal: string;
  response: ServerResponse;
  headers: Readonly<Record<string, string>>;
  /** Throws when the caller's token is no longer good. */
  recheck(): Promise<unknown>;
}

/** Runs the event streams of a server and bounds their number. */
export class EventStreams {
  readonly #dependencies: EventStreamDependencies;
  readonly #open = new Set<OpenStream>();
  readonly #perPrincipal = new Map<string, number>();

  constructor(dependencies: EventStreamDependencies) {
    this.#dependencies = dependencies;
  }

  /** Throws `too-many-requests`. Every reservation is followed by one `release`. */
  #reserve(principal: string): void {
    const own = this.#perPrincipal.get(principal) ?? 0;
    if (this.#open.size >= HTTP_LIMITS.eventStreams || own >= HTTP_LIMITS.eventStreamsPerPrincipal) {
      throw new FogError('too-many-requests', 'too many event streams are open', {
        hint: 'close some, or read pages without "Accept: text/event-stream"',
      });
    }
    this.#perPrincipal.set(principal, own + 1);
  }

  /**
   * Reads the first page, so that errors still become problem documents, calls `takeOver` and then streams. The
   * promise is fulfilled when the stream is over.
   */
  async run(request: EventStreamRequest, takeOver: () => void): Promise<void> {
    this.#reserve(request.principal);
    const stream = new OpenStream(request, this.#dependencies);
    this.#open.add(stream);
    this.#dependencies.count(1);
    try {
      await stream.run(takeOver);
    } finally {
      this.#dependencies.count(-1);
      this.#open.delete(stream);
      const left = (this.#perPrincipal.get(request.principal) ?? 1) - 1;
      if (left === 0) this.#perPrincipal.delete(request.principal);
      else this.#perPrincipal.set(request.principal, left);
    }
  }

  /** Cuts all streams; clients come back with the last number they saw. */
  close(): void {
    for (const stream of this.#open) stream.cut();
  }
}

class OpenStream {
  readonly #request: EventStreamRequest;
  readonly #dependencies: EventStreamDependencies;
  readonly #keepAlive: number;
  readonly #stall: number;
  #woken = true;
  #closed = false;
  /** Ends whatever the stream waits for. */
  #interrupt: () => void = () => undefined;

  constructor(request: EventStreamRequest, dependencies: EventStreamDependencies) {
    this.#request = request;
    this.#dependencies = dependencies;
    this.#keepAlive = dependencies.keepAliveMilliseconds ?? HTTP_LIMITS.eventStreamKeepAliveMilliseconds;
    this.#stall = dependencies.stallMilliseconds ?? HTTP_LIMITS.stallMilliseconds;
  }

  cut(): void {
    this.#request.response.destroy();
    this.#close();
  }

  async run(takeOver: () => void): Promise<void> {
    const { source, response, after, headers } = this.#request;
    const end = this.#dependencies.subscribe(source.stream, () => {
      this.#woken = true;
      this.#interrupt();
    });
    response.once('close', () => this.#close());
    try {
      this.#woken = false;
      const first = await source.read({ after, limit: HTTP_LIMITS.eventStreamRecords });
      takeOver();
      // Silence is what a stream is made of; how long the client may be silent is watched in `#write`.
      response.socket?.setTimeout(0);
      response.writeHead(200, {
        ...headers,
        'content-type': 'text/event-stream; charset=utf-8',
        'x-accel-buffering': 'no',
      });
      response.flushHeaders();
      await this.#follow(first, after).catch((error: unknown) => {
        if (!this.#closed) this.#dependencies.logger.warn({ err: error, stream: source.stream }, 'event stream cut');
        this.cut();
      });
    } finally {
      end();
    }
  }

  async #follow(first: StreamPage<{ sequence: number }>, start: number): Promise<void> {
    let page = first;
    let after = start;
    while (!this.#closed) {
      const readAt = performance.now();
      after = page.items.at(-1)?.sequence ?? after;
      await this.#write(page.items);
      if (this.#closed) return;
      if (page.ended) {
        this.#request.response.end('event: end\ndata: {}\n\n');
        return;
      }
      if (page.items.length < HTTP_LIMITS.eventStreamRecords) {
        await this.#waitForMore();
        const spacing = HTTP_LIMITS.eventStreamSpacingMilliseconds - (performance.now() - readAt);
        if (spacing > 0 && !this.#closed) await this.#pause(spacing, () => undefined);
      }
      if (this.#closed) return;
      this.#woken = false;
      page = await this.#request.source.read({ after, limit: HTTP_LIMITS.eventStreamRecords });
    }
  }

  /** Until there is something to read, the stream is closed, or the token is no longer good (which throws). */
  async #waitForMore(): Promise<void> {
    while (!this.#woken && !this.#closed) {
      await this.#pause(this.#keepAlive);
      if (this.#woken || this.#closed) return;
      await this.#request.recheck();
      await this.#writeText(': still here\n\n');
    }
  }

  /** Hands the records over in slices and waits for each to leave. Nothing is written to a client that is gone. */
  async #write(records: readonly { sequence: number }[]): Promise<void> {
    let text = '';
    for (const record of records) {
      text += `id: ${record.sequence}\ndata: ${JSON.stringify(record)}\n\n`;
      if (text.length < HTTP_LIMITS.eventStreamSliceBytes) continue;
      await this.#writeText(text);
      if (this.#closed) return;
      text = '';
    }
    if (text !== '') await this.#writeText(text);
  }

  async #writeText(text: string): Promise<void> {
    const { response } = this.#request;
    if (response.write(text) || this.#closed) return;
    const drained = await this.#pause(this.#stall, (resume) => response.once('drain', resume));
    if (!drained && !this.#closed) throw new Error('the client does not read');
  }

  /** True when interrupted by a wake, a drain or the end, false when the time passed. */
  #pause(milliseconds: number, listen?: (resume: () => void) => void): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), milliseconds);
      const resume = () => {
        clearTimeout(timer);
        resolve(true);
      };
      if (listen === undefined) {
        this.#interrupt = resume;
      } else {
        // While a slow client is waited for, a wake must not count as its drain.
        this.#interrupt = () => {
          if (this.#closed) resume();
        };
        listen(resume);
      }
    });
  }

  #close(): void {
    this.#closed = true;
    this.#interrupt();
  }
}
