/**
 * Reads WfFormat 1.5, the JSON in which WfCommons publishes workflows that ran (Coleman et al., "WfCommons: a framework
 * for enabling scientific workflow research and development", 2022). Of it: tasks, who needs whom, and run times.
 */
import { WORKFLOW_LIMITS } from './limits.ts';
import { type Dependency, type RecordedTask, refusal, type Workflow, workflowOf } from './workflow.ts';

const SCHEMA_VERSION = '1.5';

/**
 * `file` names it in messages. Throws `invalid-request` for another schema, for tasks without a recorded run time, and as
 * `workflowOf` does.
 */
export function parseWfFormat(text: string, file = 'the workflow'): Workflow {
  if (text.length > WORKFLOW_LIMITS.fileCharacters) {
    throw refusal(file, `${text.length} characters`, `at most ${WORKFLOW_LIMITS.fileCharacters} can be read`);
  }
  const root = recordOf(parseJson(text, file), file, 'the file');
  if (root.schemaVersion !== SCHEMA_VERSION) {
    throw refusal(file, `schemaVersion is ${JSON.stringify(root.schemaVersion)}`, `it must be "${SCHEMA_VERSION}"`);
  }
  const workflow = recordOf(root.workflow, file, 'workflow');
  const specified = listOf(recordOf(workflow.specification, file, 'workflow.specification').tasks, file, 'its tasks');
  const executed = listOf(recordOf(workflow.execution, file, 'workflow.execution').tasks, file, 'its tasks');
  const runSeconds = new Map<string, number>();
  for (const entry of executed) {
    const task = recordOf(entry, file, 'a task of workflow.execution');
    const id = textOf(task.id, file, 'the id of a task');
    if (typeof task.runtimeInSeconds !== 'number') {
      throw refusal(file, `task "${id}" has no runtimeInSeconds`, 'replay a workflow that ran');
    }
    runSeconds.set(id, task.runtimeInSeconds);
  }
  const tasks: RecordedTask[] = [];
  const dependencies: Dependency[] = [];
  for (const entry of specified) {
    const task = recordOf(entry, file, 'a task of workflow.specification');
    const id = textOf(task.id, file, 'the id of a task');
    const seconds = runSeconds.get(id);
    if (seconds === undefined) throw refusal(file, `task "${id}" was not executed`, 'replay a workflow that ran');
    tasks.push({ id, runSeconds: seconds });
    for (const from of namesOf(task.parents, file, `parents of "${id}"`)) dependencies.push({ from, to: id });
    for (const to of namesOf(task.children, file, `children of "${id}"`)) dependencies.push({ from: id, to });
  }
  return workflowOf(tasks, dependencies, file);
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refusal(file, `no JSON: ${(error as Error).message}`, 'give a file in WfFormat');
  }
}

function recordOf(value: unknown, file: string, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw refusal(file, `${what} is no object`, 'give a file in WfFormat');
}

function listOf(value: unknown, file: string, what: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw refusal(file, `${what} is no list`, 'give a file in WfFormat');
}

function textOf(value: unknown, file: string, what: string): string {
  if (typeof value === 'string') return value;
  throw refusal(file, `${what} is no text`, 'give a file in WfFormat');
}

function namesOf(value: unknown, file: string, what: string): string[] {
  return value === undefined ? [] : listOf(value, file, what).map((name) => textOf(name, file, `one of the ${what}`));
}
