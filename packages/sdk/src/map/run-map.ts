/**
 * The life of one map: items -> batches -> jobs -> results in order.
 *
 *     reading -> draining (source ended) -> done
 *         \________\_____ failed: outstanding jobs are cancelled, then the error is handed out
 *
 * - As many batches are outstanding as the fog has slots for them, and once durations are known twice as many: a slot
 *   that ends a batch finds the next one queued at the coordinator and does not wait for our round trip. Queued
 *   batches belong to no node, so they cost no balance.
 * - A batch that the job itself made fail (out of memory, time limit, a promise that never settles) is split in halves
 *   until the item at fault is alone; what nodes make fail the fog repeats by itself.
 * - Each outstanding batch is followed on one event stream, so its end is known when it is durable, without polling.
 */
import { counted, FAILURE_REASONS, type FailureReason, type FogClient, FogError, type Plan } from '@fog/contract';
import { SDK_LIMITS } from '../limits.ts';
import { uploadBytes } from '../upload.ts';
import { type EncodedItem, encodeBatch, type ItemError } from './batch-frames.ts';
import { type BatchJobTemplate, type BatchOutcome, batchSpec, followBatch, submitBatch } from './batch-job.ts';
import { BatchSizer } from './batch-size.ts';
import { ItemSource, type MapInput } from './item-source.ts';
import { jsonText } from './json-value.ts';
import { OrderedResults } from './ordered-results.ts';

export interface MapRunOptions {
  script: string;
  template: Omit<BatchJobTemplate, 'scriptDigest'>;
  collectErrors: boolean;
  /** Most tasks at the same time; undefined is all that the fog has. */
  concurrency: number | undefined;
  /** How long a fog in which no node can run the function is waited for. */
  waitForNodesMilliseconds: number;
  signal: AbortSignal | undefined;
}

interface Batch {
  start: number;
  items: EncodedItem[];
}

/** Reasons that say nothing about the items of the batch. */
const NOT_OF_THE_ITEMS: readonly FailureReason[] = [
  'queue-timeout',
  'total-timeout',
  'too-many-node-failures',
  'rejected',
  'input-missing',
  'cancelled',
];
const CANCEL_MILLISECONDS = 2000;

export class MapRun {
  readonly results: OrderedResults;
  readonly #client: FogClient;
  readonly #options: MapRunOptions;
  readonly #source: ItemSource;
  readonly #sizer = new BatchSizer();
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #jobs = new Set<string>();
  readonly #again: Batch[] = [];
  #template: BatchJobTemplate | null = null;
  #slots = 0;
  #nextIndex = 0;
  #failure: { error: unknown } | null = null;
  #hasChanged = false;
  #wake: (() => void) | null = null;

  constructor(client: FogClient, items: MapInput<unknown>, options: MapRunOptions) {
    this.#client = client;
    this.#options = options;
    this.results = new OrderedResults(() => {
      this.#source.resume();
      this.#signalChange();
    });
    this.#source = new ItemSource(items, {
      wake: () => this.#signalChange(),
      room: () => SDK_LIMITS.itemsAhead - (this.#nextIndex + this.#source.waiting - this.results.handedOut),
    });
  }

  /** Runs to the end. Never rejects: failures are handed out by `results`. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const onAbort = () => this.fail(new FogError('cancelled', 'the map was aborted', { cause: signal?.reason }));
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const planTimer = setInterval(() => void this.#refreshSlots().catch(() => undefined), SDK_LIMITS.planMilliseconds);
    try {
      if (this.#failure === null && !(await this.#isEmpty())) await this.#prepare();
      await this.#schedule();
    } catch (error) {
      this.fail(error);
    } finally {
      clearInterval(planTimer);
      signal?.removeEventListener('abort', onAbort);
      this.#source.close();
    }
    if (this.#failure === null) this.results.end(this.#nextIndex);
    else {
      await this.#cancelOutstanding();
      this.results.fail(this.#failure.error);
    }
  }

  /** Ends the map with this error; the first one counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#stop.abort(error);
    this.#signalChange();
  }

  async #isEmpty(): Promise<boolean> {
    while (this.#source.waiting === 0 && !this.#source.ended && this.#failure === null) await this.#change();
    return this.#source.waiting === 0;
  }

  async #prepare(): Promise<void> {
    const script = new TextEncoder().encode(this.#options.script);
    const { digest } = await uploadBytes(this.#client, script, { signal: this.#stop.signal });
    this.#template = { ...this.#options.template, scriptDigest: digest };
    const giveUpAt = performance.now() + this.#options.waitForNodesMilliseconds;
    for (;;) {
      const plan = await this.#refreshSlots();
      if (this.#slots > 0 || this.#failure !== null) return;
      if (performance.now() > giveUpAt) throw nowhere(plan);
      await this.#change(250);
    }
  }

  async #schedule(): Promise<void> {
    for (;;) {
      if (this.#failure !== null) return;
      if (this.#source.failure !== null) throw this.#source.failure;
      const limit = Math.min(this.#sizer.hasMeasured ? this.#slots * 2 : this.#slots, SDK_LIMITS.outstandingBatches);
      const batch = this.#running.size < limit ? await this.#nextBatch() : null;
      if (batch !== null) this.#launch(batch);
      else if (this.#running.size === 0 && this.#source.ended && this.#source.waiting === 0) return;
      else await this.#change();
    }
  }

  /** The next batch, or null when none can be made now. */
  async #nextBatch(): Promise<Batch | null> {
    const again = this.#again.pop();
    if (again !== undefined) return again;
    if (this.#nextIndex - this.results.handedOut >= SDK_LIMITS.itemsAhead) return null;
    const size = () => {
      const itemsLeft = this.#source.ended ? this.#source.waiting : null;
      return this.#sizer.next({ slots: this.#slots, itemsLeft });
    };
    if (this.#source.waiting === 0) return null;
    const lingerUntil = performance.now() + SDK_LIMITS.lingerMilliseconds;
    while (!this.#source.ended && this.#source.waiting < size() && this.#failure === null) {
      const left = lingerUntil - performance.now();
      if (left <= 0) break;
      await this.#change(left);
    }
    const batch: Batch = { start: this.#nextIndex, items: [] };
    const most = Math.min(size(), this.#source.waiting);
    let bytes = 0;
    while (batch.items.length < most && bytes < SDK_LIMITS.batchBytes) {
      const item = this.#encode(this.#source.take(), this.#nextIndex);
      this.#nextIndex += 1;
      if (item === null) break; // its place is decided: the batch ends before it
      batch.items.push(item);
      bytes += 'text' in item ? item.text.length : item.data.length;
    }
    return batch.items.length === 0 ? this.#nextBatch() : batch;
  }

  /** Null when the item cannot travel and errors are collected. */
  #encode(item: unknown, index: number): EncodedItem | null {
    if (item instanceof Uint8Array) return { data: item };
    try {
      return { text: jsonText(item, `item ${index}`, { index }) };
    } catch (error) {
      if (!this.#options.collectErrors) throw error;
      this.results.put(index, { status: 'rejected', reason: error });
      return null;
    }
  }

  #launch(batch: Batch): void {
    const running = this.#runBatch(batch)
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.#running.delete(running);
        this.#signalChange();
      });
    this.#running.add(running);
  }

  async #runBatch(batch: Batch): Promise<void> {
    const template = this.#template as BatchJobTemplate;
    const { signal } = this.#stop;
    const job = await submitBatch(this.#client, template, encodeBatch(batch.start, batch.items), signal);
    this.#jobs.add(job);
    const outcome = await followBatch(this.#client, job, signal);
    this.#jobs.delete(job);
    if (this.#failure === null) this.#settle(batch, outcome);
  }

  #settle(batch: Batch, outcome: BatchOutcome): void {
    if (outcome.status === 'cancelled') {
      throw new FogError('cancelled', `job ${outcome.job}, a batch of the map, was cancelled`, {
        details: { job: outcome.job },
      });
    }
    if (outcome.status === 'failed') {
      this.#settleFailed(batch, outcome);
      return;
    }
    this.#sizer.measured(batch.items.length, outcome.wallMilliseconds);
    outcome.items.forEach((item, place) => {
      const index = batch.start + place;
      if ('error' in item) this.#rejectItem(index, itemError(index, item.error, outcome.job));
      else
        this.results.put(index, this.#options.collectErrors ? { status: 'fulfilled', value: item.value } : item.value);
    });
    if (outcome.items.length < batch.items.length && this.#failure === null) {
      throw new FogError('protocol-violation', `batch ${outcome.job} answered for too few items`);
    }
  }

  #settleFailed(batch: Batch, { job, reason, message }: Extract<BatchOutcome, { status: 'failed' }>): void {
    const details = { job, reason };
    if (FAILURE_REASONS[reason].blame === 'node' || NOT_OF_THE_ITEMS.includes(reason)) {
      throw new FogError('task-failed', `job ${job}, a batch of the map, failed: ${message}`, { details });
    }
    const { start, items } = batch;
    if (items.length === 1) {
      const text = `item ${start} failed: ${reason}: ${message}`;
      this.#rejectItem(start, new FogError('task-failed', text, { details: { index: start, message, ...details } }));
      return;
    }
    const half = Math.ceil(items.length / 2);
    this.#again.push({ start: start + half, items: items.slice(half) }, { start, items: items.slice(0, half) });
  }

  #rejectItem(index: number, error: FogError): void {
    if (this.#options.collectErrors) this.results.put(index, { status: 'rejected', reason: error });
    else this.fail(error);
  }

  async #refreshSlots(): Promise<Plan | null> {
    if (this.#template === null) return null;
    const spec = batchSpec(this.#template, {});
    const plan = await this.#client.call('plan', { body: { spec } }, { signal: this.#stop.signal });
    const slots = plan.nodes.reduce((sum, node) => sum + node.slots, 0);
    this.#slots = Math.min(slots, this.#options.concurrency ?? slots);
    this.#signalChange();
    return plan;
  }

  #signalChange(): void {
    this.#hasChanged = true;
    this.#wake?.();
  }

  /**
   * A batch ended, an item came, a result left, the map failed; or the time passed. What happened since the last
   * call counts, so nothing is missed between a look and a wait.
   */
  async #change(milliseconds?: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    if (!this.#hasChanged) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (milliseconds !== undefined) timer = setTimeout(resolve, milliseconds);
      });
    }
    this.#hasChanged = false;
    this.#wake = null;
    clearTimeout(timer);
  }

  /** Cancels what was submitted, also by submits that are still on their way. Bounded: the fog may be gone. */
  async #cancelOutstanding(): Promise<void> {
    const cancelAll = async () => {
      await Promise.allSettled(this.#running);
      await Promise.allSettled([...this.#jobs].map((job) => this.#client.call('cancelJob', { params: { job } })));
    };
    let timer: NodeJS.Timeout | undefined;
    const bound = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CANCEL_MILLISECONDS);
    });
    await Promise.race([cancelAll(), bound]);
    clearTimeout(timer);
  }
}

function itemError(index: number, error: ItemError, job: string): FogError {
  const details = { index, job, name: error.name, message: error.message };
  if (error.notSerialisable) {
    return new FogError('not-serialisable', `the result of item ${index} is not JSON: ${error.message}`, {
      details,
      hint: error.message === 'undefined' ? 'does the function return something?' : 'return JSON or a Uint8Array',
    });
  }
  return new FogError('task-failed', `item ${index} failed: ${error.name}: ${error.message}`, { details });
}

function nowhere(plan: Plan | null): FogError {
  const excluded = plan?.excluded ?? [];
  const why = excluded.map(({ constraint, nodes }) => `${constraint} (${nodes})`).join(', ');
  const known = plan?.nodesKnown ?? 0;
  const message =
    known === 0 ? 'no node has joined the fog' : `none of ${counted(known, 'node')} can run the function: ${why}`;
  const hint = excluded.find((exclusion) => exclusion.hint !== undefined)?.hint ?? 'see "fog node ls"';
  return new FogError('unavailable', message, { details: { nodesKnown: known, excluded }, hint });
}
