/**
 * One attempt as the runtime sees it.
 *
 *     creating -> pending -> running -> collecting -> ended
 *        \___________\__________\___________\__ kill, timeout, trouble __/
 *
 * creating: the Job goes into the cluster; pending: its pod waits for room and image; collecting: the program has
 * ended, the rest of its log and its output are fetched. The limit of the job counts in `running` alone. Whatever ends
 * it, the Job is deleted.
 */
import { randomBytes } from 'node:crypto';
import { type FailureReason, FogError, type UsageSample } from '@fog/contract';
import type {
  AttemptHost,
  AttemptOutcome,
  AttemptOutput,
  AttemptRequest,
  KubernetesProgram,
  RunningAttempt,
} from '../runtime.ts';
import type { AttemptLogs } from './attempt-logs.ts';
import type { Cluster, Observer } from './cluster.ts';
import { type Fields, nameOf, oneLine, record, records, text } from './fields.ts';
import { createJob } from './job-creation.ts';
import { ATTEMPT_LABEL, jobName, labels, type ManifestSettings } from './job-manifest.ts';
import { PendingPatience } from './pending-patience.ts';
import { type Ending, judgeJob, judgePod, type PodVerdict } from './pod-verdict.ts';
import { parseQuantity } from './quantities.ts';
import type { KubernetesTiming } from './timing.ts';

export interface KubernetesAttemptDependencies {
  request: AttemptRequest;
  program: KubernetesProgram;
  host: AttemptHost;
  settings: ManifestSettings;
  timing: KubernetesTiming;
  logs: AttemptLogs;
  /** Deletions, of a Job or a file, go on after the outcome; close() waits for them. */
  onRemoval(removal: Promise<unknown>): void;
}

interface Failure {
  reason: FailureReason;
  message: string;
  exitCode: number | null;
}

const TIMER_MAXIMUM_MILLISECONDS = 2 ** 31 - 1;

export class KubernetesAttempt implements RunningAttempt, Observer {
  readonly outcome: Promise<AttemptOutcome>;
  readonly name: string;
  readonly #label: string;
  readonly #dependencies: KubernetesAttemptDependencies;
  readonly #patience: PendingPatience;
  readonly #resolve: (outcome: AttemptOutcome) => void;
  readonly #abort = new AbortController();
  #phase: 'creating' | 'pending' | 'running' | 'collecting' | 'ended' = 'creating';
  #cluster: Cluster | null = null;
  /** Of our Job: one of a dead agent, and its pod, may have the same names for a while. */
  #uid = '';
  #created: Promise<unknown> = Promise.resolve();
  #isAdopted = false;
  #pod: string | null = null;
  #timer: NodeJS.Timeout | undefined;
  #settleTimer: NodeJS.Timeout | undefined;
  #startedAtMilliseconds: number | null = null;
  #wallMilliseconds: number | null = null;

  constructor(dependencies: KubernetesAttemptDependencies) {
    const { request, settings } = dependencies;
    this.#dependencies = dependencies;
    this.name = jobName(settings.nodeId, request.attemptId);
    this.#label = labels(settings.nodeId, request.attemptId)[ATTEMPT_LABEL] ?? '';
    this.#patience = new PendingPatience(dependencies.timing);
    const { promise, resolve } = Promise.withResolvers<AttemptOutcome>();
    this.outcome = promise;
    this.#resolve = resolve;
  }

  /** Called once, or else `adopt`. */
  run(cluster: Promise<Cluster>): void {
    this.#created = this.#create(cluster).catch((error: unknown) => {
      const { message, hint } = FogError.from(error);
      const sentence = oneLine(`The Job could not be made: ${message}${hint === undefined ? '' : `. ${hint}`}`);
      this.#fail('sandbox', sentence);
    });
  }

  /** Takes over a Job that is in the cluster. */
  async adopt(cluster: Cluster, job: Fields): Promise<void> {
    this.#isAdopted = true;
    await this.#dependencies.logs.restore();
    if (this.#phase !== 'creating') return;
    this.#cluster = cluster;
    this.#setPending(cluster, text(record(job.metadata).uid));
  }

  kill(reason: FailureReason, message: string): void {
    this.#fail(reason, message);
  }

  async sample(): Promise<UsageSample | null> {
    if (this.#cluster === null || this.#pod === null || this.#phase !== 'running') return null;
    const metrics = await this.#cluster.client.podMetrics(this.#pod, this.#dependencies.timing.sampleMilliseconds);
    const [container] = records(metrics?.containers);
    const memoryBytes = parseQuantity(record(container?.usage).memory);
    if (memoryBytes === null) return null;
    return {
      // The cluster tells a rate, not a sum.
      cpuMilliseconds: null,
      memoryBytes,
      networkReceivedBytes: null,
      networkSentBytes: null,
      diskBytes: null,
      processes: null,
    };
  }

  async #create(opening: Promise<Cluster>): Promise<void> {
    const { request, program, settings, timing } = this.#dependencies;
    const cluster = await opening;
    if (this.#phase === 'ended') return;
    this.#cluster = cluster;
    const uid = await createJob({
      client: cluster.client,
      request,
      program,
      settings,
      timing,
      start: randomBytes(4).toString('hex'),
      signal: this.#abort.signal,
    });
    if (this.#phase === 'creating') this.#setPending(cluster, uid);
  }

  #setPending(cluster: Cluster, uid: string): void {
    this.#uid = uid;
    this.#phase = 'pending';
    this.#patience.begin();
    this.#timer = setInterval(() => void this.#checkPatience(), this.#dependencies.timing.patienceMilliseconds);
    cluster.observe(this.#label, this);
  }

  async #checkPatience(): Promise<void> {
    const failure = this.#patience.exhausted(this.#pod !== null);
    if (failure === null) return;
    clearInterval(this.#timer);
    const said = this.#cluster === null ? null : await this.#cluster.client.lastWarning(this.#pod ?? this.name);
    if (this.#phase !== 'pending') return;
    const { reason, message } = this.#patience.explain(failure, said);
    this.#fail(reason, message);
  }

  jobChanged(job: Fields): void {
    if (text(record(job.metadata).uid) !== this.#uid || this.#isOver()) return;
    const failure = judgeJob(job);
    if (failure === null) return;
    if (failure.reason === 'timeout') this.#fail(failure.reason, failure.message);
    else this.#settle(failure.message);
  }

  jobGone(job: Fields): void {
    if (text(record(job.metadata).uid) !== this.#uid || this.#isOver()) return;
    this.#fail('sandbox', 'Somebody deleted the Job in the cluster.');
  }

  podChanged(pod: Fields): void {
    if (!this.#isMine(pod)) return;
    this.#pod = nameOf(pod);
    const verdict = judgePod(pod);
    if (verdict.state === 'pending') {
      if (this.#phase !== 'pending') return;
      this.#patience.troubled(verdict.trouble);
      if (verdict.trouble?.isFinal === true) this.#fail(verdict.trouble.reason, verdict.trouble.message);
    } else if (verdict.state === 'running') this.#started(verdict.startedAtMilliseconds);
    else this.#ended(verdict);
  }

  podGone(pod: Fields): void {
    if (!this.#isMine(pod)) return;
    this.podChanged(pod);
    this.#settle('Somebody deleted the pod in the cluster.');
  }

  #isMine(pod: Fields): boolean {
    return !this.#isOver() && records(record(pod.metadata).ownerReferences).some(({ uid }) => uid === this.#uid);
  }

  #isOver(): boolean {
    return this.#phase === 'collecting' || this.#phase === 'ended';
  }

  /** The pod and the Job tell their ends apart; what the other one says in a moment may be better. */
  #settle(message: string): void {
    if (this.#isOver() || this.#settleTimer !== undefined) return;
    this.#settleTimer = setTimeout(() => {
      if (!this.#isOver()) this.#fail('sandbox', message);
    }, this.#dependencies.timing.settleMilliseconds);
  }

  #started(startedAtMilliseconds: number | null): void {
    if (this.#phase !== 'pending') return;
    clearInterval(this.#timer);
    this.#phase = 'running';
    // The clock of another machine, in whole seconds: only used where there is nothing better.
    const before = this.#isAdopted ? Math.max(0, Date.now() - (startedAtMilliseconds ?? Date.now())) : 0;
    this.#startedAtMilliseconds = performance.now() - before;
    const { runMilliseconds } = this.#dependencies.request.limits;
    this.#timer = setTimeout(
      () => this.#fail('timeout', `The program ran longer than its limit of ${runMilliseconds} ms.`),
      Math.min(Math.max(0, runMilliseconds - before), TIMER_MAXIMUM_MILLISECONDS),
    );
    this.#dependencies.host.started();
    this.#followLogs();
  }

  #followLogs(): void {
    const { logs } = this.#dependencies;
    if (this.#cluster === null || this.#pod === null) return;
    logs.follow(this.#cluster, this.#pod, (message) => this.#fail('output-too-large', message));
  }

  #ended(verdict: Extract<PodVerdict, { state: 'ended' }>): void {
    const { startedAtMilliseconds, finishedAtMilliseconds, ending } = verdict;
    if (this.#startedAtMilliseconds !== null) {
      this.#wallMilliseconds = performance.now() - this.#startedAtMilliseconds;
    } else if (startedAtMilliseconds !== null || ending.reason === null) {
      this.#wallMilliseconds = Math.max(0, (finishedAtMilliseconds ?? 0) - (startedAtMilliseconds ?? 0));
      this.#dependencies.host.started();
      this.#followLogs();
    }
    clearTimeout(this.#timer);
    clearTimeout(this.#settleTimer);
    this.#phase = 'collecting';
    void this.#collect(ending).catch((error: unknown) => {
      this.#fail('sandbox', oneLine(`The output could not be read from the cluster: ${FogError.from(error).message}`));
    });
  }

  async #collect(ending: Ending): Promise<void> {
    const { logs, request } = this.#dependencies;
    await logs.finish();
    if (this.#phase === 'ended') return;
    if (ending.reason !== null) {
      this.#fail(ending.reason, ending.message, ending.exitCode);
      return;
    }
    let outputs: AttemptOutput[] = [];
    if (request.outputs.length > 0 && this.#cluster !== null && this.#pod !== null) {
      const output = await logs.output(this.#cluster, this.#pod, this.#abort.signal);
      if ('fault' in output) {
        this.#fail('output-too-large', output.fault);
        return;
      }
      outputs = request.outputs.map(({ name }) => ({
        name,
        type: 'file',
        files: [{ relativePath: '', content: { data: output.data } }],
      }));
    }
    if (!this.#finish()) return;
    void this.#remove();
    this.#resolve({ status: 'succeeded', exitCode: 0, outputs, usage: this.#usage(), engine: this.#engine() });
  }

  /** Ends the attempt with a failure, unless it has ended: the first one stands. */
  #fail(reason: FailureReason, message: string, exitCode: number | null = null): void {
    if (this.#startedAtMilliseconds !== null) {
      this.#wallMilliseconds ??= performance.now() - this.#startedAtMilliseconds;
    }
    if (!this.#finish()) return;
    const failure: Failure = { reason, message, exitCode };
    const { killConfirmationMilliseconds } = this.#dependencies.timing;
    const timer = Promise.withResolvers<void>();
    const handle = setTimeout(timer.resolve, killConfirmationMilliseconds);
    void Promise.race([this.#remove(), timer.promise]).then(() => {
      clearTimeout(handle);
      this.#resolve({ status: 'failed', ...failure, usage: this.#usage(), engine: this.#engine() });
    });
  }

  /** Whether this call ended it. Nothing is told afterwards. */
  #finish(): boolean {
    if (this.#phase === 'ended') return false;
    this.#phase = 'ended';
    clearInterval(this.#timer);
    clearTimeout(this.#settleTimer);
    this.#abort.abort();
    this.#dependencies.onRemoval(this.#dependencies.logs.stop());
    this.#cluster?.forget(this.#label, this);
    return true;
  }

  async #remove(): Promise<void> {
    const cluster = this.#cluster;
    if (cluster === null) return;
    // A creation that was under way may have come through although its answer was not waited for.
    const removal = this.#created
      .then(() => cluster.client.remove('jobs', this.name))
      // What stays ends at its deadline, and reap() finds it.
      .catch(() => undefined);
    this.#dependencies.onRemoval(removal);
    await removal;
  }

  #usage() {
    return { wallMilliseconds: this.#wallMilliseconds ?? 0, cpuMilliseconds: null, peakMemoryBytes: null };
  }

  #engine(): string {
    return this.#cluster === null ? 'kubernetes' : `kubernetes-${this.#cluster.gitVersion}`;
  }
}
