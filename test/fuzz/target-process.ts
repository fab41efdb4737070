/**
 * Runs one target in a process of its own, so that a crash of native code is a finding and not the end. Before each
 * batch its first input is written into a file; the result goes to the parent as a message.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { type FuzzTarget, runTarget, type TargetRange } from './fuzz-target.ts';

const [modulePath = '', positionPath = '', range = ''] = process.argv.slice(2);
const { TARGETS } = (await import(modulePath)) as { TARGETS: ReadonlyMap<string, FuzzTarget> };
const parsed = JSON.parse(range) as TargetRange;
const target = TARGETS.get(parsed.name);
if (target === undefined) throw new Error(`there is no target "${parsed.name}"`);
const file = openSync(positionPath, 'w');
const position = Buffer.alloc(8);
const result = runTarget(target, parsed, (index) => {
  position.writeBigUInt64LE(BigInt(index));
  writeSync(file, position, 0, position.length, 0);
});
closeSync(file);
process.send?.(result, () => process.disconnect?.());
