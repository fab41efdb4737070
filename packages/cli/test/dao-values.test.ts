/** Values of parameters as people write them, and voting keys in files. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PARAMETER_NAMES, PARAMETERS, votingKeyOf } from '@fog/economy/governance';
import fc from 'fast-check';
import { parameterText, parseParameter } from '../src/dao/parameter-values.ts';
import { makeVotingKey, readVotingKey } from '../src/dao/voting-keys.ts';
import { processTerminal } from '../src/terminal.ts';

test('property: what is shown of a value is read as the same value', () => {
  const value = fc.constantFrom(...PARAMETER_NAMES).chain((name) => {
    const { least, most, unit } = PARAMETERS[name];
    // Durations are shown to the second, and below ten seconds to the tenth.
    const step = unit === 'milliseconds' ? 60_000n : 1n;
    return fc.bigInt({ min: least / step, max: most / step }).map((units) => ({ name, value: units * step }));
  });
  fc.assert(
    fc.property(value, ({ name, value: given }) => {
      const text = parameterText(PARAMETERS[name].unit, given).replace(/ FOG$/, '');
      assert.equal(parseParameter(name, text), given);
    }),
  );
});

test('what is no value of a parameter is refused, with how to write one', () => {
  const wrong: [string, string][] = [
    ['feePpm', '5.12345%'],
    ['feePpm', '-1'],
    ['feePpm', 'on'],
    ['timelockMilliseconds', '2 days'],
    ['emissionSwitch', '1'],
    ['proposalDeposit', '1.0000001'],
    ['freeBeer', '1'],
    ['constructor', '1'],
  ];
  for (const [name, text] of wrong) assert.throws(() => parseParameter(name, text), { code: 'invalid-request' }, text);
  assert.throws(() => parseParameter('feePpm', '400%'), { message: 'feePpm cannot be 400%: it is from 0% to 20%' });
  assert.equal(parseParameter('feePpm', '0.25%'), 2500n);
  assert.equal(parseParameter('feePpm', '50000'), 50_000n);
  assert.equal(parseParameter('proposalDeposit', '12.5'), 12_500_000n);
});

test('a voting key lies in a file for its user alone, and is read by its public half', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fog-keys-'));
  try {
    const terminal = { ...processTerminal(), environment: { XDG_CONFIG_HOME: folder } };
    const owner = { network: 'fog-1', principal: 'alice' };
    const { publicKey, file } = await makeVotingKey(terminal, owner);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(file, '..')).mode & 0o777, 0o700);
    const secret = await readVotingKey(terminal, owner, publicKey);
    assert.equal(votingKeyOf(secret ?? new Uint8Array(32)), publicKey);
    await makeVotingKey(terminal, owner);
    assert.equal(readdirSync(join(file, '..')).length, 2);
    assert.equal(await readVotingKey(terminal, { ...owner, principal: 'bob' }, publicKey), null);
    assert.equal(await readVotingKey(terminal, owner, 'a'.repeat(64)), null);
    chmodSync(file, 0o600);
    writeFileSync(file, `${'0'.repeat(64)}\n`);
    await assert.rejects(readVotingKey(terminal, owner, publicKey), { code: 'invalid-request' });
    // A coordinator that lies about names does not choose where this writes.
    for (const evil of ['../../x', '', 'a/b']) {
      await assert.rejects(makeVotingKey(terminal, { ...owner, network: evil }), { code: 'protocol-violation' });
    }
    await assert.rejects(readVotingKey(terminal, owner, '../../../etc/passwd'), { code: 'protocol-violation' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
