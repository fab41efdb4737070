import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERROR_CODES, FogError } from '../src/index.ts';

test('every error survives the way over HTTP', () => {
  for (const code of ERROR_CODES) {
    const error = new FogError(code, 'what went wrong', {
      details: { where: ['here', 1] },
      hint: 'do this',
      retryable: true,
    });
    const back = FogError.fromProblem(JSON.parse(JSON.stringify(error.toProblem())), 'fallback');
    assert.deepEqual(
      [back.code, back.message, back.details, back.hint, back.retryable, back.status],
      [code, error.message, error.details, error.hint, true, error.status],
    );
    assert.ok(error.status >= 400 && error.status < 600);
  }
});

test('empty parts are left out of the document', () => {
  assert.deepEqual(Object.keys(new FogError('not-found', 'x').toProblem()), [
    'type',
    'title',
    'status',
    'detail',
    'code',
    'retryable',
  ]);
});

test('anything else becomes internal and keeps what was received', () => {
  for (const document of [
    null,
    'text',
    7,
    [],
    {},
    { code: 'no-such-code' },
    { code: 'constructor' },
    { code: { toString: null } },
  ]) {
    const error = FogError.fromProblem(document, 'fallback');
    assert.deepEqual([error.code, error.message, error.details], ['internal', 'fallback', { received: document }]);
  }
});

test('a document with members of the wrong kind does no harm', () => {
  const error = FogError.fromProblem(
    { code: 'conflict', detail: 7, details: 'text', hint: {}, retryable: 'yes' },
    'fallback',
  );
  assert.deepEqual(
    [error.code, error.message, error.details, error.hint, error.retryable],
    ['conflict', 'fallback', {}, undefined, false],
  );
});

test('errors are passed through once', () => {
  const cause = new TypeError('x is not a function');
  const wrapped = FogError.from(cause);
  assert.deepEqual([wrapped.code, wrapped.cause], ['internal', cause]);
  assert.equal(FogError.from(wrapped), wrapped);
  assert.equal(FogError.from('text').message, 'text');
});
