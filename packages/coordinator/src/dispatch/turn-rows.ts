/** The rows that a turn has loaded, and finds again by their names. */
import { type AttemptName, attemptKey } from '@fog/contract';
import { taskKey } from './turn-names.ts';
import type { TurnAttempt, TurnTask } from './turn-records.ts';

interface TaskName {
  job: string;
  partition: number;
}

export class TurnRows {
  readonly #tasks = new Map<string, TurnTask>();
  readonly #attempts = new Map<string, TurnAttempt>();
  readonly #attemptsOfTask = new Map<string, TurnAttempt[]>();

  /** A row that is already there stays as it is. */
  load(tasks: Iterable<TurnTask>, attempts: Iterable<TurnAttempt>): void {
    for (const task of tasks) {
      const key = taskKey(task);
      if (!this.#tasks.has(key)) this.#tasks.set(key, task);
    }
    for (const attempt of attempts) {
      const key = attemptKey(attempt);
      if (this.#attempts.has(key)) continue;
      this.#attempts.set(key, attempt);
      this.#attemptsOfTask.getOrInsertComputed(taskKey(attempt), () => []).push(attempt);
    }
  }

  /** Takes rows as they are by now, in place of those that were loaded before. */
  reload(tasks: readonly TurnTask[], attempts: readonly TurnAttempt[]): void {
    for (const task of tasks) {
      this.#tasks.delete(taskKey(task));
      this.#attemptsOfTask.delete(taskKey(task));
    }
    for (const attempt of attempts) this.#attempts.delete(attemptKey(attempt));
    this.load(tasks, attempts);
  }

  task(name: TaskName): TurnTask | undefined {
    return this.#tasks.get(taskKey(name));
  }

  attempt(name: AttemptName): TurnAttempt | undefined {
    return this.#attempts.get(attemptKey(name));
  }

  attemptsOf(task: TaskName): readonly TurnAttempt[] {
    return this.#attemptsOfTask.get(taskKey(task)) ?? [];
  }
}
