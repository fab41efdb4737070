/** Removes what dead agents of this node have left in its engines. An engine that is away is asked again later. */
import type { TaskRuntime } from '@fog/runtimes';
import { AGENT_LIMITS } from './limits.ts';
import type { AgentLog } from './start-agent.ts';

export class Reaping implements Disposable {
  readonly #log: AgentLog;
  #left: readonly Pick<TaskRuntime, 'name' | 'reap'>[];
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(runtimes: readonly Pick<TaskRuntime, 'name' | 'reap'>[], log: AgentLog) {
    this.#left = runtimes;
    this.#log = log;
  }

  /** Resolves when every engine has been asked once. Never rejects. */
  async run(): Promise<void> {
    const results = await Promise.all(this.#left.map((runtime) => this.#reap(runtime)));
    this.#left = this.#left.filter((_, index) => results[index] === false);
    if (this.#left.length === 0 || this.#isOver) return;
    this.#timer = setTimeout(() => void this.run(), AGENT_LIMITS.reapMilliseconds).unref();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  async #reap(runtime: Pick<TaskRuntime, 'name' | 'reap'>): Promise<boolean> {
    try {
      await runtime.reap?.();
      return true;
    } catch (error) {
      const data = { runtime: runtime.name, error: String(error) };
      this.#log('warn', 'what an earlier agent left cannot be removed now; it is tried again', data);
      return false;
    }
  }
}
