/**
 * A process that makes one first plan. Arguments: the seed of its tasks and nodes; `warm` to do before what the
 * coordinator's thread does before the first order. Prints milliseconds.
 */
import { warmUpPlans } from '../../packages/coordinator/src/dispatch/placement/plan-warm-up.ts';
import { firstPlan } from './first-plan.ts';
import { placementInstance } from './placement-instance.ts';

const [, , seed, isWarm] = process.argv;
const instance = placementInstance(1000, 500, Number(seed));
if (isWarm === 'warm') await warmUpPlans(new AbortController().signal);
const { milliseconds } = await firstPlan(instance, 1);
process.stdout.write(`${milliseconds}\n`);
