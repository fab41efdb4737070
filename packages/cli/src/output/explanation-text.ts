/** Why a task waits or was placed where it is, for people. */
import type { Explanation } from '@fog/contract';
import type { Colours } from '../terminal.ts';
import { stateText } from './job-text.ts';
import { exclusionLines } from './plan-text.ts';
import { renderFields, safeText } from './table.ts';

export function explanationText({ state, waiting, placed, plan }: Explanation, colours: Colours): string {
  const fields = renderFields(
    [
      ['state', stateText(state, colours)],
      ['why it waits', waiting === null ? null : safeText(waiting.message)],
      ['attempt', placed === null ? null : String(placed.fence)],
      ['on', placed === null ? null : safeText(placed.nodeName)],
      ['why there', placed === null ? null : safeText(placed.message)],
      ['could run on', plan.nodes.map(({ name }) => safeText(name)).join(', ') || 'no node'],
    ],
    colours,
  );
  return plan.excluded.length === 0 ? fields : `${fields}\nExcluded:\n${exclusionLines(plan, colours)}`;
}
