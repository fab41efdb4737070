import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { Suspension } from '../src/suspension.ts';

/** A program that notes what is done to it, each taking a turn of the event loop or more. */
class Program {
  isPaused = false;
  faults: string[] = [];
  #isBusy = false;

  pause = () => this.#change(true);
  resume = () => this.#change(false);

  async #change(isPaused: boolean): Promise<boolean> {
    if (this.#isBusy) this.faults.push('two changes at a time');
    if (isPaused && this.isPaused) this.faults.push('paused twice');
    this.#isBusy = true;
    await turn();
    this.isPaused = isPaused;
    this.#isBusy = false;
    return true;
  }
}

test('whatever is ordered during copies, the last order stands, and copies are of a program at rest', async () => {
  const step = fc.constantFrom('suspend' as const, 'resume' as const, 'hold' as const, 'wait' as const);
  const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
    const program = new Program();
    const reports: string[] = [];
    const suspension = new Suspension({
      running: () => program,
      suspended: () => void reports.push('suspend'),
      resumed: () => void reports.push('resume'),
      runsOn: () => void program.faults.push('runs on'),
      stuck: () => void program.faults.push('stuck'),
    });
    const copy = async (): Promise<void> => {
      if (!program.isPaused) program.faults.push('a copy of what runs');
      await turn();
      if (!program.isPaused) program.faults.push('it ran during the copy');
    };
    for (const what of steps) {
      if (what === 'hold') void suspension.hold(copy);
      else if (what === 'wait') await turn();
      else suspension[what]();
    }
    await suspension.hold(copy);
    const last = steps.findLast((what) => what === 'suspend' || what === 'resume');
    assert.deepEqual(program.faults, []);
    assert.equal(program.isPaused, last === 'suspend');
    assert.equal(suspension.isSuspended, last === 'suspend');
    assert.ok(reports.every((report, index) => report !== 'suspend' || reports[index + 1] !== 'suspend'));
  });
  await fc.assert(property);
});

test('what ends while it is paused is not stuck', async () => {
  const program = new Program();
  let running: Program | null = program;
  const faults: string[] = [];
  const suspension = new Suspension({
    running: () => running,
    suspended: () => undefined,
    resumed: () => undefined,
    runsOn: () => undefined,
    stuck: () => void faults.push('stuck'),
  });
  program.resume = async () => false;
  await suspension.hold(async () => {
    running = null;
  });
  assert.deepEqual(faults, []);
});
