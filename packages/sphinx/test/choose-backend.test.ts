/** Which backend a node computes with, and how it is told why not with a faster one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TYPESCRIPT_BACKEND } from '@fog/sphinx';
import { chooseBackend } from '../src/choose-backend.ts';

type Loaders = NonNullable<Parameters<typeof chooseBackend>[1]>;

/** Loaders of which those named are available. What they load is told apart by its name alone. */
function loadersOf(...available: string[]): Loaders {
  const loader = (name: 'native' | 'sodium' | 'typescript') => () =>
    available.includes(name)
      ? { available: true as const, backend: { ...TYPESCRIPT_BACKEND, name } }
      : { available: false as const, reason: `no ${name} here` };
  return { native: loader('native'), sodium: loader('sodium'), typescript: loader('typescript') };
}

describe('the backend of a machine', () => {
  it('is native, then sodium, then TypeScript, with the reasons why not the ones before', () => {
    for (const [available, name, reasons] of [
      [['native', 'sodium', 'typescript'], 'native', []],
      [['sodium', 'typescript'], 'sodium', ['no native here']],
      [['native', 'typescript'], 'native', []],
      [['typescript'], 'typescript', ['no native here', 'no sodium here']],
    ] as const) {
      const chosen = chooseBackend({}, loadersOf(...available));
      assert.deepEqual([chosen.backend.name, chosen.reasons], [name, reasons]);
    }
  });

  it('is the one that is asked for and no other, also where that cannot run', () => {
    const chosen = chooseBackend({ prefer: 'sodium' }, loadersOf('native', 'sodium', 'typescript'));
    assert.deepEqual([chosen.backend.name, chosen.reasons], ['sodium', []]);
    assert.throws(() => chooseBackend({ prefer: 'native' }, loadersOf('sodium', 'typescript')), {
      code: 'unavailable',
      message: 'the native backend cannot run here: no native here',
    });
  });

  it('is TypeScript at the least, whatever the machine', () => {
    assert.equal(chooseBackend({ prefer: 'typescript' }).backend.name, 'typescript');
  });
});
