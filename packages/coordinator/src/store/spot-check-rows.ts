/** Known answers, and what nodes have said to them. */
import { readSettlement } from '@fog/economy/escrow';
import { type IssuedSpotCheck, judgeSpotCheck, type KnownAnswer, type SpotCheck } from '@fog/verification';
import type { PlacementClass, Requirements } from '../dispatch/requirements.ts';
import { placementClass } from '../dispatch/requirements.ts';
import { evidenceOfAnswer } from '../dispatch/verification/evidence.ts';
import type { CheckedAnswer, CheckOutcome, Judgement, NewAnswer } from '../dispatch/verification/step-effects.ts';
import { DISPATCH_LIMITS } from '../limits.ts';
import { type BulkStatement, runBulk } from './bulk.ts';
import type { Reader, Writer } from './database.ts';
import { StaleRows } from './turn-rows.ts';

const INSERT_ANSWERS: BulkStatement = {
  text: `INSERT INTO known_answers (job_id, partition, runtime, requirements, answer, uses, made_at)
    SELECT job_id, partition, runtime, requirements, answer, 0, made_at FROM ROWS AS d WHERE true
    ON CONFLICT DO NOTHING`,
  columns: {
    job_id: 'text',
    partition: 'integer',
    runtime: 'text',
    requirements: 'text',
    answer: 'text',
    made_at: 'bigint',
  },
};

export async function insertAnswers(writer: Writer, answers: readonly NewAnswer[], now: number): Promise<void> {
  const rows = answers.map(({ answer, runtime, requirements }) => {
    const { job, partition } = answer.task;
    return [job, partition, runtime, JSON.stringify(requirements), JSON.stringify(answer), now];
  });
  await runBulk(writer, INSERT_ANSWERS, rows);
}

/** The newest that may be put to further nodes, with what their jobs require. */
export async function loadAnswers(
  writer: Writer,
  runtime: string,
  mostUses: number,
): Promise<{ answer: KnownAnswer; placement: PlacementClass }[]> {
  const rows = await writer
    .selectFrom('known_answers')
    .select(['answer', 'requirements'])
    .where('runtime', '=', runtime)
    .where('uses', '<', mostUses)
    .orderBy('made_at', 'desc')
    .limit(DISPATCH_LIMITS.drawnAnswers)
    .execute();
  return rows.map((row) => ({
    answer: JSON.parse(row.answer) as KnownAnswer,
    placement: placementClass(JSON.parse(row.requirements) as Requirements),
  }));
}

/** Notes that the answer is put to a node. False: another coordinator has used it meanwhile. */
export async function saveIssued(
  writer: Writer,
  job: string,
  { answer, check }: IssuedSpotCheck,
  before: KnownAnswer,
): Promise<boolean> {
  if (!(await replaceAnswer(writer, before, answer))) return false;
  await writer
    .insertInto('spot_checks')
    .values({ job_id: job, check_record: JSON.stringify(check) })
    .execute();
  return true;
}

async function replaceAnswer(writer: Writer, before: KnownAnswer, after: KnownAnswer): Promise<boolean> {
  const { job, partition } = before.task;
  const saved = await writer
    .updateTable('known_answers')
    .set({ answer: JSON.stringify(after), uses: after.uses })
    .where('job_id', '=', job)
    .where('partition', '=', partition)
    .where('answer', '=', JSON.stringify(before))
    .returning('uses')
    .execute();
  return saved.length > 0;
}

/**
 * Judges what nodes have said. Answers the verdicts on nodes, the tasks whose accepted result has come into doubt, and what
 * has come of each check.
 */
export async function judgeChecks(
  writer: Writer,
  checked: readonly CheckedAnswer[],
): Promise<{ judged: Judgement[]; disputed: SpotCheck['task'][]; outcomes: CheckOutcome[] }> {
  const judged: Judgement[] = [];
  const outcomes: CheckOutcome[] = [];
  const disputed: SpotCheck['task'][] = [];
  for (const { job, runtime, digest, submitter } of checked) {
    const row = await writer
      .selectFrom('spot_checks')
      .select('check_record')
      .where('job_id', '=', job)
      .executeTakeFirst();
    if (row === undefined) continue;
    const check = JSON.parse(row.check_record) as SpotCheck;
    const known = await writer
      .selectFrom('known_answers')
      .select('answer')
      .where('job_id', '=', check.task.job)
      .where('partition', '=', check.task.partition)
      .executeTakeFirst();
    const before = known === undefined ? null : (JSON.parse(known.answer) as KnownAnswer);
    const { answer, verdict } = judgeSpotCheck(before, check, digest);
    if (before !== null && answer !== null && answer !== before && !(await replaceAnswer(writer, before, answer))) {
      throw new StaleRows('a known answer has changed since it was read');
    }
    if (answer === null && before !== null) await deleteAnswer(writer, before);
    const { owners = [], prefixes = [] } = before ?? {};
    outcomes.push({ job, partition: check.task.partition, verdict, expected: check.expected, owners, prefixes });
    if (verdict === 'disputed') disputed.push(check.task);
    else {
      const valueMicroFog = await paidForEach(writer, check.task);
      const evidence = evidenceOfAnswer(verdict, { owner: check.owner, submitter, valueMicroFog });
      judged.push({ node: check.nodeId, runtime, verdict, task: check.task, evidence });
    }
  }
  return { judged, disputed, outcomes };
}

/** What each of those whose answer it is was paid for the task; what a check itself could cost is said by whoever brings it. */
async function paidForEach(reader: Reader, { job, partition }: SpotCheck['task']): Promise<bigint> {
  const row = await reader
    .selectFrom('tasks')
    .select('settlement')
    .where('job_id', '=', job)
    .where('partition', '=', partition)
    .executeTakeFirst();
  const prices = row?.settlement == null ? [] : readSettlement(row.settlement).leases.map(({ price }) => price);
  return prices.reduce((least, price) => (price < least ? price : least), prices[0] ?? 0n);
}

async function deleteAnswer(writer: Writer, { task }: KnownAnswer): Promise<void> {
  await writer
    .deleteFrom('known_answers')
    .where('job_id', '=', task.job)
    .where('partition', '=', task.partition)
    .execute();
}
