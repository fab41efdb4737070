/** A coordinator in this process, and agents of owners and networks that the test names. */
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { startAgent } from '@fog/agent';
import {
  agentSettingsSchema,
  type CoordinatorSettings,
  coordinatorSettingsSchema,
  FogClient,
  type Job,
  type RuntimeName,
} from '@fog/contract';
import { type RunningCoordinator, startCoordinator } from '@fog/coordinator';
import { Fog } from '@fog/sdk';
import { temporaryFolder } from './fog-process.ts';

/** Without it two agents of this machine are never of two networks. */
export const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));

export class VerifyingFog implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #data: string;
  readonly #coordinator: RunningCoordinator;
  readonly client: FogClient;

  private constructor(data: string, coordinator: RunningCoordinator) {
    this.#data = data;
    this.#coordinator = coordinator;
    this.client = new FogClient({ url: this.#urlAt('127.0.0.1'), token: coordinator.adminToken });
    this.#stack.defer(() => coordinator.close());
  }

  static async start(change: Partial<CoordinatorSettings> = {}): Promise<VerifyingFog> {
    const data = temporaryFolder('verifying-fog');
    const settings = coordinatorSettingsSchema.parse({ listen: '[::]:0', plainHttp: true, ...change });
    return new VerifyingFog(data, await startCoordinator({ dataDirectory: join(data, 'coordinator'), settings }));
  }

  async addNode(
    owner: string,
    host: string,
    runtimes: RuntimeName[],
    { isTrusted = false, memory }: { isTrusted?: boolean; memory?: string } = {},
  ): Promise<void> {
    const { token } = await this.#coordinator.createToken({ scope: 'node', principal: owner, trusted: isTrusted });
    const agent = await startAgent({
      dataDirectory: join(this.#data, owner),
      url: this.#urlAt(host),
      token,
      settings: agentSettingsSchema.parse({
        name: owner,
        slots: 1,
        runtimes,
        ...(memory === undefined ? {} : { memory }),
      }),
    });
    this.#stack.defer(() => agent.stop());
    await agent.connected();
  }

  /** Until it has ended. */
  async run(spec: object, files: Record<string, string | Uint8Array>): Promise<Job> {
    const job = await new Fog(this.client).run({ kind: 'Job', spec }, { files });
    return (await job.wait({ timeoutMilliseconds: 60_000 })).job;
  }

  #urlAt(host: string): string {
    return `http://${host}:${new URL(this.#coordinator.url).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
