/** What is wrong with a specification, and where. */
import { z } from 'zod';

export const specFaultSchema = z.strictObject({
  path: z.string(),
  code: z.enum(['invalid', 'missing', 'unknown-field', 'unsupported']),
  message: z.string(),
});
export type SpecFault = z.infer<typeof specFaultSchema>;

/** `['spec', 'inputs', 0, 'path']` -> `'spec.inputs[0].path'`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index ? '.' : ''}${String(part)}`))
    .join('');
}

/** One issue of zod as faults. */
export function issueFaults(issue: z.core.$ZodIssue): SpecFault[] {
  const path = pathText(issue.path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: pathText([...issue.path, key]),
        code: 'unknown-field',
        message: 'is not a field of the specification',
      }));
    case 'invalid_union':
      return unionFaults(issue);
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({ path, code: 'invalid', message }));
    default:
      return isMissing(issue)
        ? [{ path, code: 'missing', message: 'is required' }]
        : [{ path, code: 'invalid', message: issue.message }];
  }
}

/** The faults of the branch that was meant, where one is clearly nearer than the others; else those of the whole. */
function unionFaults(issue: z.core.$ZodIssueInvalidUnion): SpecFault[] {
  const [nearest, next] = issue.errors
    .filter((issues) => !issues.some((nested) => nested.path.length === 0 && nested.code === 'invalid_type'))
    .map((issues) => ({ issues, distance: issues.filter(isOfAnotherShape).length }))
    .sort((left, right) => left.distance - right.distance);
  if (nearest !== undefined && (next === undefined || nearest.distance < next.distance)) {
    return nearest.issues.flatMap((nested) => issueFaults({ ...nested, path: [...issue.path, ...nested.path] }));
  }
  return [{ path: pathText(issue.path), code: 'invalid', message: issue.message }];
}

function isOfAnotherShape(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'unrecognized_keys' || isMissing(issue);
}

function isMissing(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'invalid_type' && issue.message.includes('received undefined');
}
