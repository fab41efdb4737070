/** A front as a drawing: an SVG of two of its objectives. The same front gives the same text. */
import { FogError } from '@fog/contract';
import { PLACEMENT_LIMITS } from './limits.ts';
import type { ObjectiveName } from './model.ts';
import { columnOf, type TradeOffs } from './trade-offs.ts';

export interface DrawingOptions {
  horizontal: ObjectiveName;
  vertical: ObjectiveName;
  /** Index of the point that was picked, drawn larger; null for none. */
  picked: number | null;
}

const WIDTH = 720;
const HEIGHT = 480;
const MARGIN = { left: 92, right: 24, top: 28, bottom: 60 };
const TICKS = 5;

const LABELS: Readonly<Record<ObjectiveName, string>> = {
  completionTime: 'completion time, s',
  cost: 'cost, FOG',
  energy: 'energy, kJ',
  failureRisk: 'failure risk, %',
  fairness: 'slowdown of the worst tenant',
};
/** From the unit of the objective to that of its label. */
const SCALES: Readonly<Record<ObjectiveName, number>> = {
  completionTime: 1e-3,
  cost: 1e-6,
  energy: 1e-3,
  failureRisk: 100,
  fairness: 1,
};

/** Throws `invalid-configuration` for an objective that the front does not have, `body-too-large` for too many points. */
export function drawFront(front: TradeOffs, { horizontal, vertical, picked }: DrawingOptions): string {
  if (front.points.length > PLACEMENT_LIMITS.drawnPoints) {
    throw new FogError('body-too-large', `${front.points.length} points are too many for a drawing`, {
      hint: `draw at most ${PLACEMENT_LIMITS.drawnPoints}`,
    });
  }
  const across = axisOf(front, horizontal, MARGIN.left, WIDTH - MARGIN.right);
  const up = axisOf(front, vertical, HEIGHT - MARGIN.bottom, MARGIN.top);
  const points = front.points.map(({ violation }, index) => {
    const isPicked = index === picked;
    const title = `${across.text(index)}; ${up.text(index)}${violation > 0 ? '; deadlines are missed' : ''}`;
    return (
      `<circle cx="${across.at(index)}" cy="${up.at(index)}" r="${isPicked ? 7 : 4}" ` +
      `fill="${violation > 0 ? '#b9b9b9' : isPicked ? '#c2410c' : '#1d4ed8'}"><title>${title}</title></circle>`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    ...across.ticks.map(({ at, text }) => {
      const bottom = HEIGHT - MARGIN.bottom;
      return (
        `<path d="M${at} ${MARGIN.top}V${bottom}" stroke="#e5e5e5"/>` +
        `<text x="${at}" y="${bottom + 18}" text-anchor="middle">${text}</text>`
      );
    }),
    ...up.ticks.map(
      ({ at, text }) =>
        `<path d="M${MARGIN.left} ${at}H${WIDTH - MARGIN.right}" stroke="#e5e5e5"/>` +
        `<text x="${MARGIN.left - 8}" y="${at + 4}" text-anchor="end">${text}</text>`,
    ),
    `<text x="${(MARGIN.left + WIDTH - MARGIN.right) / 2}" y="${HEIGHT - 16}" text-anchor="middle">${LABELS[horizontal]}</text>`,
    `<text transform="translate(18 ${(MARGIN.top + HEIGHT - MARGIN.bottom) / 2}) rotate(-90)" text-anchor="middle">${LABELS[vertical]}</text>`,
    ...points,
    '</svg>',
    '',
  ].join('\n');
}

interface Axis {
  /** Where a point is. */
  at(index: number): string;
  text(index: number): string;
  ticks: { at: string; text: string }[];
}

function axisOf(front: TradeOffs, name: ObjectiveName, from: number, to: number): Axis {
  const column = columnOf(front, name);
  const values = front.points.map((point) => (point.values[column] as number) * SCALES[name]);
  const least = values.reduce((lowest, value) => Math.min(lowest, value), Infinity);
  const most = values.reduce((highest, value) => Math.max(highest, value), -Infinity);
  const width = most > least ? most - least : 1;
  // A front of one point, or of none, is drawn in the middle of an axis of its own.
  const start = Number.isFinite(least) ? (most > least ? least : least - width / 2) : 0;
  const placeOf = (value: number) => (from + ((value - start) / width) * (to - from)).toFixed(1);
  const textOf = (value: number) => String(Number(value.toPrecision(4)));
  return {
    at: (index) => placeOf(values[index] as number),
    text: (index) => `${LABELS[name]}: ${textOf(values[index] as number)}`,
    ticks: Array.from({ length: TICKS }, (_, tick) => {
      const value = start + (width * tick) / (TICKS - 1);
      return { at: placeOf(value), text: textOf(value) };
    }),
  };
}
