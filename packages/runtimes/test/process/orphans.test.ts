/** Of sandboxes that were being made when their agent was killed, nothing is left after the next one's start. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { killOrphans, markOfNode } from '../../src/process/orphans.ts';

const NODE = `n-orphans-${process.pid}`;

/** A process with the mark whose parent has left it: its number. */
function orphan(nodeId: string): number {
  const env = { PATH: process.env.PATH ?? '', ...markOfNode(nodeId) };
  const output = execFileSync('/bin/sh', ['-c', 'sleep 600 >/dev/null 2>&1 & echo $!'], { env, encoding: 'utf8' });
  return Number(output);
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 500 && isAlive(pid); tries += 1) await new Promise((done) => setTimeout(done, 10));
  return !isAlive(pid);
}

describe('orphans of a node', { skip: process.platform === 'linux' ? false : 'needs /proc' }, () => {
  it('are killed; what descends from this process and what is of other nodes is not', async () => {
    const [left, ofOther] = [orphan(NODE), orphan(`${NODE}-other`)];
    const child: ChildProcess = spawn('sleep', ['600'], { env: { PATH: process.env.PATH, ...markOfNode(NODE) } });
    await once(child, 'spawn');
    try {
      assert.equal(killOrphans(NODE), 1);
      assert.ok(await gone(left));
      assert.ok(isAlive(ofOther), 'it belongs to another node');
      assert.ok(isAlive(child.pid ?? 0), 'it is in use');
      assert.equal(killOrphans(NODE), 0);
    } finally {
      child.kill('SIGKILL');
      process.kill(ofOther, 'SIGKILL');
    }
  });
});
