import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Ranking } from '../../src/node/ranking.ts';

test('the first always has the most, and nobody is first with nothing', () => {
  const step = fc.record({ who: fc.nat(4), to: fc.nat(6) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ranking = new Ranking<number>();
      const counts = [0, 0, 0, 0, 0];
      for (const { who, to } of steps) {
        ranking.move(who, counts[who] as number, to);
        counts[who] = to;
        const { first } = ranking;
        assert.equal(first === undefined ? 0 : counts[first], Math.max(...counts));
      }
    }),
  );
});
