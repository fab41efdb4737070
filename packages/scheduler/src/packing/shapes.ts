/** What tasks ask for and what nodes have, as far as packing goes. */
import { FogError } from '@fog/contract';
import { PACKING_LIMITS } from './limits.ts';

/** A whole GPU, in thousandths. */
export const WHOLE_GPU_MILLI = 1000;

export interface TaskShape {
  cpuMilli: number;
  memoryMebibytes: number;
  gpuCount: number;
  /** Of each GPU, in thousandths; 0 without GPUs. Only a task with one GPU may take less than the whole. */
  gpuMilli: number;
  /** Models that it runs on; empty means any. */
  gpuModels: readonly string[];
}

export interface NodeShape {
  name: string;
  cpuMilli: number;
  memoryMebibytes: number;
  gpuCount: number;
  /** Empty without GPUs. */
  gpuModel: string;
}

/** Throws `invalid-request` for amounts that are negative, too large or no whole numbers, and for shares of several GPUs. */
export function assertTaskShape(shape: TaskShape, what = 'the task'): void {
  assertAmounts(shape, what);
  const { gpuCount, gpuMilli, gpuModels } = shape;
  const most = gpuCount === 0 ? 0 : WHOLE_GPU_MILLI;
  const least = gpuCount > 1 ? WHOLE_GPU_MILLI : Math.min(gpuCount, 1);
  if (!Number.isSafeInteger(gpuMilli) || gpuMilli < least || gpuMilli > most) {
    throw new FogError('invalid-request', `${what} takes ${gpuMilli} thousandths of each of ${gpuCount} GPUs`, {
      details: { gpuCount, gpuMilli },
      hint: `one GPU may be shared (1 to ${WHOLE_GPU_MILLI}), several are taken whole (${WHOLE_GPU_MILLI}), none is 0`,
    });
  }
  if (gpuModels.length > PACKING_LIMITS.gpuModels) {
    throw new FogError('invalid-request', `${what} names ${gpuModels.length} models of GPUs`, {
      hint: `name at most ${PACKING_LIMITS.gpuModels}, or none for any`,
    });
  }
}

/** Throws `invalid-request` for amounts that are negative, too large or no whole numbers. */
export function assertNodeShape(shape: NodeShape): void {
  assertAmounts(shape, `node "${shape.name}"`);
}

function assertAmounts(shape: TaskShape | NodeShape, what: string): void {
  const bounds = [
    ['cpuMilli', PACKING_LIMITS.cpuMilli],
    ['memoryMebibytes', PACKING_LIMITS.memoryMebibytes],
    ['gpuCount', PACKING_LIMITS.gpusPerNode],
  ] as const;
  for (const [field, most] of bounds) {
    const amount = shape[field];
    if (Number.isSafeInteger(amount) && amount >= 0 && amount <= most) continue;
    throw new FogError('invalid-request', `${what} has ${field} ${amount}`, {
      details: { field, most },
      hint: `${field} is a whole number from 0 to ${most}`,
    });
  }
}

/** Whether it takes a part of one GPU and leaves the rest to others. */
export function isSharedGpu({ gpuCount, gpuMilli }: TaskShape): boolean {
  return gpuCount === 1 && gpuMilli < WHOLE_GPU_MILLI;
}

/** Thousandths of GPUs, all together. */
export function gpuMilliOf({ gpuCount, gpuMilli }: TaskShape): number {
  return gpuCount * gpuMilli;
}

/** The same text for the same shape. */
export function shapeKey({ cpuMilli, memoryMebibytes, gpuCount, gpuMilli, gpuModels }: TaskShape): string {
  return `${cpuMilli} ${memoryMebibytes} ${gpuCount} ${gpuMilli} ${gpuModels.join('|')}`;
}
