/** Trade-offs between placements, for people. */
import { counted, type Front, formatDuration, type ObjectiveName } from '@fog/contract';
import type { TradeOffs } from '@fog/scheduler/placement';
import type { Colours } from '../terminal.ts';
import { renderTable } from './table.ts';

/** More points than a person compares; the picture shows all. */
const SHOWN_POINTS = 20;

const HEADINGS: Readonly<Record<ObjectiveName, string>> = {
  completionTime: 'completion',
  cost: 'cost, micro-FOG',
  energy: 'energy, J',
  failureRisk: 'failure risk',
  fairness: 'slowdown',
};

export function frontText(front: Front, colours: Colours): string {
  const { points, picked, objectives } = front;
  const shown = spread(points.length, picked);
  const rows = shown.map((index) => {
    const { values, violation, nodes, otherNodes } = points[index] as Front['points'][number];
    const [first, ...others] = nodes;
    const most = first === undefined ? '' : `${first.name} ${first.tasks}`;
    const more = others.length + otherNodes;
    const rest = more === 0 ? '' : ` and ${counted(more, 'other')}`;
    return [
      index === picked ? '*' : '',
      ...objectives.map((name, column) => valueText(name, values[column] as number)),
      violation > 0 ? 'missed' : '',
      `${most}${rest}`,
    ];
  });
  const hidden = points.length - shown.length;
  return [
    colours.bold(
      `${counted(points.length, 'placement')} of ${counted(front.tasks, 'task')}; * is what the weights pick:`,
    ),
    renderTable(['', ...objectives.map((name) => HEADINGS[name]), 'deadlines', 'tasks on nodes'], rows, colours),
    ...(hidden > 0 ? [colours.dim(`${hidden} more between them: --json has all, --svg draws them`)] : []),
  ].join('\n');
}

/** The form that the scheduler draws; where the tasks go does not matter for that. */
export function tradeOffsOf({ objectives, points }: Front): TradeOffs {
  return { objectives, tasks: [], nodes: [], points: points.map((point) => ({ ...point, nodes: [] })) };
}

/** Indices from one end to the other, and the picked one. */
function spread(count: number, picked: number): number[] {
  if (count <= SHOWN_POINTS) return Array.from({ length: count }, (_, index) => index);
  const step = (count - 1) / (SHOWN_POINTS - 1);
  const indices = Array.from({ length: SHOWN_POINTS }, (_, index) => Math.round(index * step));
  return [...new Set([...indices, picked])].filter((index) => index >= 0).sort((left, right) => left - right);
}

function valueText(name: ObjectiveName, value: number): string {
  switch (name) {
    case 'completionTime':
      return formatDuration(Math.round(value));
    case 'failureRisk':
      return `${Number((100 * value).toPrecision(3))} %`;
    case 'fairness':
      return value.toFixed(3);
    default:
      return value < 1000 ? String(Number(value.toPrecision(3))) : String(Math.round(value));
  }
}
