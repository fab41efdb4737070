/** Where a job would run, for people. */
import { counted, type Plan } from '@fog/contract';
import type { Colours } from '../terminal.ts';
import { renderTable, safeText } from './table.ts';

export function planText(plan: Plan, colours: Colours): string {
  const lines: string[] = [];
  const tasks = plan.tasks === 1 ? 'its task' : `its ${plan.tasks} tasks`;
  if (plan.nodesKnown === 0) {
    return 'No node has joined this fog: a job would wait.\nStart one with "fog node join URL --token T".';
  }
  if (plan.nodes.length === 0) {
    lines.push(colours.bold(`None of ${counted(plan.nodesKnown, 'node')} can run it:`), exclusionLines(plan, colours));
    return lines.join('\n');
  }
  const slots = plan.nodes.reduce((sum, node) => sum + node.slots, 0);
  lines.push(
    colours.bold(`${plan.nodes.length} of ${counted(plan.nodesKnown, 'node')} can run ${tasks}, ${slots} at a time:`),
    renderTable(
      ['node', 'at a time', 'free now', 'id'],
      plan.nodes.map((node) => [node.name, String(node.slots), String(node.freeSlots), node.id]),
      colours,
    ),
  );
  if (plan.excluded.length > 0) lines.push('', 'Excluded:', exclusionLines(plan, colours));
  return lines.join('\n');
}

/** One line a hurdle, with what would help. */
export function exclusionLines(plan: Plan, colours: Colours): string {
  return plan.excluded
    .map(({ constraint, nodes, hint }) => {
      const line = `  ${safeText(constraint)}: excludes ${counted(nodes, 'node')}`;
      return hint === undefined ? line : `${line}\n    ${colours.dim('hint:')} ${safeText(hint)}`;
    })
    .join('\n');
}
