import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '@fog/contract';
import { reportText } from '../src/reports.ts';
import { SecretMask } from '../src/secret-mask.ts';

const secrets = new SecretMask(['pass🔑word']);

test('a message is told without secrets, in as many bytes as a report takes', () => {
  assert.equal(reportText('a pass🔑word b', secrets), 'a [secret] b');
  assert.equal(reportText('it ends with pass', secrets), 'it ends with pass');
  assert.equal(Buffer.byteLength(reportText('ü'.repeat(LIMITS.messageBytes), secrets)), LIMITS.messageBytes);
});

test('of a message that was cut, no beginning of a secret is told', () => {
  for (let cut = 1; cut <= 'pass🔑word'.length; cut += 1) {
    const message = `${'x'.repeat(LIMITS.messageBytes - cut)}pass🔑word`.slice(0, LIMITS.messageBytes);
    assert.match(reportText(message, secrets), /^x+(\[secret\])?$/, `cut after ${cut}`);
  }
});
