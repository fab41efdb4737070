/**
 * Governance scenarios as data: proposals and votes by the rules of OpenZeppelin's Governor, and checkpoints of its votes.
 * What a file tells of Compound's Bravo and of Cosmos are facts about other systems, and no cases.
 */
import { z } from 'zod';
import type { VectorFile } from '../areas.ts';
import { type Check, parseShape, readJson } from '../vector-shape.ts';
import { runScenario, scenarioSchema } from './governor-scenarios.ts';
import { fixtureOf } from './governor-world.ts';
import { checkpointChecks, checkpointSchema } from './vote-checkpoints.ts';

const fileSchema = z.strictObject({
  note: z.string().optional(),
  state_rule: z.array(z.string()).optional(),
  clock: z.string().optional(),
  scenarios: z.array(scenarioSchema).optional(),
  votes_checkpoints: z.array(checkpointSchema).optional(),
  bravo: z.record(z.string(), z.unknown()).optional(),
  cosmos: z.record(z.string(), z.unknown()).optional(),
});

export function governanceChecks(file: VectorFile): Check[] {
  const { note = '', scenarios = [], votes_checkpoints: checkpoints = [] } = parseShape(fileSchema, readJson(file));
  const fixture = fixtureOf(note);
  return [
    ...scenarios.map((scenario) => ({ name: scenario.name, run: () => runScenario(scenario, fixture) })),
    ...checkpointChecks(checkpoints),
  ];
}
