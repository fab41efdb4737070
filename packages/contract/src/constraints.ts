/**
 * Placement constraints over node labels.
 *
 *     os == linux            the label has this value
 *     arch != arm64          the label is absent or has another value
 *     region in (eu, us)     one of the values
 *     tier notin (spot)      none of the values, or absent
 *     gpu                    the label exists
 *     !gpu                   the label does not exist
 *     cores >= 4             the label is a number in this relation (>, >=, <, <=)
 *
 * The operators are those of Kubernetes label selectors, plus the numeric relations.
 */
import { FogError } from './errors.ts';

const NAME = '[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?';
const VALUE = '[^\\s()=<>!][^\\s()]*';
const EXISTS = new RegExp(`^(!?)\\s*(${NAME})$`);
const RELATION = new RegExp(`^(${NAME})\\s*(==|=|!=|>=|<=|>|<)\\s*(${VALUE})$`);
const MEMBERSHIP = new RegExp(`^(${NAME})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);

/** Texts of finite numbers, as `Number` reads them. */
const NUMBER = '[+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?|0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+';
/** The same language in one pattern, for the published schema. */
export const CONSTRAINT_PATTERN = new RegExp(
  `^\\s*(?:!?\\s*${NAME}|${NAME}\\s*(?:==?|!=)\\s*${VALUE}|${NAME}\\s*[<>]=?\\s*(?:${NUMBER})|` +
    `${NAME}\\s+(?:in|notin)\\s*\\([^()]*[^(),\\s][^()]*\\))\\s*$`,
);

export type Constraint =
  | { label: string; operator: 'exists' | 'absent' }
  | { label: string; operator: '==' | '!=' | '>' | '>=' | '<' | '<='; value: string }
  | { label: string; operator: 'in' | 'notin'; values: string[] };

/** Throws `invalid-request` with the accepted forms. */
export function parseConstraint(text: string): Constraint {
  const trimmed = text.trim();
  const exists = EXISTS.exec(trimmed);
  if (exists) return { label: exists[2] ?? '', operator: exists[1] === '!' ? 'absent' : 'exists' };
  const membership = MEMBERSHIP.exec(trimmed);
  if (membership) {
    const values = (membership[3] ?? '')
      .split(',')
      .map((value) => value.trim())
      .filter((value) => value !== '');
    if (values.length > 0) return { label: membership[1] ?? '', operator: membership[2] as 'in' | 'notin', values };
  }
  const relation = RELATION.exec(trimmed);
  if (relation) {
    const operator = relation[2] === '=' ? '==' : (relation[2] as '==' | '!=' | '>' | '>=' | '<' | '<=');
    const value = relation[3] ?? '';
    const isOrder = operator !== '==' && operator !== '!=';
    if (!isOrder || Number.isFinite(Number(value))) return { label: relation[1] ?? '', operator, value };
  }
  throw new FogError('invalid-request', `"${text}" is not a placement constraint`, {
    hint: 'write "os == linux", "region in (eu, us)", "cores >= 4", "gpu" or "!gpu"',
  });
}

export function satisfies(constraint: Constraint, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, constraint.label) ? labels[constraint.label] : undefined;
  switch (constraint.operator) {
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'in':
      return value !== undefined && constraint.values.includes(value);
    case 'notin':
      return value === undefined || !constraint.values.includes(value);
    case '==':
      return value === constraint.value;
    case '!=':
      return value !== constraint.value;
    default:
      return (
        value !== undefined &&
        value.trim() !== '' &&
        inOrder(Number(value), constraint.operator, Number(constraint.value))
      );
  }
}

function inOrder(left: number, operator: '>' | '>=' | '<' | '<=', right: number): boolean {
  if (operator === '>') return left > right;
  if (operator === '>=') return left >= right;
  if (operator === '<') return left < right;
  return left <= right;
}
