/** What a simulation of policies came to, for people. */
import { counted } from '@fog/contract';
import {
  type Figure,
  isAvailable,
  type Simulation,
  type SimulationReport,
  type Unavailable,
} from '@fog/scheduler/simulation';
import type { Colours } from '../terminal.ts';
import { renderTable } from './table.ts';

interface Column {
  head: string;
  /** In the list of what is not known. */
  meaning: string;
  figure: (report: SimulationReport) => Figure;
  text: (value: number) => string;
}

const COLUMNS: readonly Column[] = [
  { head: 'makespan', meaning: 'makespan', figure: (of) => of.makespanSeconds, text: timeText },
  { head: 'over bound', meaning: 'makespan over its lower bound', figure: (of) => of.makespanRatio, text: ratioText },
  { head: 'mean wait', meaning: 'waits', figure: waitOf('mean'), text: timeText },
  { head: 'p50', meaning: 'waits', figure: waitOf('p50'), text: timeText },
  { head: 'p95', meaning: 'waits', figure: waitOf('p95'), text: timeText },
  { head: 'longest', meaning: 'waits', figure: waitOf('longest'), text: timeText },
  { head: 'slowdown', meaning: 'bounded slowdown', figure: (of) => of.boundedSlowdown, text: ratioText },
  { head: 'cores', meaning: 'use of cores', figure: (of) => of.utilisationPercent.processors, text: percentText },
  { head: 'memory', meaning: 'use of memory', figure: (of) => of.utilisationPercent.memory, text: percentText },
  { head: 'gpus', meaning: 'use of GPUs', figure: (of) => of.utilisationPercent.gpus, text: percentText },
  { head: 'fragmented', meaning: 'fragmentation', figure: (of) => of.fragmentationPercent, text: percentText },
  { head: 'energy', meaning: 'energy', figure: (of) => of.energyKilowattHours, text: (value) => `${short(value)} kWh` },
  { head: 'cost', meaning: 'cost', figure: (of) => of.costMicroFog, text: fogText },
];

export function schedulingText(file: string, simulation: Simulation, colours: Colours): string {
  const { kind, format, machine, assumptions, outcomes } = simulation;
  const reports = outcomes.map(({ report }) => report);
  const gpus = isAvailable(machine.gpus) && machine.gpus > 0 ? `, ${counted(machine.gpus, 'GPU')}` : '';
  const cores = counted(machine.processors, kind === 'log' ? 'processor' : 'core');
  const shown = COLUMNS.filter(({ figure }) => reports.some((report) => isAvailable(figure(report))));
  const rows = reports.map((report) => [
    report.policy,
    ...shown.map(({ figure, text }) => {
      const value = figure(report);
      return isAvailable(value) ? text(value) : '-';
    }),
  ]);
  const parts = [
    `${colours.bold(file)} (${format}) on ${cores}${gpus}`,
    ...assumptions.map((line) => colours.dim(`  ${line}`)),
    '',
    renderTable(['policy', ...shown.map(({ head }) => head)], rows, colours),
    ...serviceLevelLines(reports, colours),
    ...leftOutLines(reports),
    ...unknownLines(reports, colours),
  ];
  return parts.join('\n');
}

/** One line under a drawing's title. */
export function reportLine(report: SimulationReport): string {
  const shown = COLUMNS.filter(({ head }) =>
    ['makespan', 'mean wait', 'longest', 'slowdown', 'cores', 'gpus'].includes(head),
  );
  return shown
    .flatMap(({ head, figure, text }) => {
      const value = figure(report);
      return isAvailable(value) ? [`${head} ${text(value)}`] : [];
    })
    .join(', ');
}

function serviceLevelLines(reports: readonly SimulationReport[], colours: Colours): string[] {
  const [first] = reports.flatMap(({ serviceLevels }) => (isAvailable(serviceLevels) ? [serviceLevels] : []));
  if (first === undefined) return [];
  const rows = reports.map(({ policy, serviceLevels }) => [
    policy,
    ...(isAvailable(serviceLevels) ? serviceLevels : []).flatMap(({ misses, creditPermille, costMicroFog }) => [
      `${misses} late`,
      `${creditPermille / 10} % back${isAvailable(costMicroFog) ? ` of ${fogText(costMicroFog)}` : ''}`,
    ]),
  ]);
  const head = first.flatMap(({ tier, promisedWaitSeconds }) => [`${tier} (${promisedWaitSeconds} s)`, '']);
  return [
    '',
    'If all of it had been sold under one promise on waits:',
    renderTable(['policy', ...head], rows, colours),
  ];
}

function leftOutLines(reports: readonly SimulationReport[]): string[] {
  const lines = new Map<string, string[]>();
  for (const { policy, leftOut } of reports) {
    if (leftOut.length === 0) continue;
    const line = leftOut.map(({ reason, count }) => `${count} ${reason}`).join(', ');
    lines.set(line, [...(lines.get(line) ?? []), policy]);
  }
  return Array.from(lines, ([line, policies], index) => {
    const whose = policies.length === reports.length ? '' : ` (${policies.join(', ')})`;
    return `${index === 0 ? '\n' : ''}Left out${whose}: ${line}`;
  });
}

/** What no report knows, by reason. */
function unknownLines(reports: readonly SimulationReport[], colours: Colours): string[] {
  const byReason = new Map<string, Set<string>>();
  for (const { meaning, figure } of COLUMNS) {
    const figures = reports.map(figure);
    if (figures.some((value) => isAvailable(value))) continue;
    const { unavailable } = figures[0] as Unavailable;
    byReason.set(unavailable, (byReason.get(unavailable) ?? new Set()).add(meaning));
  }
  return Array.from(byReason, ([reason, meanings], index) =>
    colours.dim(`${index === 0 ? '\n' : ''}Not known: ${[...meanings].join(', ')} (${reason})`),
  );
}

function waitOf(name: 'mean' | 'p50' | 'p95' | 'longest') {
  return ({ waitSeconds }: SimulationReport): Figure => (isAvailable(waitSeconds) ? waitSeconds[name] : waitSeconds);
}

const DAY_SECONDS = 86_400;

/** To three digits or the second: a table of many policies has to stay narrow. */
function timeText(seconds: number): string {
  if (seconds < 60) return `${short(seconds)} s`;
  if (seconds < 3600) return `${short(seconds / 60)} min`;
  return seconds < 2 * DAY_SECONDS ? `${short(seconds / 3600)} h` : `${short(seconds / DAY_SECONDS)} d`;
}

function ratioText(value: number): string {
  return value.toFixed(2);
}

function percentText(value: number): string {
  return `${value.toFixed(1)} %`;
}

function fogText(microFog: number): string {
  return `${short(microFog / 1e6)} FOG`;
}

function short(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
