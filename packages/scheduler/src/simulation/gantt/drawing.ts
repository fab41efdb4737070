/**
 * A run as an SVG of 1200 pixels: time to the right, processors downwards, colours by how long work waited. It has a ground
 * of its own, dark where the reader prefers that. The same chart gives the same text.
 *
 * The largest bars are drawn one by one. What is thinner than a pixel or one too many becomes a shade: the stronger, the
 * more of the cell was in use.
 */
import { FogError } from '@fog/contract';
import type { GanttBar, GanttChart } from './chart.ts';
import { DensityGrid, type Rectangle, SHADES } from './density.ts';
import { GANTT_LIMITS } from './limits.ts';
import { timeAxis } from './time-axis.ts';

const WIDTH = 1200;
const MARGIN = { left: 84, right: 24, top: 64, bottom: 78 };
const PLOT_WIDTH = WIDTH - MARGIN.left - MARGIN.right;
const PLOT_HEIGHT = { least: 90, most: 560, ofLane: 24 };
const CELL = { width: 2, height: 4 };
/** Smaller bars become shades. */
const LEAST_BAR = { width: 1.5, height: 1 };
/** Bars larger than this leave a gap to their neighbours. */
const LARGE_PIXELS = 2.5;
const GAP_PIXELS = 0.5;
const LABEL = { height: 12, pixelsOfCharacter: 6.6 };
const LANE_TICKS = 4;
const MOST_NODE_LINES = 64;

interface WaitClass {
  name: string;
  text: string;
  mostSeconds: number;
}
const LONGEST_WAIT: WaitClass = { name: 'w4', text: 'longer', mostSeconds: Infinity };
const WAITS: readonly WaitClass[] = [
  { name: 'w0', text: 'did not wait', mostSeconds: 0 },
  { name: 'w1', text: 'waited up to a minute', mostSeconds: 60 },
  { name: 'w2', text: 'up to an hour', mostSeconds: 3600 },
  { name: 'w3', text: 'up to a day', mostSeconds: 86_400 },
  LONGEST_WAIT,
];

const STYLE = `text{fill:#1f2933;font:12px system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
.title{font-size:17px;font-weight:600}.quiet{fill:#5b6776}.ground{fill:#fff}.plot{fill:#f5f7f9}
.grid{stroke:#dde3e9;fill:none}.node{stroke:#aab4c0;fill:none}.many{fill:#52606d}
.w0{fill:#3b7dd8}.w1{fill:#2a9d8f}.w2{fill:#e0a100}.w3{fill:#e36414}.w4{fill:#b5179e}
.in{font-size:11px}text.in{fill:#fff}.in.w2{fill:#1f2933}
@media (prefers-color-scheme:dark){text{fill:#e6e9ee}.quiet{fill:#9aa8b7}.ground{fill:#14181d}.plot{fill:#1b2128}
.grid{stroke:#313a45}.node{stroke:#5b6776}.many{fill:#a9b5c3}}`;

/** Throws `invalid-request` for a chart without time or lanes. */
export function drawGantt(chart: GanttChart): string {
  const { lanes, startSeconds, endSeconds } = chart;
  const spanSeconds = endSeconds - startSeconds;
  if (!Number.isFinite(spanSeconds) || spanSeconds <= 0 || !(lanes > 0)) {
    throw new FogError('invalid-request', 'a run without time or without processors cannot be drawn', {
      hint: 'draw a run in which something took some time',
    });
  }
  const { least, most, ofLane } = PLOT_HEIGHT;
  const plotHeight = Math.max(least, Math.min(most, lanes * ofLane));
  const frame: Frame = {
    chart,
    plotHeight,
    pixelsOfSecond: PLOT_WIDTH / spanSeconds,
    pixelsOfLane: plotHeight / lanes,
  };
  const height = MARGIN.top + plotHeight + MARGIN.bottom;
  const { bars, shades } = sorted(frame);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}"/>`,
    `<text class="title" x="${MARGIN.left}" y="28">${escaped(chart.title)}</text>`,
    `<text class="quiet" x="${MARGIN.left}" y="48">${escaped(chart.subtitle)}</text>`,
    `<g transform="translate(${MARGIN.left} ${MARGIN.top})">`,
    `<rect class="plot" width="${PLOT_WIDTH}" height="${plotHeight}"/>`,
    ...timeGrid(frame, spanSeconds),
    ...shadePaths(shades),
    ...(bars.length <= GANTT_LIMITS.namedBars ? namedBars(bars, frame) : plainBars(bars)),
    ...laneGrid(frame),
    ...legend(plotHeight, bars, shades !== null),
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

interface Frame {
  chart: GanttChart;
  plotHeight: number;
  pixelsOfSecond: number;
  pixelsOfLane: number;
}

interface DrawnBar {
  bar: GanttBar;
  wait: WaitClass;
  rectangles: Rectangle[];
}

/** What is drawn as bars, and the shades of the rest; null when there is no rest. */
function sorted({ chart, plotHeight, pixelsOfSecond, pixelsOfLane }: Frame): {
  bars: DrawnBar[];
  shades: DensityGrid | null;
} {
  const all = chart.bars.map((bar, index) => {
    const width = (bar.endSeconds - bar.startSeconds) * pixelsOfSecond;
    const height = bar.spans.reduce((sum, { from, to }) => sum + to - from, 0) * pixelsOfLane;
    return { bar, index, width, height };
  });
  const large = all.filter(({ width, height }) => width >= LEAST_BAR.width && height >= LEAST_BAR.height);
  large.sort((one, other) => other.width * other.height - one.width * one.height || one.index - other.index);
  const chosen = new Set(large.slice(0, GANTT_LIMITS.bars).map(({ index }) => index));
  const grid = new DensityGrid({ width: PLOT_WIDTH, height: plotHeight }, CELL);
  const rectanglesOf = ({ startSeconds, spans }: GanttBar, width: number): Rectangle[] => {
    const x = (startSeconds - chart.startSeconds) * pixelsOfSecond;
    return spans.map(({ from, to }) => ({ x, y: from * pixelsOfLane, width, height: (to - from) * pixelsOfLane }));
  };
  const bars: DrawnBar[] = [];
  for (const { bar, index, width } of all) {
    const rectangles = rectanglesOf(bar, width);
    if (chosen.has(index)) bars.push({ bar, wait: waitOf(bar), rectangles });
    else for (const rectangle of rectangles) grid.add(rectangle);
  }
  return { bars, shades: chosen.size < all.length ? grid : null };
}

function waitOf({ waitedSeconds }: GanttBar): WaitClass {
  return WAITS.find(({ mostSeconds }) => waitedSeconds <= mostSeconds) ?? LONGEST_WAIT;
}

/** One path of each colour. */
function plainBars(bars: readonly DrawnBar[]): string[] {
  return WAITS.flatMap((wait) => {
    const path = bars.flatMap((bar) => (bar.wait === wait ? bar.rectangles.map(pathOf) : [])).join('');
    return path === '' ? [] : [`<path class="${wait.name}" d="${path}"/>`];
  });
}

function namedBars(bars: readonly DrawnBar[], { chart }: Frame): string[] {
  return bars.map(({ bar, wait, rectangles }) => {
    const name = escaped(bar.name);
    const begin = seconds(bar.startSeconds - chart.startSeconds);
    const title = `${name}: ${begin} to ${seconds(bar.endSeconds - chart.startSeconds)} s, waited ${seconds(bar.waitedSeconds)} s`;
    const widest = rectangles.reduce(
      (most, one) => (one.height > most.height ? one : most),
      rectangles[0] as Rectangle,
    );
    const hasRoom =
      widest.height >= LABEL.height && widest.width >= bar.name.length * LABEL.pixelsOfCharacter + 2 * LARGE_PIXELS;
    const y = (widest.y + widest.height / 2 + 4).toFixed(1);
    const label = hasRoom
      ? `<text class="in ${wait.name}" x="${(widest.x + 4).toFixed(1)}" y="${y}">${name}</text>`
      : '';
    return `<g><title>${title}</title><path class="${wait.name}" d="${rectangles.map(pathOf).join('')}"/>${label}</g>`;
  });
}

function pathOf({ x, y, width, height }: Rectangle): string {
  const shrunk = (length: number) => (length > LARGE_PIXELS ? length - GAP_PIXELS : length).toFixed(1);
  const right = shrunk(width);
  return `M${x.toFixed(1)} ${y.toFixed(1)}h${right}v${shrunk(height)}h-${right}z`;
}

function shadePaths(grid: DensityGrid | null): string[] {
  const paths = Array.from({ length: SHADES + 1 }, () => [] as string[]);
  for (const { shade, x, y, width, height } of grid?.rectangles() ?? []) {
    const right = width.toFixed(1);
    paths[shade]?.push(`M${x.toFixed(1)} ${y.toFixed(1)}h${right}v${height.toFixed(1)}h-${right}z`);
  }
  return paths.flatMap((path, shade) =>
    path.length === 0 ? [] : [`<path class="many" fill-opacity="${opacityOf(shade)}" d="${path.join('')}"/>`],
  );
}

function opacityOf(shade: number): string {
  return ((0.85 * shade) / SHADES).toFixed(2);
}

function timeGrid({ plotHeight, pixelsOfSecond }: Frame, spanSeconds: number): string[] {
  const { unit, ticks } = timeAxis(spanSeconds);
  return [
    ...ticks.map(({ seconds: at, text }) => {
      const x = (at * pixelsOfSecond).toFixed(1);
      return `<path class="grid" d="M${x} 0V${plotHeight}"/><text x="${x}" y="${plotHeight + 17}" text-anchor="middle">${text}</text>`;
    }),
    `<text class="quiet" x="${PLOT_WIDTH}" y="${plotHeight + 36}" text-anchor="end">${unit} since the first submission</text>`,
  ];
}

function laneGrid({ chart, plotHeight, pixelsOfLane }: Frame): string[] {
  const { lanes, laneName, nodeLanes } = chart;
  const step = Math.max(1, Math.ceil(lanes / LANE_TICKS));
  const ticks = Array.from({ length: Math.floor(lanes / step) + 1 }, (_, tick) => tick * step);
  if (lanes - (ticks.at(-1) as number) >= step / 2) ticks.push(lanes);
  const nodes = nodeLanes.length <= MOST_NODE_LINES ? nodeLanes.filter((lane) => lane > 0) : [];
  return [
    ...nodes.map((lane) => `<path class="node" d="M0 ${(lane * pixelsOfLane).toFixed(1)}H${PLOT_WIDTH}"/>`),
    ...ticks.map((lane) => `<text x="-8" y="${(lane * pixelsOfLane + 4).toFixed(1)}" text-anchor="end">${lane}</text>`),
    `<text class="quiet" transform="translate(-58 ${plotHeight / 2}) rotate(-90)" text-anchor="middle">${laneName}</text>`,
  ];
}

function legend(plotHeight: number, bars: readonly DrawnBar[], hasShades: boolean): string[] {
  const y = plotHeight + 56;
  const entries: { mark: string; text: string }[] = WAITS.filter((wait) => bars.some((bar) => bar.wait === wait)).map(
    ({ name, text }) => ({ mark: `class="${name}"`, text }),
  );
  if (hasShades)
    entries.push({
      mark: `class="many" fill-opacity="${opacityOf(3)}"`,
      text: 'many small ones (stronger: more in use)',
    });
  let x = 0;
  const drawn = entries.map(({ mark, text }) => {
    const at = x;
    x += 34 + text.length * LABEL.pixelsOfCharacter;
    return `<rect ${mark} x="${at.toFixed(1)}" y="${y - 10}" width="12" height="12"/><text x="${(at + 18).toFixed(1)}" y="${y}">${text}</text>`;
  });
  return drawn;
}

function seconds(amount: number): string {
  return String(Number(amount.toFixed(3)));
}

/** Names come from files: neither markup nor what XML forbids gets through, nor more than a line. */
function escaped(text: string): string {
  const cut = text.length > GANTT_LIMITS.nameCharacters ? `${text.slice(0, GANTT_LIMITS.nameCharacters - 1)}…` : text;
  return (
    cut
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
      .replace(/[\u0000-\u001f\u007f-\u009f\ufffe\uffff]/g, ' ')
      .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
  );
}
