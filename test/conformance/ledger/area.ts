/**
 * Scenarios of TigerBeetle's state machine: every status, balance, timestamp and answer of a query, in order. The clock
 * runs as in the harness that they come from: one nanosecond before each commit, one for each event, and when something
 * has expired by then, a commit for it.
 */
import type { ConformanceArea, VectorFile } from '../areas.ts';
import { parseShape } from '../vector-shape.ts';
import { runScenario } from './run-scenario.ts';
import { fileSchema, type Scenario } from './scenario.ts';

export const LEDGER_AREA: ConformanceArea = {
  summary: "scenarios of TigerBeetle's state machine: statuses, balances, times and queries",
  folder: 'vectors',
  files: (path) => /^ledger\/[^/]*\.json$/.test(path),
  cases: (file) => scenariosOf(file).filter(({ why }) => why === null),
  leftOut: (file) => scenariosOf(file).flatMap(({ name, why }) => (why === null ? [] : [`${name}: ${why}`])),
  run({ data }) {
    runScenario(data as Scenario);
  },
};

function scenariosOf(file: VectorFile) {
  const { scenarios } = parseShape(fileSchema, readExactJson(file));
  return scenarios.map((scenario, index) => ({
    name: `${index}: ${scenario.name}`,
    data: scenario,
    why: whyLeftOut(scenario),
  }));
}

/** Why a scenario is not run; null when it is. */
function whyLeftOut({ steps }: Scenario): string | null {
  for (const [name, data] of steps) {
    if (name === 'get_change_events') return 'change events are taken from the home of the ledger, in rows and links';
    if ((data as { imported?: unknown } | null)?.imported === true) {
      return 'it imports events, and an event cannot say itself when it happened';
    }
  }
  return null;
}

/** JSON whose whole numbers beyond 2^53 become their digits: as numbers they would be others. */
function readExactJson({ content }: VectorFile): unknown {
  const exact = (_key: string, value: unknown, { source = '' }: { source?: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && /^\d+$/.test(source) ? source : value;
  return JSON.parse(Buffer.from(content).toString('utf8'), exact as Parameters<typeof JSON.parse>[1]);
}
