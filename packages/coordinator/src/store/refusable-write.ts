/** Writes that may refuse what they are asked for. */
import { FogError } from '@fog/contract';
import { sql } from 'kysely';
import type { Database, Writer } from './database.ts';

/**
 * A refusal, which is a FogError, undoes what this work has changed and nothing else: thrown out of the transaction it
 * would undo the works that share it as well, and each of them would be done again in one of its own.
 */
export async function refusableWrite<Result>(
  database: Pick<Database, 'write'>,
  work: (writer: Writer) => Promise<Result>,
): Promise<Result> {
  const outcome = await database.write(async (writer) => {
    await sql`SAVEPOINT refusable`.execute(writer);
    const answer = await work(writer).then(
      (result) => ({ result }),
      (error: unknown) => {
        if (error instanceof FogError) return { refusal: error };
        throw error;
      },
    );
    if ('refusal' in answer) await sql`ROLLBACK TO SAVEPOINT refusable`.execute(writer);
    await sql`RELEASE SAVEPOINT refusable`.execute(writer);
    return answer;
  });
  if ('refusal' in outcome) throw outcome.refusal;
  return outcome.result;
}
