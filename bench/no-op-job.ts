/** The job that does nothing. */
import { createHash } from 'node:crypto';
import type { FogClient, JobSpecInput } from '../packages/contract/src/index.ts';

/** (module (memory (export "memory") 1) (func (export "_start"))), in the binary format of WebAssembly 1.0. */
export const NO_OP_MODULE = new Uint8Array([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00], // types: () -> ()
  ...[0x03, 0x02, 0x01, 0x00], // functions: one of type 0
  ...[0x05, 0x03, 0x01, 0x00, 0x01], // memories: one, a page
  ...[0x07, 0x13, 0x02], // exports: two
  ...[0x06, ...Buffer.from('memory'), 0x02, 0x00],
  ...[0x06, ...Buffer.from('_start'), 0x00, 0x00],
  ...[0x0a, 0x04, 0x01, 0x02, 0x00, 0x0b], // code: one empty body
]);
const NO_OP_DIGEST = `sha256:${createHash('sha256').update(NO_OP_MODULE).digest('hex')}`;

/** Stores the module that `noOpJob` names. */
export async function uploadNoOp(client: FogClient): Promise<void> {
  await client.putBlob(NO_OP_DIGEST, NO_OP_MODULE);
}

/** So small that nodes run out of slots before anything else. */
export function noOpJob(count: number, resources = { cpu: '1m', memory: '1Mi', disk: '1Mi' }): JobSpecInput {
  return {
    kind: 'Job',
    metadata: { name: 'no-op' },
    spec: { count, task: { runtime: 'wasm', wasm: { module: NO_OP_DIGEST }, resources } },
  };
}
