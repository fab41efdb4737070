/**
 * Log and output of one attempt.
 *
 * The log is told as it grows. The place in it is written down now and then, so that an agent that adopts the attempt
 * goes on from there. The output is not what was told but read once more, whole, when the program has ended: no cut
 * can make it short.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { FogError } from '@fog/contract';
import { KUBERNETES_LIMITS } from '../limits.ts';
import type { AttemptHost, AttemptRequest } from '../runtime.ts';
import type { Cluster } from './cluster.ts';
import { integer, record, text } from './fields.ts';
import { LOG_START, LogCursor, type LogPosition } from './log-cursor.ts';
import { LogFollower } from './log-follower.ts';
import type { KubernetesTiming } from './timing.ts';

type Stream = 'stdout' | 'stderr';
type Positions = Record<Stream, LogPosition>;

const START: Positions = { stdout: LOG_START, stderr: LOG_START };

export interface AttemptLogsDependencies {
  request: Pick<AttemptRequest, 'outputs' | 'limits'>;
  host: Pick<AttemptHost, 'log'>;
  timing: KubernetesTiming;
  positionPath: string;
}

export class AttemptLogs {
  readonly #dependencies: AttemptLogsDependencies;
  readonly #outputBytes: number;
  readonly #followers = new Map<Stream, LogFollower>();
  #positions = START;
  #timer: NodeJS.Timeout | undefined;
  #written = Promise.resolve();

  constructor(dependencies: AttemptLogsDependencies) {
    this.#dependencies = dependencies;
    this.#outputBytes = Math.min(dependencies.request.limits.diskBytes, KUBERNETES_LIMITS.outputBytes);
  }

  /** Goes on where a dead agent was; from the start where that is not known. */
  async restore(): Promise<void> {
    try {
      const written = record(JSON.parse(await readFile(this.#dependencies.positionPath, 'utf8')));
      this.#positions = { stdout: positionFrom(written.stdout), stderr: positionFrom(written.stderr) };
    } catch {
      this.#positions = START;
    }
  }

  /** `overflow` hears of an output that has got too large, while it is written. */
  follow({ client, hasSplitStreams }: Cluster, pod: string, overflow: (message: string) => void): void {
    const { host, timing, request } = this.#dependencies;
    const streams: Stream[] = hasSplitStreams ? ['stdout', 'stderr'] : ['stdout'];
    for (const name of streams) {
      const follower = new LogFollower({
        client,
        pod,
        stream: hasSplitStreams ? (name === 'stdout' ? 'Stdout' : 'Stderr') : null,
        position: this.#positions[name],
        timing,
        tell: (bytes) => {
          host.log(name, bytes);
          const isTooLarge = name === 'stdout' && follower.position.bytes > this.#outputBytes;
          if (isTooLarge && request.outputs.length > 0) overflow(this.#tooLarge());
        },
      });
      this.#followers.set(name, follower);
    }
    this.#timer = setInterval(() => this.#save(), timing.positionMilliseconds);
  }

  /** The container has ended: resolves when all of its log is told. */
  async finish(): Promise<void> {
    await Promise.all([...this.#followers.values()].map((follower) => follower.finish()));
  }

  /** What the program printed, or why it cannot be an output. Throws a FogError when the cluster does not give it. */
  async output(
    { client, hasSplitStreams }: Cluster,
    pod: string,
    signal: AbortSignal,
  ): Promise<{ data: Uint8Array } | { fault: string }> {
    const query = { follow: false, timestamps: false, stream: hasSplitStreams ? ('Stdout' as const) : null };
    try {
      const data = await client.readLog(pod, query, this.#outputBytes, signal);
      const told = this.#followers.get('stdout')?.position.bytes ?? 0;
      if (data.byteLength >= told) return { data };
      return { fault: 'The program printed so much that the cluster threw the beginning of its output away.' };
    } catch (error) {
      if (error instanceof FogError && error.code === 'body-too-large') return { fault: this.#tooLarge() };
      throw error;
    }
  }

  /** Nothing is told or written afterwards. Resolves when the place that was written down is removed. */
  stop(): Promise<void> {
    if (this.#timer === undefined) return this.#written;
    clearInterval(this.#timer);
    for (const follower of this.#followers.values()) follower.stop();
    this.#written = this.#written
      .then(() => rm(this.#dependencies.positionPath, { force: true }))
      .catch(() => undefined);
    return this.#written;
  }

  #tooLarge(): string {
    return `The program printed more than the ${this.#outputBytes} bytes that its output may have.`;
  }

  #save(): void {
    const positions = { ...this.#positions };
    for (const [name, follower] of this.#followers) positions[name] = follower.position;
    if (JSON.stringify(positions) === JSON.stringify(this.#positions)) return;
    this.#positions = positions;
    const { positionPath } = this.#dependencies;
    // Without the file an adopted attempt tells its log again: a full disk is no reason to end one.
    this.#written = this.#written
      .then(() => writeFile(`${positionPath}.new`, JSON.stringify(positions), { mode: 0o600 }))
      .then(() => rename(`${positionPath}.new`, positionPath))
      .catch(() => undefined);
  }
}

function positionFrom(value: unknown): LogPosition {
  const { stamp, lines, lineBytes, bytes } = record(value);
  const position = {
    stamp: text(stamp) || null,
    lines: integer(lines) ?? 0,
    lineBytes: integer(lineBytes) ?? 0,
    bytes: integer(bytes) ?? 0,
  };
  // Throws for a time that is none.
  new LogCursor(position, () => undefined);
  return position;
}
