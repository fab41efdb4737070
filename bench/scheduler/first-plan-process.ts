/** A process that makes one first plan and nothing else. Argument: the seed of its tasks and nodes. Prints milliseconds. */
import { firstPlan } from './first-plan.ts';
import { placementInstance } from './placement-instance.ts';

const { milliseconds } = await firstPlan(placementInstance(1000, 500, Number(process.argv[2])), 1);
process.stdout.write(`${milliseconds}\n`);
