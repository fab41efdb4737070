/** What `fog.map` takes and gives. */
import { randomBytes } from 'node:crypto';
import { type FogClient, FogError, type JobSpecInput } from '@fog/contract';
import { SDK_LIMITS } from '../limits.ts';
import { batchScript } from './batch-script.ts';
import { selfContainedSource } from './function-source.ts';
import type { MapInput } from './item-source.ts';
import { jsonText } from './json-value.ts';
import { MapRun, type MapRunOptions } from './run-map.ts';

export type { MapInput } from './item-source.ts';

export interface MapContext<Context> {
  /** The option `context`, frozen. */
  context: Context;
  /** Place of the item among all items, from 0. */
  index: number;
  /** Numbers in [0, 1): the same for the same `seed` and index, however the items were batched. */
  random(): number;
  /** To the log of the batch. */
  log(...values: unknown[]): void;
}

export type MapFunction<Item, Result, Context> = (item: Item, ctx: MapContext<Context>) => Result;

export interface MapOptions<Context> {
  /** JSON that every call sees as `ctx.context`. */
  context?: Context | undefined;
  signal?: AbortSignal | undefined;
  /** `collect`: a failed item becomes an entry instead of failing the map. Default `reject`. */
  onError?: 'reject' | 'collect' | undefined;
  /** Most tasks at the same time. Default: all that the fog has slots for. */
  concurrency?: number | undefined;
  /** How long to wait for a first node that can run the function. Default: 10 seconds. */
  waitForNodesMilliseconds?: number | undefined;
  /** Of `ctx.random`. Default: 0. */
  seed?: number | undefined;
  /** What one batch needs. */
  resources?: NonNullable<JobSpecInput['spec']['task']['resources']> | undefined;
  engine?: 'auto' | 'v8' | 'quickjs' | undefined;
  /** Placement constraints, such as `arch == x64`. */
  constraints?: string[] | undefined;
  priority?: number | undefined;
  timeouts?: JobSpecInput['spec']['timeouts'];
  /** Of the jobs, in `fog job ls`. Default: the name of the function. */
  name?: string | undefined;
}

export type Settled<Result> = { status: 'fulfilled'; value: Result } | { status: 'rejected'; reason: FogError };

/**
 * The results of a map: a promise of all of them, or an async iterable of them in order as they come. They can be
 * taken one way, once. The map runs from the start, whether or not somebody takes its results.
 */
export interface FogMap<Result> extends Promise<Result[]>, AsyncIterable<Result> {}

/** Starts a map. Never throws: what is wrong with the function, the context or the items rejects. */
export function startMap(
  client: FogClient,
  items: MapInput<unknown>,
  fn: unknown,
  options: MapOptions<unknown>,
): FogMap<unknown> {
  let run: MapRun;
  try {
    run = new MapRun(client, items, runOptions(fn, options));
  } catch (error) {
    return new RunningMap(null, error);
  }
  void run.run();
  return new RunningMap(run, null);
}

function runOptions(fn: unknown, options: MapOptions<unknown>): MapRunOptions {
  const source = selfContainedSource(fn);
  const contextText = options.context === undefined ? undefined : jsonText(options.context, 'the context');
  const collectErrors = options.onError === 'collect';
  const { concurrency, seed = 0 } = options;
  checkOptions(options);
  if (concurrency !== undefined && !(Number.isInteger(concurrency) && concurrency >= 1)) {
    throw new FogError('invalid-request', 'concurrency must be a whole number from 1');
  }
  if (!Number.isInteger(seed)) throw new FogError('invalid-request', 'seed must be a whole number');
  return {
    script: batchScript({ source, contextText, seed, collectErrors }),
    collectErrors,
    concurrency,
    waitForNodesMilliseconds: options.waitForNodesMilliseconds ?? SDK_LIMITS.waitForNodesMilliseconds,
    signal: options.signal,
    template: {
      name: jobName(options.name ?? (fn as { name: string }).name),
      labels: { map: randomBytes(8).toString('hex') },
      engine: options.engine ?? 'auto',
      resources: options.resources ?? {},
      spec: {
        ...(options.priority === undefined ? {} : { priority: options.priority }),
        ...(options.timeouts === undefined ? {} : { timeouts: options.timeouts }),
        ...(options.constraints === undefined ? {} : { placement: { constraints: options.constraints } }),
      },
    },
  };
}

const OPTIONS: Readonly<Record<keyof MapOptions<unknown>, true>> = {
  context: true,
  signal: true,
  onError: true,
  concurrency: true,
  waitForNodesMilliseconds: true,
  seed: true,
  resources: true,
  engine: true,
  constraints: true,
  priority: true,
  timeouts: true,
  name: true,
};

/** What a type checker would say to those who have none: an option that is ignored is worse than an error. */
function checkOptions(options: MapOptions<unknown>): void {
  const unknown = Object.keys(options).filter((key) => !Object.hasOwn(OPTIONS, key));
  if (unknown.length > 0) {
    const hint = `fog.map knows ${Object.keys(OPTIONS).join(', ')}`;
    throw new FogError('invalid-request', `fog.map has no option ${unknown.join(', ')}`, { hint });
  }
  const { onError } = options;
  if (onError !== undefined && onError !== 'reject' && onError !== 'collect') {
    throw new FogError('invalid-request', `onError must be 'reject' or 'collect', not ${JSON.stringify(onError)}`);
  }
}

/** Function names may hold letters that job names may not. */
function jobName(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
  return plain === '' ? 'map' : plain.slice(0, 60).replace(/[^A-Za-z0-9]+$/, '');
}

class RunningMap implements FogMap<unknown> {
  readonly [Symbol.toStringTag] = 'FogMap';
  readonly #run: MapRun | null;
  readonly #error: unknown;
  #isTaken = false;
  #all: Promise<unknown[]> | null = null;

  constructor(run: MapRun | null, error: unknown) {
    this.#run = run;
    this.#error = error;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, undefined> {
    if (this.#run === null) throw this.#error;
    if (this.#isTaken) throw new FogError('conflict', 'the results of this map were taken already');
    this.#isTaken = true;
    const { results } = this.#run;
    let isComplete = false;
    try {
      for (;;) {
        const next = await results.next();
        if (next.done === true) break;
        yield next.value;
      }
      isComplete = true;
      return undefined;
    } finally {
      if (!isComplete) this.#run.fail(new FogError('cancelled', 'nobody takes the results any more'));
    }
  }

  #collected(): Promise<unknown[]> {
    this.#all ??= Array.fromAsync(this);
    return this.#all;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise, and one that can be iterated as well
  then<Fulfilled = unknown[], Rejected = never>(
    onFulfilled?: ((value: unknown[]) => Fulfilled | PromiseLike<Fulfilled>) | null,
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<Fulfilled | Rejected> {
    return this.#collected().then(onFulfilled, onRejected);
  }

  catch<Rejected = never>(
    onRejected?: ((reason: unknown) => Rejected | PromiseLike<Rejected>) | null,
  ): Promise<unknown[] | Rejected> {
    return this.#collected().catch(onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<unknown[]> {
    return this.#collected().finally(onFinally);
  }
}
