/** What is wrong with a specification, a request or a setting, and where: in our words, not in those of the validator. */
import { z } from 'zod';
import { counted } from './wording.ts';

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

/** What stands where nothing does. */
const REQUIRED = 'is required';

/**
 * The words for an issue of zod whose schema has none of its own; they go behind a path. To be given to `safeParse` as
 * `error`, whose messages they are then.
 */
export function issueText(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return REQUIRED;
      return `must be ${TYPES[issue.expected] ?? issue.expected}${kindText(issue.input)}`;
    case 'invalid_value': {
      const values = issue.values.map(String);
      return `must be ${values.length === 1 ? values[0] : `one of ${values.join(', ')}`}${valueText(issue.input)}`;
    }
    case 'too_big':
      return boundText(issue.origin, issue.inclusive === false ? 'less than' : 'at most', Number(issue.maximum));
    case 'too_small':
      if (Number(issue.minimum) === 1 && COUNTED[issue.origin] !== undefined) return 'must not be empty';
      return boundText(issue.origin, issue.inclusive === false ? 'more than' : 'at least', Number(issue.minimum));
    case 'invalid_union':
      return 'has none of the forms that it may have';
    default:
      return 'has not the form that it must have';
  }
}

const TYPES: Readonly<Record<string, string>> = {
  object: 'fields (key: value)',
  record: 'fields (key: value)',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};
const COUNTED: Readonly<Record<string, string>> = { string: 'character', array: 'entry' };

function boundText(origin: string, relation: string, bound: number): string {
  const what = COUNTED[origin];
  if (what === undefined) return `must be ${relation} ${bound}`;
  return `must have ${relation} ${counted(bound, what, what === 'entry' ? 'entries' : undefined)}`;
}

function kindText(input: unknown): string {
  if (input === null) return ', and is empty';
  if (Array.isArray(input)) return ', not a list';
  if (typeof input === 'object') return ', not fields (key: value)';
  return valueText(input);
}

/** Short ones: a long one is no slip of the pen. */
const SHOWN_CHARACTERS = 40;

function valueText(input: unknown): string {
  const isPlain = ['string', 'number', 'boolean'].includes(typeof input) && !Number.isNaN(input);
  const isShown = isPlain && String(input).length <= SHOWN_CHARACTERS;
  return isShown ? `, not ${typeof input === 'string' ? `"${input}"` : String(input)}` : '';
}

/** One issue of zod, parsed with `issueText`, as faults. */
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
        ? [{ path, code: 'missing', message: REQUIRED }]
        : [{ path, code: 'invalid', message: issue.message }];
  }
}

/** The faults of the branch that was meant, where one is clearly nearer than the others; else those of the whole. */
function unionFaults(issue: z.core.$ZodIssueInvalidUnion): SpecFault[] {
  const [nearest, next] = issue.errors
    .filter((issues) => !issues.some(isOfAnotherKind))
    .map((issues) => ({ issues, distance: issues.filter(isOfAnotherShape).length }))
    .sort((left, right) => left.distance - right.distance);
  if (nearest !== undefined && (next === undefined || nearest.distance < next.distance)) {
    return nearest.issues.flatMap((nested) => issueFaults({ ...nested, path: [...issue.path, ...nested.path] }));
  }
  return [{ path: pathText(issue.path), code: 'invalid', message: issue.message }];
}

function isOfAnotherKind({ path, code }: z.core.$ZodIssue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');
}

function isOfAnotherShape(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'unrecognized_keys' || isMissing(issue);
}

function isMissing(issue: z.core.$ZodIssue): boolean {
  return issue.code === 'invalid_type' && issue.message === REQUIRED;
}
