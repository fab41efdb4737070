/** A database whose process can die at any moment: nothing is heard of it any more, and nothing else is committed. */
import type { Database } from '../../src/store/database.ts';

export interface CrashableDatabase extends Database {
  readonly crashed: boolean;
  /** Resolves when the files or connections are free for the next process. */
  crash(): Promise<void>;
}

export function crashable(database: Database): CrashableDatabase {
  let crashed = false;
  const dead = () => {
    if (crashed) throw new Error('the process is dead');
  };
  return {
    engine: database.engine,
    read: database.read,
    get crashed() {
      return crashed;
    },
    async write(work) {
      try {
        return await database.write(async (writer) => {
          dead();
          const result = await work(writer);
          dead();
          return result;
        });
      } finally {
        // The commit may have gone through, but nobody is there to be told.
        if (crashed) await new Promise(() => undefined);
      }
    },
    async crash() {
      crashed = true;
      await database.close();
    },
    close: () => database.close(),
  };
}
