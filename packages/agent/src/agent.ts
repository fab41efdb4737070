import { randomBytes, randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AGENT_PROTOCOL,
  type AttemptName,
  type AttemptReport,
  type Fetch,
  FogClient,
  FogError,
  type HelloFrame,
  helloSigningInput,
  type LeaseGroup,
  type NodeDescription,
} from '@fog/contract';
import type { AttemptOutput, Program, TaskRuntime } from '@fog/runtimes';
import type { AttemptDependencies } from './attempt.ts';
import { attemptId } from './attempt-id.ts';
import { Attempts } from './attempts.ts';
import type { BlobCache } from './blob-cache.ts';
import { createCheckpoints, removeStaleCheckpoints } from './checkpoints.ts';
import { type DataDirectory, writePin } from './data-directory.ts';
import type { HeldAttempts } from './held-attempts.ts';
import type { NodeIdentity } from './identity.ts';
import type { Journal } from './journal.ts';
import { keepOutputs } from './kept-outputs.ts';
import { AGENT_LIMITS } from './limits.ts';
import { Link, type SessionFrame, type WelcomeFrame } from './link.ts';
import { usageMeter } from './node-facts.ts';
import { Outbox } from './outbox.ts';
import { Reaping } from './reaping.ts';
import { bindResult } from './result-commitment.ts';
import type { RootCache } from './root-cache.ts';
import type { Sessions } from './sessions.ts';
import { isStaged, programOf, stage } from './staging.ts';
import type { AgentLog } from './start-agent.ts';
import type { Transfers } from './transfers.ts';
import { Tunnels } from './tunnels.ts';
import { describeOutputs, requireStorable, uploadOutputs } from './uploads.ts';
import { UsageSamples } from './usage-samples.ts';

export interface AgentEnd {
  reason: 'drained' | 'stopped' | 'refused';
  error?: FogError;
}

export interface RunningAgent {
  /** Hash of the node's key: stable over restarts. */
  readonly nodeId: string;
  readonly name: string;
  /** Resolves when a session with the coordinator is open. Rejects when the agent ended, or with `signal`'s reason. */
  connected(signal?: AbortSignal): Promise<void>;
  /** Resolves when the agent is gone: drained, stopped, or refused for good. Never rejects. */
  readonly closed: Promise<AgentEnd>;
  /** Takes nothing more, lets what runs finish within the deadline, delivers the results, ends. */
  drain(deadlineMilliseconds: number): Promise<void>;
  /** Ends at once; what runs is killed. */
  stop(): Promise<void>;
}

export interface AgentParts {
  url: string;
  joinToken: string | undefined;
  fingerprint: string | null;
  directory: DataDirectory;
  identity: NodeIdentity;
  node: NodeDescription;
  runtimes: readonly TaskRuntime[];
  sessions: Sessions;
  transfers: Transfers;
  cache: BlobCache;
  roots: RootCache;
  journal: Journal;
  held: HeldAttempts;
  log: AgentLog;
  /** Ends runtimes and journal and unlocks the folder. */
  release: AsyncDisposable;
}

/**
 * A node at work.
 *
 *     starting -> serving -> draining -> ended
 *         \_________\____________________/   stop, or refused by the coordinator
 */
export class Agent implements RunningAgent {
  readonly nodeId: string;
  readonly name: string;
  readonly closed: Promise<AgentEnd>;
  readonly #parts: AgentParts;
  readonly #bootId = randomUUID();
  readonly #link: Link;
  readonly #attempts: Attempts;
  readonly #outbox: Outbox;
  readonly #samples: UsageSamples;
  readonly #reaping: Reaping;
  readonly #tunnels: Tunnels;
  /** The largest that the coordinator takes, as far as it has said. */
  #blobBytes = Number.POSITIVE_INFINITY;
  readonly #closed = Promise.withResolvers<AgentEnd>();
  /** Both sides count the journal's entries alike; nothing of it is sent before that is known. */
  #isJournalAgreed = false;
  /** The certificate is being remembered; nothing may be written after the end. */
  #pinning: Promise<void> = Promise.resolve();
  #isPinned = false;
  #watch: NodeJS.Timeout | undefined;
  #drainUntilMilliseconds = Number.POSITIVE_INFINITY;
  #draining: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #refusal: FogError | undefined;

  constructor(parts: AgentParts) {
    const { node, journal, sessions } = parts;
    this.#parts = parts;
    this.nodeId = parts.identity.nodeId;
    this.name = node.name;
    this.closed = this.#closed.promise;
    this.#link = new Link({
      url: parts.url,
      fingerprint: parts.fingerprint,
      hello: (nonce) => this.#hello(nonce),
      heartbeat: usageMeter(),
      opened: (welcome, fetch) => this.#opened(welcome, fetch),
      received: (frame) => this.#received(frame),
      lost: () => sessions.lost(new FogError('unavailable', 'the connection to the coordinator was lost')),
      refused: (error) => this.#refused(error),
      random: Math.random,
      now: () => performance.now(),
      log: parts.log,
    });
    this.#outbox = new Outbox({
      journal,
      isOpen: () => this.#link.isOpen && this.#isJournalAgreed,
      backlogBytes: () => this.#link.backlogBytes,
      send: (frame) => this.#link.send(frame),
      now: () => performance.now(),
    });
    this.#attempts = new Attempts(
      {
        node,
        programOf: (group) => programOf(group.spec.spec, parts),
        refusal: (request) => this.#runtime(request.program.runtime).refusal(request),
        attemptDependencies: (group, name, program, checkpoint) =>
          this.#attemptDependencies(group, name, program, checkpoint),
        report: (attempt, report) => this.#report(attempt, report),
        logged: (attempt, log) => this.#outbox.logged(attempt, log),
        forgotten: (log) => this.#outbox.forget(log),
      },
      journal.unacknowledged(),
    );
    this.#reaping = new Reaping(parts.runtimes, parts.log);
    this.#samples = new UsageSamples({
      running: () => this.#attempts.running(),
      isOpen: () => this.#link.isOpen,
      send: (frame) => this.#link.send(frame),
    });
    this.#tunnels = new Tunnels({
      url: parts.url,
      tls: () => this.#link.tls,
      connect: (attempt, port) => this.#attempts.connect(attempt, port),
    });
  }

  /** Resolves when the first try to connect has ended. Throws what the coordinator refused it with. */
  async start(): Promise<void> {
    await this.#adopt();
    await this.#link.start();
    if (this.#refusal === undefined) return;
    await this.#ending;
    throw this.#refusal;
  }

  /** Takes over what an agent that died left running, and removes what else it left. */
  async #adopt(): Promise<void> {
    const { held, log } = this.#parts;
    const adopted = new Set<string>();
    for (const { group, name } of await held.load()) {
      const isThere = await this.#attempts.adopt(group, name).catch((error: unknown) => {
        log('warn', 'an attempt could not be taken over', { attempt: attemptId(name), error: String(error) });
        return false;
      });
      if (isThere) adopted.add(attemptId(name));
      else await held.forget(name);
    }
    if (adopted.size > 0) {
      log('info', 'took over attempts of an earlier agent', { attempts: adopted.size });
      this.#keepWatch();
    }
    await this.#reaping.run();
    await removeStaleCheckpoints(this.#parts.directory.checkpointsPath, adopted);
  }

  /** Further entries of the journal may be sent. */
  journalIsDurable(): void {
    this.#outbox.flush();
  }

  async connected(signal?: AbortSignal): Promise<void> {
    await this.#parts.sessions.wait(signal);
  }

  drain(deadlineMilliseconds: number): Promise<void> {
    const untilMilliseconds = performance.now() + deadlineMilliseconds;
    this.#drainUntilMilliseconds = Math.min(this.#drainUntilMilliseconds, untilMilliseconds);
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  stop(): Promise<void> {
    return this.#end({ reason: 'stopped' });
  }

  async #drain(): Promise<void> {
    const { journal, log } = this.#parts;
    if (this.#ending !== undefined) return await this.#ending;
    this.#attempts.drain();
    this.#link.send({ type: 'capacity', capacity: this.#attempts.capacity });
    log('info', 'draining', { attempts: this.#attempts.count });
    while (!this.#attempts.isIdle && this.#ending === undefined) {
      if (performance.now() >= this.#drainUntilMilliseconds) {
        this.#attempts.stopAll('drained', 'the node was drained before the attempt ended');
      }
      await sleep(AGENT_LIMITS.watchMilliseconds / 4);
    }
    const patienceMilliseconds = performance.now() + AGENT_LIMITS.drainAcknowledgeMilliseconds;
    while (journal.hasUnacknowledged && this.#ending === undefined && performance.now() < patienceMilliseconds) {
      await sleep(AGENT_LIMITS.socketPollMilliseconds);
    }
    this.#link.send({ type: 'goodbye' });
    await this.#end({ reason: 'drained' });
  }

  #end(end: AgentEnd): Promise<void> {
    this.#ending ??= this.#shutDown(end);
    return this.#ending;
  }

  async #shutDown(end: AgentEnd): Promise<void> {
    const { sessions, release, log } = this.#parts;
    clearInterval(this.#watch);
    this.#reaping[Symbol.dispose]();
    this.#samples[Symbol.dispose]();
    this.#attempts.drain();
    this.#attempts.stopAll('stopped-on-node', 'the agent was stopped', { isDecided: true });
    this.#outbox.close();
    this.#tunnels.close();
    await this.#link.close();
    sessions.end(new FogError('unavailable', `the agent is ${end.reason}`));
    await this.#pinning;
    try {
      await release[Symbol.asyncDispose]();
    } catch (error) {
      log('error', 'the agent did not end cleanly', { error: String(error) });
    }
    this.#closed.resolve(end);
  }

  #refused(error: FogError): void {
    this.#refusal = error;
    // Whoever waits for `closed` is told with it.
    this.#parts.log('info', `the coordinator refused this node: ${error.message}`, { code: error.code });
    void this.#end({ reason: 'refused', error });
  }

  #hello(nonce: string): HelloFrame {
    const { identity, journal, node, joinToken } = this.#parts;
    const { nodeId, publicKey } = identity;
    return {
      type: 'hello',
      protocol: AGENT_PROTOCOL,
      nodeId,
      publicKey,
      signature: identity.sign(helloSigningInput(nonce, nodeId, this.#bootId)),
      ...(joinToken === undefined ? {} : { joinToken }),
      bootId: this.#bootId,
      journalId: journal.id,
      nextSequence: journal.nextSequence,
      node: { ...node, capacity: this.#attempts.capacity },
      attempts: this.#attempts.held(),
    };
  }

  #opened(welcome: WelcomeFrame, fetch: Fetch): void {
    const { journal, sessions, url, log } = this.#parts;
    this.#isJournalAgreed = journal.continuesFrom(welcome.acknowledged);
    if (!this.#isJournalAgreed) {
      log('warn', 'the coordinator and this node remember different journals; another one goes on');
      void journal.renew().then(() => this.#link.reconnect());
      return;
    }
    this.#attempts.acknowledged(journal.acknowledge(welcome.acknowledged));
    this.#attempts.welcomed(welcome.keep, welcome.stop);
    this.#outbox.opened(welcome.acknowledged);
    this.#tunnels.sessionToken = welcome.blobToken;
    this.#blobBytes = welcome.blobBytes;
    sessions.opened(new FogClient({ url, token: welcome.blobToken, fetch }));
    log('info', 'connected', { session: welcome.session, coordinatorVersion: welcome.coordinatorVersion });
    if (!this.#isPinned) this.#pinning = this.#pin();
  }

  async #pin(): Promise<void> {
    const { directory, url, fingerprint, log } = this.#parts;
    this.#isPinned = true;
    try {
      await writePin(directory.path, url, fingerprint);
    } catch (error) {
      log('warn', 'the certificate could not be remembered', { error: String(error) });
    }
  }

  #received(frame: SessionFrame): void {
    const { journal } = this.#parts;
    switch (frame.type) {
      case 'lease':
        for (const group of frame.groups) this.#attempts.lease(group);
        this.#keepWatch();
        return;
      case 'ack':
        this.#attempts.acknowledged(journal.acknowledge(frame.sequence));
        return;
      case 'stop':
        for (const { attempt, reason } of frame.attempts) this.#attempts.stop(attempt, reason);
        return;
      case 'tunnel':
        return this.#tunnels.open(frame);
      case 'suspend':
        this.#attempts.suspend(frame.attempts, frame.keepLeaseMilliseconds);
        return;
      case 'resume':
        this.#attempts.resume(frame.attempts);
        return;
      case 'yield':
        return this.#attempts.leave(frame.attempts, frame.reason, frame.graceMilliseconds);
      case 'reveal':
        return this.#attempts.reveal(frame.attempts);
      case 'drain':
        void this.drain(frame.deadlineMilliseconds);
    }
  }

  /** Looks at the deadlines of attempts while there are any. */
  #keepWatch(): void {
    this.#watch ??= setInterval(() => {
      this.#attempts.watch(performance.now(), this.#link.heardMilliseconds);
      if (!this.#attempts.isIdle) return;
      clearInterval(this.#watch);
      this.#watch = undefined;
    }, AGENT_LIMITS.watchMilliseconds);
  }

  #report(attempt: AttemptName, report: AttemptReport): void {
    this.#parts.journal.append(
      { attempt, atMilliseconds: Date.now(), report },
      { mayLinger: report.event === 'start' },
    );
  }

  #runtime(name: TaskRuntime['name']): TaskRuntime {
    const runtime = this.#parts.runtimes.find((it) => it.name === name);
    if (runtime === undefined) throw new FogError('runtime-unavailable', `this node has no runtime "${name}"`);
    return runtime;
  }

  #attemptDependencies(
    group: LeaseGroup,
    name: AttemptName,
    program: Program,
    checkpoint: string | null,
  ): Omit<AttemptDependencies, 'report' | 'logged' | 'program' | 'committed'> {
    const { cache, transfers, node, directory, held, identity } = this.#parts;
    const { task } = group.spec.spec;
    const runtime = this.#runtime(program.runtime);
    return {
      runtime,
      held:
        runtime.adopt === undefined
          ? null
          : { remember: () => held.remember(group, name), forget: () => held.forget(name) },
      trusted: node.policy.trusted,
      isStaged: () => isStaged(task, this.#parts),
      stage: (signal) => stage(task, this.#parts, signal),
      checkpoints: createCheckpoints(group.spec, attemptId(name), checkpoint, {
        path: directory.checkpointsPath,
        cache,
        transfers,
      }),
      // What the node is bound to is owed, however long the coordinator has no room for it.
      upload: (outputs, signal) =>
        uploadOutputs(outputs, group.verified === true ? transfers.patient() : transfers, signal),
      bind:
        group.verified === undefined
          ? null
          : async (outputs, signal) => {
              requireStorable(outputs, this.#blobBytes);
              const described = await describeOutputs(outputs, signal);
              const result = bindResult(identity, name, task, described, randomBytes(32));
              return { result, outputs: await keepOutputs(keptFolder(directory, name), outputs) };
            },
      discard: async (attemptId, outputs) => {
        await discard(join(directory.scratchPath, runtime.name), attemptId, outputs);
        if (group.verified === true) await rm(keptFolder(directory, name), { recursive: true, force: true });
      },
      now: () => performance.now(),
    };
  }
}

function keptFolder({ scratchPath }: DataDirectory, name: AttemptName): string {
  return join(scratchPath, 'committed', attemptId(name));
}

/** Runtimes put outputs that are too large for memory into a folder of the attempt's name. */
async function discard(scratchPath: string, attemptId: string, outputs: readonly AttemptOutput[]): Promise<void> {
  const files = outputs
    .flatMap((output) => output.files)
    .flatMap(({ content }) => ('hostPath' in content ? [content.hostPath] : []));
  if (files.length === 0) return;
  await Promise.all(files.map((path) => rm(path, { force: true }).catch(() => {})));
  await rm(join(scratchPath, attemptId), { recursive: true, force: true }).catch(() => {});
}
