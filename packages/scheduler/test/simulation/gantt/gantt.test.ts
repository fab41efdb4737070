import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulateTrace, type TimedRun } from '@fog/scheduler/simulation';
import { drawGantt, GANTT_LIMITS, type GanttChart, ganttChart } from '@fog/scheduler/simulation/gantt';
import fc from 'fast-check';
import { DensityGrid } from '../../../src/simulation/gantt/density.ts';
import { FreeSpans, type Span } from '../../../src/simulation/gantt/free-spans.ts';
import { timeAxis } from '../../../src/simulation/gantt/time-axis.ts';
import { xmlElements } from '../../../src/simulation/workflow/xml-tags.ts';
import { GPU_NODES, GPU_TASKS, logText, settings, traceOf, workflowText } from '../simulation-samples.ts';

const OPTIONS = { title: 't', subtitle: 's', coresPerNode: null };
const widthOf = (spans: readonly Span[]) => spans.reduce((sum, { from, to }) => sum + to - from, 0);

function runOf(text: string, changes: Parameters<typeof settings>[0] = {}): TimedRun {
  return simulateTrace(traceOf(text), settings(changes)).outcomes[0]?.run as TimedRun;
}

test('spans are given out once, the lowest first, whole where that is possible', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 9 })), { maxLength: 60 }), (steps) => {
      const free = new FreeSpans(20);
      const held: Span[][] = [];
      for (const [isTaken, units] of steps) {
        if (isTaken) {
          const before = widthOf(held.flat());
          const spans = free.take(units);
          assert.equal(widthOf(spans), Math.min(units, 20 - before));
          held.push(spans);
        } else free.give(held.shift() ?? []);
        const sorted = held.flat().sort((one, other) => one.from - other.from);
        for (const [at, span] of sorted.entries()) assert.ok(at === 0 || (sorted[at - 1] as Span).to <= span.from);
      }
    }),
  );
  const free = new FreeSpans(8);
  const [, middle] = [free.take(2), free.take(3)];
  free.give(middle);
  assert.deepEqual(free.take(4), [{ from: 2, to: 6 }]);
});

test('no two bars of a chart share a lane at a time, and each has the area of its work', () => {
  const jobs = fc.array(fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 8 })), {
    minLength: 1,
    maxLength: 25,
  });
  fc.assert(
    fc.property(jobs, fc.constantFrom('fcfs', 'sjf-easy', 'fog'), (some, policy) => {
      const run = runOf(logText(some), { policies: [policy] });
      const { bars, lanes } = ganttChart(run, OPTIONS);
      assert.equal(bars.length, run.work.length);
      for (const [index, bar] of bars.entries()) {
        assert.equal(widthOf(bar.spans), run.work[index]?.processors);
        for (const { from, to } of bar.spans) {
          assert.ok(from >= 0 && to <= lanes);
          const others = bars.filter((other) => other !== bar && overlaps(bar, other));
          for (const span of others.flatMap(({ spans }) => spans)) assert.ok(span.to <= from || span.from >= to);
        }
      }
    }),
    { numRuns: 100 },
  );
});

function overlaps(one: GanttChart['bars'][number], other: GanttChart['bars'][number]): boolean {
  return one.startSeconds < other.endSeconds && other.startSeconds < one.endSeconds;
}

test('GPUs that are shared are drawn in parts, and nodes of cores are told apart', () => {
  const { bars, lanes, laneName } = ganttChart(runOf(GPU_TASKS, { nodeList: GPU_NODES, policies: ['fgd'] }), OPTIONS);
  assert.deepEqual([lanes, laneName], [4, 'GPUs']);
  assert.deepEqual(
    bars.map(({ spans }) => widthOf(spans)),
    [2, 2, 0.5],
  );
  const workflow = runOf(workflowText([{ id: 'a', seconds: 1 }]), { nodes: 2, coresPerNode: 3 });
  assert.deepEqual(ganttChart(workflow, { ...OPTIONS, coresPerNode: 3 }).nodeLanes, [0, 3]);
});

test('a drawing is well-formed whatever the names, the same each time, and tells of each bar', () => {
  const hostile = fc.constantFrom('<script>', '</g>', '&amp;', '&#0;', ']]>', '<!--', `"'`, '\ud800', 'a\u0000b\nc');
  const names = fc.array(fc.oneof(hostile, fc.string({ unit: 'binary', maxLength: 100 })), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(names, (some) => {
      const bars = some.map((name, at) => {
        return {
          name,
          startSeconds: at,
          endSeconds: at + 10,
          waitedSeconds: at * 100,
          spans: [{ from: at, to: at + 1 }],
        };
      });
      const title = some.join();
      const chart = {
        title,
        subtitle: title,
        laneName: 'cores',
        lanes: 5,
        nodeLanes: [0, 2],
        startSeconds: 0,
        endSeconds: 20,
        bars,
      };
      const drawing = drawGantt(chart);
      assert.equal(drawGantt(chart), drawing);
      const elements = [...xmlElements(drawing, 'drawing')].map(({ name }) => name);
      assert.equal(elements.filter((name) => name === 'title').length, some.length);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
      assert.doesNotMatch(drawing, /[\u0000-\u0009\u000b-\u001f\ufffe\uffff]|\bNaN\b|Infinity/);
    }),
  );
});

test('a cell is as dark as it is covered, and equal neighbours are one rectangle', () => {
  const grid = new DensityGrid({ width: 8, height: 2 }, { width: 2, height: 2 });
  grid.add({ x: 0, y: 0, width: 5, height: 1 });
  // Half of the height of two cells, half of that of a third; 0.5 and 0.25 in five shades are the third and second.
  assert.deepEqual(
    [...grid.rectangles()].map(({ shade, x, width }) => [shade, x, width]),
    [
      [3, 0, 4],
      [2, 4, 2],
    ],
  );
});

test('thousands of bars become shades: the drawing stays small, and what is drawn is what there is', () => {
  const bars = Array.from({ length: 20_000 }, (_, at) => {
    const lane = at % 500;
    const startSeconds = Math.floor(at / 500) * 100;
    return {
      name: `${at}`,
      startSeconds,
      endSeconds: startSeconds + 90,
      waitedSeconds: 0,
      spans: [{ from: lane, to: lane + 1 }],
    };
  });
  const chart = {
    title: '',
    subtitle: '',
    laneName: 'processors',
    lanes: 500,
    nodeLanes: [],
    startSeconds: 0,
    endSeconds: 4000,
    bars,
  };
  const drawing = drawGantt(chart);
  assert.ok(drawing.length < 1_500_000, `${drawing.length}`);
  const drawn = /class="w0" d="([^"]*)"/.exec(drawing)?.[1]?.split('M').length ?? 0;
  assert.equal(drawn - 1, GANTT_LIMITS.bars);
  assert.match(drawing, /many small ones/);
  assert.match(drawing, /class="many" fill-opacity="0.85"/);
});

test('a run without time cannot be drawn', () => {
  const chart = {
    title: '',
    subtitle: '',
    laneName: 'cores',
    lanes: 1,
    nodeLanes: [],
    startSeconds: 5,
    endSeconds: 5,
    bars: [],
  };
  for (const bad of [chart, { ...chart, endSeconds: Number.NaN }, { ...chart, endSeconds: 9, lanes: 0 }]) {
    assert.throws(() => drawGantt(bad), { code: 'invalid-request', message: /cannot be drawn/ });
  }
});

test('an axis has a unit that fits and a handful of ticks', () => {
  for (const span of [0, 1e-5, 0.3, 1, 59, 100, 3600, 86_400, 1e6, 1e8, 1e12]) {
    const { ticks } = timeAxis(span);
    assert.ok(ticks.length >= 1 && ticks.length <= 13, `${span}: ${ticks.length}`);
    assert.ok(ticks.every(({ seconds }) => seconds <= span * 1.0001));
  }
  assert.equal(timeAxis(90).unit, 'seconds');
  assert.equal(timeAxis(9000).unit, 'minutes');
  assert.deepEqual(
    timeAxis(86_400)
      .ticks.map(({ text }) => text)
      .slice(0, 3),
    ['0', '2', '4'],
  );
});
