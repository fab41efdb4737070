/** A run as bars on lanes: a lane is a processor, a core or a GPU. */
import { FogError } from '@fog/contract';
import { isAvailable } from '../report/figures.ts';
import type { TimedRun } from '../report/report.ts';
import type { SimulatedWork } from '../report/simulated-run.ts';
import { FreeSpans, type Span } from './free-spans.ts';
import { GANTT_LIMITS } from './limits.ts';

export interface GanttChart {
  title: string;
  subtitle: string;
  /** Plural, such as "processors". */
  laneName: string;
  lanes: number;
  /** Where nodes begin, in lanes; lines are drawn there. */
  nodeLanes: readonly number[];
  /** Of the first submission. */
  startSeconds: number;
  endSeconds: number;
  bars: GanttBar[];
}

export interface GanttBar {
  name: string;
  startSeconds: number;
  endSeconds: number;
  waitedSeconds: number;
  /** In lanes, fractions of them where one is shared. */
  spans: Span[];
}

export interface ChartOptions {
  title: string;
  subtitle: string;
  coresPerNode: number | null;
}

const LANE_MILLI = 1000;

/**
 * Work that may run on any processors is laid on the lowest that are free. What takes no time, and what takes no GPU where
 * lanes are GPUs, has no bar. Throws `invalid-request` for too much work.
 */
export function ganttChart({ work, machine }: TimedRun, { title, subtitle, coresPerNode }: ChartOptions): GanttChart {
  if (work.length > GANTT_LIMITS.work) {
    throw new FogError('invalid-request', `${work.length} pieces of work are too many for a drawing`, {
      hint: `draw at most ${GANTT_LIMITS.work}: choose some with --start and --jobs`,
    });
  }
  const hasGpus = isAvailable(machine.gpus) && machine.gpus > 0;
  const lanes = hasGpus ? (machine.gpus as number) : machine.processors;
  const areAlike = work.every(({ places }) => places === null);
  const nodes = coresPerNode === null || areAlike || hasGpus ? 0 : Math.ceil(lanes / coresPerNode);
  return {
    title,
    subtitle,
    laneName: hasGpus ? 'GPUs' : areAlike ? 'processors' : 'cores',
    lanes,
    nodeLanes: Array.from({ length: nodes }, (_, node) => node * (coresPerNode ?? 0)),
    startSeconds: work.reduce((least, piece) => Math.min(least, piece.submittedAtSeconds), Infinity),
    endSeconds: work.reduce((most, piece) => Math.max(most, piece.endSeconds), -Infinity),
    bars: barsOf(work, lanes),
  };
}

/** Spans of one pool: of all processors, or of the thousandths of one lane. */
interface Holding {
  pool: FreeSpans;
  firstLane: number;
  unitsPerLane: number;
  spans: Span[];
}

function barsOf(work: readonly SimulatedWork[], lanes: number): GanttBar[] {
  const processors = new FreeSpans(lanes);
  const parts = new Map<number, FreeSpans>();
  const partsOf = (lane: number) => {
    const pool = parts.get(lane) ?? new FreeSpans(LANE_MILLI);
    parts.set(lane, pool);
    return pool;
  };
  const take = ({ places, processors: width }: SimulatedWork): Holding[] => {
    if (places === null) return [{ pool: processors, firstLane: 0, unitsPerLane: 1, spans: processors.take(width) }];
    return places.map(({ lane, milli }) => {
      const pool = partsOf(lane);
      return { pool, firstLane: lane, unitsPerLane: LANE_MILLI, spans: pool.take(milli) };
    });
  };
  const held = new Map<number, Holding[]>();
  const bars = new Map<number, GanttBar>();
  for (const { index, isEnd } of changesOf(work)) {
    if (isEnd) {
      for (const { pool, spans } of held.get(index) ?? []) pool.give(spans);
      held.delete(index);
      continue;
    }
    const piece = work[index] as SimulatedWork;
    const { name, startSeconds, endSeconds, submittedAtSeconds } = piece;
    const holdings = take(piece);
    held.set(index, holdings);
    const spans = holdings.flatMap(({ firstLane, unitsPerLane, spans: units }) =>
      units.map(({ from, to }) => ({ from: firstLane + from / unitsPerLane, to: firstLane + to / unitsPerLane })),
    );
    bars.set(index, { name, startSeconds, endSeconds, waitedSeconds: startSeconds - submittedAtSeconds, spans });
  }
  return Array.from(work.keys()).flatMap((index) => bars.get(index) ?? []);
}

/** Starts and ends in the order of time; at one time ends come first. */
function changesOf(work: readonly SimulatedWork[]): { index: number; isEnd: boolean }[] {
  const changes = work.flatMap(({ startSeconds, endSeconds, places }, index) =>
    endSeconds > startSeconds && places?.length !== 0
      ? [
          { at: startSeconds, index, isEnd: false },
          { at: endSeconds, index, isEnd: true },
        ]
      : [],
  );
  return changes.sort((one, other) => one.at - other.at || Number(other.isEnd) - Number(one.isEnd));
}
