import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  acceptedEpochs,
  descriptorEpoch,
  epochAt,
  epochStart,
  momentAt,
  nextDeadline,
  ROUND_STEPS,
  roundFor,
  stepEnd,
} from '../../src/index.ts';
import { EPOCH, GENESIS_TIME, smallGenesis } from './members.ts';

const GENESIS = smallGenesis({ bootstrapMilliseconds: 3000 });

describe('schedule', () => {
  test('the round for epoch 0 runs before it, the others one epoch ahead', () => {
    assert.equal(momentAt(GENESIS, GENESIS_TIME - 3001), null);
    assert.equal(nextDeadline(GENESIS, GENESIS_TIME - 9000), GENESIS_TIME - 3000);
    assert.deepEqual(momentAt(GENESIS, GENESIS_TIME - 3000), { epoch: 0, step: 'descriptors' });
    assert.deepEqual(momentAt(GENESIS, GENESIS_TIME - 1), { epoch: 0, step: 'idle' });
    assert.deepEqual(momentAt(GENESIS, GENESIS_TIME), { epoch: 1, step: 'descriptors' });
    assert.deepEqual(momentAt(GENESIS, GENESIS_TIME + 5 * EPOCH + 2500), { epoch: 6, step: 'votes' });
    assert.equal(stepEnd(GENESIS, 0, 'consensus'), GENESIS_TIME - 3000 + 2625);
  });

  test('time runs through the steps in order, and every deadline is in the future', () => {
    fc.assert(
      fc.property(fc.integer({ min: -3000, max: 10 * EPOCH }), (offset) => {
        const now = GENESIS_TIME + offset;
        const moment = momentAt(GENESIS, now);
        assert.ok(moment !== null);
        const deadline = nextDeadline(GENESIS, now);
        assert.ok(deadline > now);
        assert.deepEqual(momentAt(GENESIS, deadline - 1), moment);
        const after = momentAt(GENESIS, deadline);
        const steps = [...ROUND_STEPS, 'idle'];
        const expected =
          moment.step === 'idle'
            ? { epoch: moment.epoch + 1, step: 'descriptors' }
            : { epoch: moment.epoch, step: steps[steps.indexOf(moment.step) + 1] };
        assert.deepEqual(after, expected);
        assert.equal(roundFor(GENESIS, moment.epoch).endsAtMilliseconds, epochStart(GENESIS, moment.epoch));
      }),
      { numRuns: 500 },
    );
  });

  test('keys of an epoch are good during it and for the grace after it', () => {
    assert.equal(epochAt(GENESIS, GENESIS_TIME - 1), -1);
    assert.deepEqual(acceptedEpochs(GENESIS, GENESIS_TIME + 3 * EPOCH + 999), [2, 3]);
    assert.deepEqual(acceptedEpochs(GENESIS, GENESIS_TIME + 3 * EPOCH + 1000), [3]);
  });

  test('a descriptor is for the round while that takes descriptors, then for the next', () => {
    assert.equal(descriptorEpoch(GENESIS, GENESIS_TIME - 60_000), 0);
    assert.equal(descriptorEpoch(GENESIS, GENESIS_TIME - 3000), 0);
    assert.equal(descriptorEpoch(GENESIS, GENESIS_TIME - 1000), 1);
    assert.equal(descriptorEpoch(GENESIS, GENESIS_TIME), 1);
  });
});
