/** Changes of parameters: checked when they are proposed, and again against what holds when they are executed. */
import { governanceFault } from './faults.ts';
import { GOVERNANCE_LIMITS } from './limits.ts';
import {
  DEFAULT_PARAMETERS,
  PARAMETER_NAMES,
  PARAMETER_RULES,
  PARAMETERS,
  type ParameterName,
  type Parameters,
} from './parameters.ts';

export interface ParameterChange {
  name: ParameterName;
  value: bigint;
}

export interface AppliedChange {
  name: ParameterName;
  before: bigint;
  after: bigint;
}

/** Throws `invalid-request` (fault `out-of-range`) for a name that there is not, and a value out of its range. */
export function assertParameter(name: string, value: bigint): asserts name is ParameterName {
  if (!Object.hasOwn(PARAMETERS, name)) {
    throw governanceFault('out-of-range', `there is no parameter ${JSON.stringify(String(name).slice(0, 60))}`, {
      hint: `parameters are ${PARAMETER_NAMES.join(', ')}`,
    });
  }
  const { least, most, unit } = PARAMETERS[name as ParameterName];
  if (typeof value === 'bigint' && value >= least && value <= most) return;
  throw governanceFault('out-of-range', `${name} cannot be ${value}: it is from ${least} to ${most} (${unit})`, {
    details: { parameter: name, least: String(least), most: String(most), unit },
    hint: 'propose a value within the range',
  });
}

/**
 * What becomes of the parameters, and what changes. Throws `invalid-request` for too many or no changes, for a parameter
 * that is changed twice, for what `assertParameter` refuses, and for values that contradict each other.
 */
export function changedParameters(
  current: Parameters,
  changes: readonly ParameterChange[],
): { parameters: Parameters; changes: AppliedChange[] } {
  if (changes.length === 0 || changes.length > GOVERNANCE_LIMITS.actions) {
    throw governanceFault('malformed', `${changes.length} changes; a proposal has 1 to ${GOVERNANCE_LIMITS.actions}`);
  }
  const parameters: Record<ParameterName, bigint> = { ...current };
  const names = new Set<string>();
  const applied = changes.map(({ name, value }) => {
    assertParameter(name, value);
    if (names.has(name)) throw governanceFault('malformed', `${name} is changed twice`, { hint: 'name it once' });
    names.add(name);
    const before = parameters[name];
    parameters[name] = value;
    return { name, before, after: value };
  });
  assertRules(parameters);
  return { parameters, changes: applied };
}

/**
 * Parameters by the values that a store has of them; the others have their defaults. Throws `invalid-request` for what
 * is no parameter or out of its range.
 */
export function parametersFrom(stored: Readonly<Record<string, bigint>>): Parameters {
  const parameters: Record<ParameterName, bigint> = { ...DEFAULT_PARAMETERS };
  for (const [name, value] of Object.entries(stored)) {
    assertParameter(name, value);
    parameters[name] = value;
  }
  assertRules(parameters);
  return parameters;
}

function assertRules(parameters: Parameters): void {
  for (const { together, most } of PARAMETER_RULES) {
    const sum = together.reduce((total, name) => total + parameters[name], 0n);
    if (sum <= parameters[most]) continue;
    const names = together.join(' and ');
    throw governanceFault('out-of-range', `${names} would be ${sum}, above ${most} with ${parameters[most]}`, {
      details: { parameter: together[0], most: String(parameters[most]) },
      hint: 'change both in one proposal',
    });
  }
}
