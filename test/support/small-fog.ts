/** A coordinator and agents with the process runtime in this process, in a folder of their own. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type RunningAgent, startAgent } from '@fog/agent';
import {
  type Attempt,
  agentSettingsSchema,
  coordinatorSettingsSchema,
  FogClient,
  type JobSpecInput,
  type TaskWithAttempts,
} from '@fog/contract';
import { type RunningCoordinator, startCoordinator } from '@fog/coordinator';

export class SmallFog implements AsyncDisposable {
  readonly directory: string;
  readonly coordinator: RunningCoordinator;
  readonly client: FogClient;
  readonly agents: RunningAgent[] = [];

  private constructor(directory: string, coordinator: RunningCoordinator) {
    this.directory = directory;
    this.coordinator = coordinator;
    this.client = new FogClient({ url: coordinator.url, token: coordinator.adminToken });
  }

  /** On PostgreSQL it may be one of several. */
  static async start(change: { databaseUrl?: string } = {}): Promise<SmallFog> {
    const directory = await mkdtemp(join(tmpdir(), 'fog-small-'));
    const settings = coordinatorSettingsSchema.parse({ listen: '127.0.0.1:0', heartbeat: '1s', ...change });
    return new SmallFog(directory, await startCoordinator({ dataDirectory: join(directory, 'coordinator'), settings }));
  }

  async addAgent(name: string): Promise<RunningAgent> {
    const { token } = await this.coordinator.createToken({ scope: 'node' });
    const settings = agentSettingsSchema.parse({ name, slots: 4, runtimes: ['process'], memory: '1Gi' });
    const dataDirectory = join(this.directory, name);
    const agent = await startAgent({ dataDirectory, url: this.coordinator.url, token, settings });
    await agent.connected();
    this.agents.push(agent);
    return agent;
  }

  /** Deploys a service under its name and answers the id of the job that runs it. */
  async startService(spec: JobSpecInput, client = this.client): Promise<string> {
    const name = spec.metadata?.name ?? assert.fail('a service without a name');
    const { revisions } = await client.call('deploy', { params: { name }, body: { spec } });
    return revisions[0]?.job ?? assert.fail('no revision');
  }

  async bearer(scope: 'submit' | 'read', principal: string): Promise<string> {
    return `Bearer ${(await this.coordinator.createToken({ scope, principal })).token}`;
  }

  async task(job: string, partition: number): Promise<TaskWithAttempts> {
    return await this.client.call('getTask', { params: { job, partition } });
  }

  /** Waits until an attempt of a task is as wanted, and answers the newest that is. */
  async attempt(job: string, partition: number, wanted: (attempt: Attempt) => boolean): Promise<Attempt> {
    const deadline = performance.now() + 20_000;
    for (;;) {
      const { attempts } = await this.task(job, partition);
      const attempt = attempts.findLast(wanted);
      if (attempt !== undefined) return attempt;
      if (performance.now() > deadline) throw new Error(`waited in vain: ${JSON.stringify(attempts)}`);
      await pause(20);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.agents.map((agent) => agent.stop()));
    await this.coordinator.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}
