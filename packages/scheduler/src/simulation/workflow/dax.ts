/**
 * Reads DAX, the XML of Pegasus up to its version 4: `<job id runtime>` for each task, `<child ref>` with the `<parent
 * ref>`s that it needs. Everything else says nothing of time and order and is passed over. Generators of workflows draw run
 * times from distributions that reach below 0; such tasks take no time.
 */
import { WORKFLOW_LIMITS } from './limits.ts';
import { type Dependency, type RecordedTask, refusal, type Workflow, workflowOf } from './workflow.ts';
import { type XmlElement, xmlElements } from './xml-tags.ts';

/**
 * `file` names it in messages. Throws `invalid-request` with the line for what is no DAX, for jobs without a run time, and
 * as `workflowOf` does.
 */
export function parseDax(text: string, file = 'the workflow'): Workflow {
  if (text.length > WORKFLOW_LIMITS.fileCharacters) {
    throw refusal(file, `${text.length} characters`, `at most ${WORKFLOW_LIMITS.fileCharacters} can be read`);
  }
  const tasks: RecordedTask[] = [];
  const dependencies: Dependency[] = [];
  let correctedTasks = 0;
  for (const element of xmlElements(text, file)) {
    const path = [...element.within, element].map(({ name }) => name).join('/');
    const attribute = (of: XmlElement, name: string) => {
      const value = of.attributes.get(name);
      if (value !== undefined) return value;
      throw refusal(file, `line ${of.line}: <${of.name}> has no ${name}`, 'give a DAX file of a workflow that ran', {
        line: of.line,
      });
    };
    if (element.within.length === 0 && element.name !== 'adag') {
      throw refusal(file, `line ${element.line}: it begins with <${element.name}>`, 'give a DAX file: <adag>', {
        line: element.line,
      });
    }
    if (path === 'adag/job') {
      const runtime = attribute(element, 'runtime').trim();
      const runSeconds = runtime === '' ? Number.NaN : Number(runtime);
      if (runSeconds < 0) correctedTasks += 1;
      tasks.push({ id: attribute(element, 'id'), runSeconds: runSeconds < 0 ? 0 : runSeconds });
    } else if (path === 'adag/child/parent') {
      const to = attribute(element.within[1] as XmlElement, 'ref');
      dependencies.push({ from: attribute(element, 'ref'), to });
    }
  }
  return { ...workflowOf(tasks, dependencies, file), correctedTasks };
}
