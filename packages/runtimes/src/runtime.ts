/**
 * The one interface behind which every engine runs an attempt.
 *
 * A runtime knows nothing of coordinators, leases or blobs: it gets files that already lie on this machine, runs
 * one attempt in a sandbox, and returns an outcome. It never throws for what a job does wrong; that is an outcome
 * with a reason. `start` returns at once; `outcome` never rejects.
 *
 *     start -> preparing -> running -> outcome (succeeded | failed)
 *                 \________ kill() ________/   -> failed with the reason given to kill
 */
import type { Duplex } from 'node:stream';
import type { FailureReason, UsageSample } from '@fog/contract';

/** What a probe found on this machine. An unavailable runtime says why and what would help. */
export type RuntimeProbe =
  | { available: true; version: string; features: Record<string, string> }
  | { available: false; reason: string; hint?: string };

/** A file handed to the attempt. Its bytes lie in the agent's blob cache, read-only and already verified. */
export interface InputFile {
  /** Absolute path inside the sandbox, normalised, e.g. `/in/text/a.txt`. */
  sandboxPath: string;
  /** Absolute path on this machine. Under one of the `readablePaths` the runtime was created with. */
  hostPath: string;
  bytes: number;
}

export interface OutputRequest {
  name: string;
  /** Absolute path inside the sandbox; a file or a folder. */
  sandboxPath: string;
}

export interface AttemptLimits {
  memoryBytes: number;
  /** Wall time of the run itself, from the moment the job's own code starts. */
  runMilliseconds: number;
  /** Sum over all files written in the sandbox, and so over all outputs. */
  diskBytes: number;
  /** Files and folders that may exist in the sandbox. */
  files: number;
  /** Thousandths of a processor; engines that cannot hold a program to it ignore it. */
  milliCpu: number;
  /** Processes and threads; engines whose programs cannot start any ignore it. */
  processes: number;
}

/**
 * A sandbox has a network namespace with loopback only. What goes in and out goes through the forwarder, a small static
 * program inside of it that talks to the agent over a Unix socket of the attempt.
 */
export interface NetworkPolicy {
  /** Targets, `HOST:PORT` (the host may begin with `*.`, the port may be `*`), that a proxy in the sandbox lets through. */
  allow: readonly string[];
  /** Whether the agent will connect to ports of the sandbox or run commands in it. */
  inbound: boolean;
}

export interface AttemptRequest {
  /** Unique on this machine; names processes and folders. */
  attemptId: string;
  /** The runtime's own block of the task, with blobs resolved to files on this machine. */
  program: Program;
  args: readonly string[];
  /** Nothing of the host's environment is added; the runtime adds FOG_PARTITION_INDEX and FOG_PARTITION_COUNT. */
  env: Readonly<Record<string, string>>;
  /** Host path of the standard input, or its bytes; null is an empty one. */
  stdin: { hostPath: string } | { data: Uint8Array } | null;
  inputs: readonly InputFile[];
  outputs: readonly OutputRequest[];
  limits: AttemptLimits;
  /** A folder of the attempt on this machine that appears writable at /checkpoint; counts into `diskBytes`. */
  checkpoint: { hostPath: string } | null;
  partition: { index: number; count: number };
  /** Equal for every attempt of one task: the deterministic random stream and the virtual clock start from these. */
  seed: Uint8Array;
  submittedAtMilliseconds: number;
  /** Whether the node's owner trusts the submitter like itself. Decides which engines are allowed. */
  trusted: boolean;
}

export interface WasmProgram {
  runtime: 'wasm';
  /** Host path of the module. */
  modulePath: string;
  /** Names the module in the compile cache. */
  moduleDigest: string;
  /** Counts what the program does, the same number on every machine. */
  meter?: 'fuel';
}

export interface JavascriptProgram {
  runtime: 'javascript';
  scriptPath: string;
  engine: 'auto' | 'v8' | 'quickjs';
}

/** A native program under bubblewrap. `args` of the request follow `command`. */
export interface ProcessProgram {
  runtime: 'process';
  command: readonly string[];
  /** A root file system on this machine, unpacked, read-only; null is a read-only view of the host's programs. */
  rootPath: string | null;
  workingDirectory: string;
  network: NetworkPolicy;
}

/** A container of an image. `args` of the request follow the entrypoint. */
export interface DockerProgram {
  runtime: 'docker';
  image: string;
  pull: 'missing' | 'always' | 'never';
  /** Replaces the entrypoint of the image. */
  command: readonly string[] | null;
  /** Replaces that of the image. */
  workingDirectory: string | null;
  credentials: { username: string; password: string } | null;
  network: NetworkPolicy;
}

/**
 * A pod of a cluster. `args` of the request follow the entrypoint. It has no standard input, takes small input files
 * alone, and its one output is what it prints: `/dev/stdout`.
 */
export interface KubernetesProgram {
  runtime: 'kubernetes';
  image: string;
  /** Replaces the entrypoint of the image. */
  command: readonly string[] | null;
  /** Replaces that of the image. */
  workingDirectory: string | null;
  network: NetworkPolicy;
}

export type Program = WasmProgram | JavascriptProgram | ProcessProgram | DockerProgram | KubernetesProgram;

/** What the runtime calls while the attempt runs. The callee never throws. */
export interface AttemptHost {
  /** The job's own code has started. Called once, before any log of it. */
  started(): void;
  /** `data` is valid during the call only. */
  log(stream: 'stdout' | 'stderr', data: Uint8Array): void;
  progress(fraction: number, message: string): void;
}

export interface AttemptUsage {
  wallMilliseconds: number;
  /** User and system time of the processes that ran the job; null where the platform does not tell. */
  cpuMilliseconds: number | null;
  peakMemoryBytes: number | null;
  /** Of a metered wasm program that came to its end: units of `wasm/fuel-meter.ts`; 2^53 - 1 stands for that or more. */
  fuel?: number;
}

/** One file of an output. `relativePath` is '' when the output is itself a file, otherwise `a/b.txt`, sorted by bytes. */
export interface OutputFile {
  relativePath: string;
  /** A file on this machine belongs to the caller now, who deletes it after use. */
  content: { data: Uint8Array } | { hostPath: string; bytes: number };
}

export interface AttemptOutput {
  name: string;
  type: 'file' | 'folder';
  files: OutputFile[];
}

export type AttemptOutcome =
  | { status: 'succeeded'; exitCode: 0; outputs: AttemptOutput[]; usage: AttemptUsage; engine: string }
  | {
      status: 'failed';
      reason: FailureReason;
      /** One sentence for the user. Not part of any result. */
      message: string;
      exitCode: number | null;
      usage: AttemptUsage;
      engine: string;
    };

export interface RunningAttempt {
  readonly outcome: Promise<AttemptOutcome>;
  /** After the outcome: when nothing but outputs is left of it, and its id may be used again. Left out: at once. */
  readonly cleaned?: Promise<void>;
  /** Ends the attempt within 100 ms whatever its code does. Idempotent. The outcome then carries `reason`. */
  kill(reason: FailureReason, message: string): void;
  /** Asks the program to end, by SIGTERM; what it does then is its own affair. Never rejects. */
  terminate?(): Promise<void>;
  /** What it uses at this moment; null where the engine does not tell. Never rejects. */
  sample?(): Promise<UsageSample | null>;
  /** Freezes all its processes; answers whether that is possible. The limit of its run does not count meanwhile. */
  pause?(): Promise<boolean>;
  resume?(): Promise<boolean>;
  /** A connection to a port on the loopback of the sandbox. Rejects with `unavailable` while nobody listens there. */
  connect?(port: number): Promise<Duplex>;
  /** Runs a command in the sandbox; killed after `timeoutMilliseconds`, which is the exit code null. Output is cut at 4 KiB. */
  exec?(command: readonly string[], timeoutMilliseconds: number): Promise<{ exitCode: number | null; output: string }>;
}

export interface TaskRuntime {
  readonly name: Program['runtime'];
  /** Looks at this machine once; the result is advertised to the coordinator. */
  probe(): Promise<RuntimeProbe>;
  /**
   * Why this request may not run here, or null. Pure and quick: asked before the attempt is accepted, so that the
   * agent can decline it without burning an attempt (e.g. engine v8 for a stranger where bubblewrap is missing).
   */
  refusal(request: Pick<AttemptRequest, 'program' | 'trusted' | 'limits'>): string | null;
  start(request: AttemptRequest, host: AttemptHost): RunningAttempt;
  /**
   * Takes over what an agent that died left running under this id, or answers null. Engines whose attempts die with the
   * agent have no such method.
   */
  adopt?(request: AttemptRequest, host: AttemptHost): Promise<RunningAttempt | null>;
  /** Removes what dead agents of this node left behind and nobody has adopted. */
  reap?(): Promise<void>;
  /** Kills what runs, with the reason `drained`, and releases every process. */
  close(): Promise<void>;
}

/** What every runtime is created with. */
export interface RuntimeSettings {
  /** Attempts that may run at the same time: the size of process pools. */
  slots: number;
  /** Folders a sandboxed process may read: the blob cache. */
  readablePaths: readonly string[];
  /** For temporary files of attempts, of this runtime alone. What an earlier agent left belongs to `adopt` and `reap`. */
  scratchDirectory: string;
  /** Labels what outlives the agent, so that no other agent of this machine takes or removes it. */
  nodeId: string;
}
