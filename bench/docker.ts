/**
 * What an agent adds to a container: the same container run by hand, over the same engine, and as the task of a lease.
 *
 *     raw    create, wait, start, exit status
 *     ours   from the send of the lease until its report has arrived: WebSocket, journal (synced to disk), attempt,
 *            attached output, judgement of the end
 *
 * The pairs are interleaved, each in the other order than the one before. What is removed or uploaded afterwards is
 * waited for, and counts for neither. That both sides have the same HostConfig is asked of the engine first.
 */
import { deepEqual } from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAgent } from '../packages/agent/src/index.ts';
import { FakeCoordinator, JOB, leaseGroup } from '../packages/agent/test/fake-coordinator.ts';
import { type LeaseGroup, loadSettings } from '../packages/contract/src/index.ts';
import { type ContainerSpec, containerSpec, containerUser } from '../packages/runtimes/src/docker/container-spec.ts';
import type { Engine } from '../packages/runtimes/src/docker/engine.ts';
import { createDockerRuntime } from '../packages/runtimes/src/index.ts';
import { skipWithoutDocker, TEST_IMAGE, TestEngine } from '../test/support/docker-engine.ts';
import type { Benchmark, BenchmarkContext } from './benchmark.ts';
import { median, percentile, rounded } from './statistics.ts';
import { TemporaryFolder } from './temporary-folder.ts';

const LIMITS = {
  memoryBytes: 64 << 20,
  runMilliseconds: 3_600_000,
  diskBytes: 64 << 20,
  files: 100_000,
  milliCpu: 1000,
  processes: 64,
};
const WARM_UP_PAIRS = 10;

export const docker: Benchmark = {
  name: 'docker',
  summary: 'milliseconds that an agent adds to a container that does nothing',
  options: { pairs: { default: 200, description: 'of a container by hand and one by lease' } },
  async run(context) {
    const reason = skipWithoutDocker();
    if (reason !== false) throw new Error(`there is no container engine to measure: ${reason}`);
    await using site = await Site.start(context);
    await site.requireEqualSettings();
    const raw: number[] = [];
    const ours: number[] = [];
    const pairs = context.option('pairs');
    for (let pair = 0; pair < pairs + WARM_UP_PAIRS; pair += 1) {
      const isReversed = pair % 2 === 1;
      const first = isReversed ? await site.runLease() : await site.runByHand();
      const second = isReversed ? await site.runByHand() : await site.runLease();
      if (pair < WARM_UP_PAIRS) continue;
      raw.push(isReversed ? second : first);
      ours.push(isReversed ? first : second);
      if (raw.length % 50 === 0) context.progress(`${raw.length} pairs`);
    }
    const overhead = ours.map((milliseconds, pair) => milliseconds - (raw[pair] ?? Number.NaN));
    return {
      pairs,
      rawMilliseconds: summary(raw),
      oursMilliseconds: summary(ours),
      overheadMilliseconds: summary(overhead),
    };
  },
};

function summary(values: readonly number[]): { p50: number; p90: number } {
  return { p50: rounded(median(values)), p90: rounded(percentile(values, 0.9)) };
}

/** An engine, an agent on it, and a coordinator that hands out leases one by one. */
class Site implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #coordinator: FakeCoordinator;
  readonly #spec: ContainerSpec;
  readonly #cleanup: AsyncDisposableStack;
  #partition = 0;

  private constructor(
    parts: { engine: Engine; coordinator: FakeCoordinator; spec: ContainerSpec },
    cleanup: AsyncDisposableStack,
  ) {
    this.#engine = parts.engine;
    this.#coordinator = parts.coordinator;
    this.#spec = parts.spec;
    this.#cleanup = cleanup;
  }

  static async start(context: BenchmarkContext): Promise<Site> {
    const cleanup = context.cleanup.use(new AsyncDisposableStack());
    const folder = cleanup.use(new TemporaryFolder());
    const test = await TestEngine.start();
    cleanup.defer(() => test.stop());
    const coordinator = cleanup.use(await FakeCoordinator.start());
    const scratchDirectory = join(folder.path, 'containers');
    await mkdir(scratchDirectory);
    const runtime = createDockerRuntime(
      { slots: 1, readablePaths: [], scratchDirectory, nodeId: 'bench' },
      { socketPath: test.socketPath },
    );
    const agent = await startAgent({
      dataDirectory: join(folder.path, 'agent'),
      url: coordinator.url,
      settings: loadSettings('agent', { environment: {}, flags: { slots: 1, cpu: 2, memory: '1Gi' } }).settings,
      runtimes: [runtime],
    });
    cleanup.defer(() => agent.stop());
    await agent.connected();
    const { engine } = test;
    const image = await engine.inspectImage(TEST_IMAGE, AbortSignal.timeout(10_000));
    const { InitBinary } = await engine.info();
    const spec = containerSpec({
      engine: 'docker',
      imageId: image.Id,
      command: ['/bin/true'],
      args: [],
      launcher: null,
      env: {},
      workingDirectory: null,
      user: containerUser(process.getuid?.() ?? null, process.getgid?.() ?? null),
      nodeId: 'by hand',
      attemptId: 'by hand',
      limits: LIMITS,
      mounts: [],
      stdin: false,
      init: Boolean(InitBinary),
    });
    return new Site({ engine, coordinator, spec }, cleanup);
  }

  /** Throws when the engine knows of any difference between the settings of the two sides. */
  async requireEqualSettings(): Promise<void> {
    const settingsOf = async (id: string): Promise<unknown> => {
      const path = `/containers/${id}/json`;
      return (await this.#engine.client.json<{ HostConfig: unknown }>({ method: 'GET', path })).HostConfig;
    };
    const byHand = await this.#engine.createContainer(this.#spec);
    const partition = this.#lease(['/bin/sleep', '1']);
    let leased: string | undefined;
    while (leased === undefined) {
      const running = await this.#engine.listContainers({ 'fog.node': 'bench' });
      leased = running.find(({ State }) => State === 'running')?.Id;
    }
    deepEqual(await settingsOf(leased), await settingsOf(byHand));
    await this.#ended(partition);
    await this.#engine.removeContainer(byHand);
    await this.#untilRemoved();
  }

  async runByHand(): Promise<number> {
    const started = performance.now();
    const id = await this.#engine.createContainer(this.#spec);
    const signal = AbortSignal.timeout(60_000);
    const query = { condition: 'next-exit' };
    const answer = await this.#engine.client.stream({ method: 'POST', path: `/containers/${id}/wait`, query, signal });
    const [body] = await Promise.all([text(answer), this.#engine.startContainer(id)]);
    const took = performance.now() - started;
    const { StatusCode } = JSON.parse(body) as { StatusCode: number };
    if (StatusCode !== 0) throw new Error(`the container ended with ${StatusCode}`);
    await this.#engine.removeContainer(id);
    return took;
  }

  async runLease(): Promise<number> {
    const started = performance.now();
    const partition = this.#lease(['/bin/true']);
    await this.#ended(partition);
    const took = performance.now() - started;
    await this.#untilRemoved();
    return took;
  }

  #lease(command: string[]): number {
    this.#partition += 1;
    this.#coordinator.lease(groupOf(this.#partition, command));
    return this.#partition;
  }

  async #ended(partition: number): Promise<void> {
    await this.#coordinator.until(() => this.#coordinator.ending(partition) !== undefined, 'the report', 60_000);
    const ending = this.#coordinator.ending(partition);
    if (ending?.event !== 'succeed') throw new Error(`the task of ${JOB} failed: ${JSON.stringify(ending)}`);
  }

  async #untilRemoved(): Promise<void> {
    while ((await this.#engine.listContainers({})).length > 0) await sleep(5);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup.disposeAsync();
  }
}

function groupOf(partition: number, command: string[]): LeaseGroup {
  const resources = { cpu: '1', memory: '64Mi', disk: '64Mi', pids: LIMITS.processes };
  const task = {
    runtime: 'docker' as const,
    docker: { image: TEST_IMAGE, pull: 'never' as const, command },
    resources,
  };
  return leaseGroup([partition], { task });
}
