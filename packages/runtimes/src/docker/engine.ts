/** The calls of the Engine API that the runtime makes, with the parts of their answers that it reads. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ContainerSpec } from './container-spec.ts';
import { EngineClient, EngineError, EngineUnreachable } from './engine-client.ts';

export interface EngineVersion {
  /** `docker` or `podman`. */
  engine: string;
  version: string;
  /** As images name it: `amd64`, `arm64`. */
  architecture: string;
}

export interface EngineInfo {
  Driver?: string;
  CgroupVersion?: string;
  InitBinary?: string;
  SecurityOptions?: string[] | null;
  LiveRestoreEnabled?: boolean;
}

export interface ImageDescription {
  Id: string;
  Architecture?: string;
  RepoDigests?: string[] | null;
  Config?: {
    Entrypoint?: string[] | null;
    Cmd?: string[] | null;
    Volumes?: Record<string, unknown> | null;
  } | null;
}

export interface ContainerState {
  Status: 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead';
  Running: boolean;
  Paused: boolean;
  OOMKilled: boolean;
  Pid: number;
  ExitCode: number;
  Error: string;
  /** RFC 3339; `0001-01-01T00:00:00Z` is never. */
  StartedAt: string;
  FinishedAt: string;
}

export interface ContainerDescription {
  Id: string;
  Image: string;
  State: ContainerState;
}

export interface ContainerListing {
  Id: string;
  State: string;
  Labels: Record<string, string>;
}

/** The parts of /stats that both engines fill in. */
export interface ContainerStats {
  cpu_stats?: { cpu_usage?: { total_usage?: number } };
  memory_stats?: { usage?: number; max_usage?: number; stats?: Record<string, number> };
  pids_stats?: { current?: number };
}

export class Engine {
  readonly client: EngineClient;

  constructor(socketPath: string) {
    this.client = new EngineClient(socketPath);
  }

  close(): void {
    this.client.close();
  }

  async version(signal?: AbortSignal): Promise<EngineVersion> {
    interface Answer {
      Version: string;
      Arch: string;
      Components?: { Name?: string }[] | null;
    }
    const answer = await this.client.json<Answer>({ method: 'GET', path: '/version', signal });
    const isPodman = (answer.Components ?? []).some(({ Name }) => /podman/i.test(Name ?? ''));
    return {
      engine: isPodman ? 'podman' : 'docker',
      // Distributions append their own marks: 20.10.24+dfsg1.
      version: /^[\w.-]+/.exec(answer.Version)?.[0] ?? 'unknown',
      architecture: answer.Arch,
    };
  }

  info(signal?: AbortSignal): Promise<EngineInfo> {
    return this.client.json({ method: 'GET', path: '/info', signal });
  }

  inspectImage(name: string, signal: AbortSignal): Promise<ImageDescription> {
    return this.client.json({ method: 'GET', path: `/images/${encodeImageName(name)}/json`, signal });
  }

  /** JSON lines of progress. `authorization` is the whole value of X-Registry-Auth, and goes nowhere else. */
  pullImage(
    { repository, tag }: { repository: string; tag: string },
    authorization: string | null,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const query = { fromImage: repository, tag };
    const headers: Record<string, string> = authorization === null ? {} : { 'X-Registry-Auth': authorization };
    return this.client.stream({ method: 'POST', path: '/images/create', query, headers, signal });
  }

  async createContainer(spec: ContainerSpec): Promise<string> {
    const call = { method: 'POST', path: '/containers/create', body: spec } as const;
    return (await this.client.json<{ Id: string }>(call)).Id;
  }

  async startContainer(id: string, signal?: AbortSignal): Promise<void> {
    // 304: it runs already.
    await this.client.text({ method: 'POST', path: `/containers/${id}/start`, signal, accept: [304] });
  }

  /** Resolves with the exit code once the container does not run, at once if it has ended. To be sent after the start. */
  async waitContainer(id: string, signal: AbortSignal): Promise<number> {
    // Podman looks at its containers each `interval`, and every 250 ms by itself.
    const query = { condition: 'not-running', interval: '50ms' };
    const response = await this.client.stream({ method: 'POST', path: `/containers/${id}/wait`, query, signal });
    const answer = await readJson<{ StatusCode: number; Error?: { Message?: string } | null }>(response);
    if (answer.Error?.Message) throw new EngineError(0, answer.Error.Message);
    return answer.StatusCode;
  }

  async killContainer(id: string, name: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const query = { signal: name };
    // 409: it does not run (any more).
    await this.client.text({ method: 'POST', path: `/containers/${id}/kill`, query, accept: [404, 409] });
  }

  async pauseContainer(id: string): Promise<void> {
    await this.client.text({ method: 'POST', path: `/containers/${id}/pause` });
  }

  async resumeContainer(id: string): Promise<void> {
    await this.client.text({ method: 'POST', path: `/containers/${id}/unpause` });
  }

  /** With its anonymous volumes, killed first if it runs. One that is gone already is no error. */
  async removeContainer(id: string, signal?: AbortSignal): Promise<void> {
    const query = { force: 'true', v: 'true' };
    // 409: its removal is in progress.
    await this.client.text({ method: 'DELETE', path: `/containers/${id}`, query, signal, accept: [404, 409] });
  }

  inspectContainer(id: string, signal?: AbortSignal): Promise<ContainerDescription> {
    return this.client.json({ method: 'GET', path: `/containers/${id}/json`, signal });
  }

  /** Running or not, those that carry all of the labels. */
  listContainers(labels: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<ContainerListing[]> {
    const label = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
    const query = { all: 'true', filters: JSON.stringify({ label }) };
    return this.client.json({ method: 'GET', path: '/containers/json', query, signal });
  }

  statsOf(id: string): Promise<ContainerStats> {
    const query = { stream: 'false', 'one-shot': 'true' };
    return this.client.json({ method: 'GET', path: `/containers/${id}/stats`, query });
  }

  /** Output as it is written, and the standard input where the container has one open. */
  attach(id: string, { stdin }: { stdin: boolean }, signal: AbortSignal): Promise<Duplex> {
    const query = { stream: 'true', stdout: 'true', stderr: 'true', ...(stdin ? { stdin: 'true' } : {}) };
    return this.client.hijack({ method: 'POST', path: `/containers/${id}/attach`, query, signal });
  }

  /** All that the engine has kept of the output, and then what comes. */
  followLogs(id: string, sinceSeconds: number | null, signal: AbortSignal): Promise<IncomingMessage> {
    const since = sinceSeconds === null ? undefined : sinceSeconds.toFixed(9);
    const query = { follow: 'true', stdout: 'true', stderr: 'true', since };
    return this.client.stream({ method: 'GET', path: `/containers/${id}/logs`, query, signal });
  }

  async createExec(id: string, command: readonly string[]): Promise<string> {
    const body = { Cmd: command, AttachStdout: true, AttachStderr: true };
    return (await this.client.json<{ Id: string }>({ method: 'POST', path: `/containers/${id}/exec`, body })).Id;
  }

  /** The multiplexed output; it ends with the command. */
  startExec(execId: string, signal: AbortSignal): Promise<IncomingMessage> {
    const body = { Detach: false, Tty: false };
    return this.client.stream({ method: 'POST', path: `/exec/${execId}/start`, body, signal });
  }

  inspectExec(execId: string): Promise<{ ExitCode: number | null; Running: boolean; Pid: number }> {
    return this.client.json({ method: 'GET', path: `/exec/${execId}/json` });
  }
}

/** A reference is several segments of a path; only what is not allowed in one is escaped, since Podman leaves it so. */
function encodeImageName(name: string): string {
  const escaped = name.split('/').map(encodeURIComponent).join('/');
  return escaped.replaceAll('%3A', ':').replaceAll('%40', '@');
}

async function readJson<Value>(response: IncomingMessage): Promise<Value> {
  let text = '';
  response.setEncoding('utf8');
  try {
    for await (const chunk of response) text += chunk;
    return JSON.parse(text) as Value;
  } catch (error) {
    throw new EngineUnreachable('the connection to the engine broke', { cause: error });
  }
}
