/** Asks the runtimes now and then what the attempts of this node use, and tells the coordinator. */
import { type AgentFrame, type AttemptName, LIMITS, type UsageSample } from '@fog/contract';
import { AGENT_LIMITS } from './limits.ts';

export interface UsageSamplesDependencies {
  /** Attempts that run, and how to measure each; one that cannot tell answers null. */
  running(): Iterable<{ name: AttemptName; sample(): Promise<UsageSample | null> }>;
  isOpen(): boolean;
  send(frame: AgentFrame): void;
}

export class UsageSamples implements Disposable {
  readonly #dependencies: UsageSamplesDependencies;
  readonly #timer: NodeJS.Timeout;
  #isMeasuring = false;

  constructor(dependencies: UsageSamplesDependencies) {
    this.#dependencies = dependencies;
    this.#timer = setInterval(() => void this.#measure(), AGENT_LIMITS.sampleMilliseconds).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #measure(): Promise<void> {
    const { running, isOpen, send } = this.#dependencies;
    // An engine that does not answer must not be asked again and again.
    if (this.#isMeasuring || !isOpen()) return;
    this.#isMeasuring = true;
    const asked = [...running()].slice(0, LIMITS.samplesPerFrame);
    const answers = await Promise.all(
      asked.map(async ({ name, sample }) => ({ attempt: name, usage: await sample() })),
    );
    this.#isMeasuring = false;
    const samples = answers.flatMap(({ attempt, usage }) => (usage === null ? [] : [{ attempt, usage }]));
    if (samples.length > 0 && isOpen()) send({ type: 'samples', samples });
  }
}
