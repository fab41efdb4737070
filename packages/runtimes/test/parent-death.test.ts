/** Children end with a parent that is killed, whatever they are doing. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

test('a child in an endless loop does not outlive a parent that was killed', {
  skip: process.platform === 'linux' ? false : 'needs setpriv of util-linux',
}, async () => {
  const source = new URL('../src/process/parent-death.ts', import.meta.url).href;
  const parent = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { spawn } from 'node:child_process';
       import { dyingWithParent } from ${JSON.stringify(source)};
       const { command, args } = dyingWithParent(process.execPath, ['-e', 'console.log("looping"); for (;;);']);
       const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
       child.stdout.once('data', () => console.log(child.pid));
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = await once(parent.stdout, 'data');
  const child = Number(String(line).trim());
  assert.ok(isAlive(child));
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  for (let waited = 0; isAlive(child) && waited < 5000; waited += 50) await pause(50);
  const outlived = isAlive(child);
  if (outlived) process.kill(child, 'SIGKILL');
  assert.equal(outlived, false);
});

/** A zombie that nobody has collected yet is dead. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return !/^\d+ \(.*\) Z/.test(readStat(pid));
}

function readStat(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return '0 (gone) Z';
  }
}
