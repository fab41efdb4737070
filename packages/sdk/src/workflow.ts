/**
 * Several jobs of which some wait for others: their order, and their names as ids.
 *
 * They are submitted in the order of their upward ranks (HEFT): what the longest way to the end begins with goes first.
 * Ids of jobs grow with the time of the submit, and among jobs of one priority the queue goes by their ids, so the jobs
 * of a workflow that are ready at the same time are placed in this order.
 */
import { FogError, isRecord, type JobSpec, jobIdSchema, parseDuration, recordIn } from '@fog/contract';
import { dependencyOrder, prepareGraph, type TaskEdge, upwardRanks } from '@fog/scheduler/queueing';
import { SDK_LIMITS } from './limits.ts';

/** A job of a workflow, by its place among the others. */
export interface WorkflowStep {
  index: number;
  /** Null for one without a name, for which none can wait. */
  name: string | null;
  /** `dependsOn` as it is written: names of others, or ids of jobs that were submitted before. */
  dependsOn: readonly string[];
}

/** Passes for an id until the job has one. */
const STAND_IN_ID = `j${'0'.repeat(18)}`;

/**
 * The steps, each after those that it waits for. Throws `invalid-spec` for two steps with one name, a step that is waited
 * for by a name that none has, and a cycle, which is named.
 */
export function workflowSteps(documents: readonly unknown[]): WorkflowStep[] {
  if (documents.length === 0) throw fault('a workflow without jobs', 'write at least one');
  if (documents.length > SDK_LIMITS.workflowJobs) {
    throw new FogError('invalid-spec', `a workflow of ${documents.length} jobs`, {
      hint: `at most ${SDK_LIMITS.workflowJobs}`,
    });
  }
  const steps = documents.map((document, index): WorkflowStep => {
    const name = recordIn(isRecord(document) ? document : null, 'metadata')?.name;
    const needed = recordIn(isRecord(document) ? document : null, 'spec')?.dependsOn;
    const dependsOn = Array.isArray(needed) ? needed.filter((id) => typeof id === 'string') : [];
    return { index, name: typeof name === 'string' ? name : null, dependsOn };
  });
  const names = new Set<string>();
  for (const { name } of steps) {
    if (name !== null && names.has(name)) throw fault(`two jobs of the workflow are named ${name}`, 'rename one');
    if (name !== null) names.add(name);
  }
  const earlier = new Set(
    steps.flatMap(({ dependsOn }) => dependsOn.filter((id) => !names.has(id) && jobIdSchema.safeParse(id).success)),
  );
  const byId = new Map(steps.map((step) => [step.name ?? `document ${step.index + 1}`, step]));
  const work = [...byId].map(([id, { dependsOn }]) => ({ id, dependsOn }));
  try {
    return dependencyOrder(work, earlier).map(({ id }) => byId.get(id) as WorkflowStep);
  } catch (cause) {
    const { message, hint, details } = FogError.from(cause);
    const hints = hint === undefined ? {} : { hint };
    throw new FogError('invalid-spec', message, { cause, ...hints, ...(details === undefined ? {} : { details }) });
  }
}

/**
 * The steps in the order in which they are submitted. `specs`: by index; a job takes as long as its `timeouts.attempt`
 * says, since nobody knows better before it has run.
 */
export function submitOrder(steps: readonly WorkflowStep[], specs: readonly JobSpec[]): WorkflowStep[] {
  const places = new Map(steps.map(({ name }, place) => [name, place]));
  const edges = steps.flatMap(({ dependsOn }, to) =>
    [...new Set(dependsOn)].flatMap((name): TaskEdge[] => {
      const from = places.get(name);
      return from === undefined ? [] : [{ from, to, transferTime: 0 }];
    }),
  );
  const runTimes = steps.map(({ index }) => [parseDuration(specs[index]?.spec.timeouts.attempt ?? '1s')]);
  const ranks = upwardRanks(prepareGraph({ runTimes, edges }));
  // Run times are above 0, so a step ranks above all that wait for it; those of one rank keep their order.
  const order = steps.map((step, place) => ({ step, place }));
  order.sort((left, right) => (ranks[right.place] ?? 0) - (ranks[left.place] ?? 0) || left.place - right.place);
  return order.map(({ step }) => step);
}

/** The document with ids in place of the names, which `ids` knows; `null`: a stand-in for each. */
export function withIds(
  document: unknown,
  ids: ReadonlyMap<string, string> | null,
  names: ReadonlySet<string>,
): unknown {
  const spec = recordIn(isRecord(document) ? document : null, 'spec');
  if (!isRecord(document) || spec === null || !Array.isArray(spec.dependsOn)) return document;
  const dependsOn = spec.dependsOn.map((name: unknown) => {
    if (typeof name !== 'string' || !names.has(name)) return name;
    return ids === null ? STAND_IN_ID : (ids.get(name) ?? name);
  });
  return { ...document, spec: { ...spec, dependsOn } };
}

function fault(message: string, hint: string): FogError {
  return new FogError('invalid-spec', message, { hint });
}
