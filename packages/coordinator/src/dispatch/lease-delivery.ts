/** Sends the leases of a committed turn to their nodes. What does not arrive comes back as an input of the dispatcher. */
import { FogError } from '@fog/contract';
import type { DispatcherInput } from './inputs.ts';
import { blobsOf } from './job-blobs.ts';
import type { CachedJob } from './job-cache.ts';
import { groupLeases, type Lease, leaseFrame, leaseGroupTexts } from './leases.ts';
import { longestRun } from './queueing/kept-nodes.ts';
import type { AgentSession, Holder, Sessions } from './sessions.ts';

export interface LeaseDeliveryDependencies {
  sessions: Sessions;
  /** Values of a submitter's secrets. Throws `not-found` for a name that is gone. */
  resolveSecrets: (principal: string, names: readonly string[]) => Promise<Record<string, string>>;
  take: (...inputs: DispatcherInput[]) => void;
}

export class LeaseDelivery {
  readonly #dependencies: LeaseDeliveryDependencies;

  constructor(dependencies: LeaseDeliveryDependencies) {
    this.#dependencies = dependencies;
  }

  /** `at`: when they were decided on. */
  send(leases: readonly Lease[], at: number): void {
    const { sessions } = this.#dependencies;
    const holders = new Map<CachedJob, Holder>();
    const holderOf = (job: CachedJob) =>
      holders.getOrInsertComputed(job, () => {
        return { tenant: job.submitter, endsBy: at + longestRun(sessions, job), isSpot: job.isSpot };
      });
    for (const { name, session, job } of leases) session.hold(name, job.needs, holderOf(job));
    for (const [session, byJob] of groupLeases(leases)) {
      const texts: string[] = [];
      for (const [job, group] of byJob) {
        this.#dependencies.sessions.placer.blobs.note(session.nodeId, blobsOf(job.spec));
        if (job.secretNames.length === 0) texts.push(...leaseGroupTexts(job, group, {}));
        else void this.#sendWithSecrets(session, job.secretNames, group);
      }
      if (texts.length > 0 && !session.link.send(leaseFrame(texts))) this.#undelivered([...byJob.values()].flat());
    }
  }

  async #sendWithSecrets(session: AgentSession, names: readonly string[], group: readonly Lease[]): Promise<void> {
    const { resolveSecrets, take } = this.#dependencies;
    const job = (group[0] as Lease).job;
    try {
      const secrets = await resolveSecrets(job.submitter, names);
      if (!session.link.send(leaseFrame(leaseGroupTexts(job, group, secrets)))) this.#undelivered(group);
    } catch (error) {
      const message = FogError.from(error).message;
      take(...group.map(({ name }) => ({ kind: 'unfillable', name, reason: 'input-missing', message }) as const));
    }
  }

  #undelivered(leases: readonly Lease[]): void {
    // Its end is not noticed yet; until then it would get the same tasks again and again.
    for (const { session } of leases) session.reachable = false;
    this.#dependencies.take(...leases.map(({ name }) => ({ kind: 'undelivered', name }) as const));
  }
}
