/** A database whose process can die at any moment: nothing is heard of it any more, and nothing else is committed. */
import type { Database } from '../../src/store/database.ts';

export interface CrashableDatabase extends Database {
  readonly crashed: boolean;
  /** The next transaction is committed, but its answer is lost: the connection broke. */
  loseNextAnswer(): void;
  /** Resolves when the files or connections are free for the next process. */
  crash(): Promise<void>;
}

export function crashable(database: Database): CrashableDatabase {
  let crashed = false;
  let losesAnswer = false;
  const dead = () => {
    if (crashed) throw new Error('the process is dead');
  };
  return {
    engine: database.engine,
    read: database.read,
    get crashed() {
      return crashed;
    },
    async write(work, kind) {
      try {
        const answer = await database.write(async (writer) => {
          dead();
          const result = await work(writer);
          dead();
          return result;
        }, kind);
        if (!losesAnswer) return answer;
        losesAnswer = false;
        throw new Error('the connection broke during the commit');
      } finally {
        // The commit may have gone through, but nobody is there to be told.
        if (crashed) await new Promise(() => undefined);
      }
    },
    loseNextAnswer() {
      losesAnswer = true;
    },
    async crash() {
      crashed = true;
      await database.close();
    },
    close: () => database.close(),
  };
}
