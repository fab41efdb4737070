/**
 * What nodes draw, and what a run comes to by it: the idle power of all of them all the time, and on top the difference
 * to full load for as long as their processors work. Traces tell no power, so a known machine stands in.
 */
import { FogError } from '@fog/contract';
import { type Figure, isAvailable, unavailable } from './figures.ts';
import type { SimulatedMachine, SimulatedWork } from './simulated-run.ts';

export interface NodePower {
  title: string;
  cores: number;
  /** Watts of the whole node. */
  idleWatts: number;
  busyWatts: number;
}

/** Published results of SPECpower_ssj2008 for the servers; a measurement for the single-board computer. */
export const NODE_POWERS = {
  'proliant-ml110-g4': { title: 'HP ProLiant ML110 G4 (Xeon 3040)', cores: 2, idleWatts: 86, busyWatts: 117 },
  'proliant-ml110-g5': { title: 'HP ProLiant ML110 G5 (Xeon 3075)', cores: 2, idleWatts: 93.7, busyWatts: 135 },
  'raspberry-pi-3b': { title: 'Raspberry Pi 3 B', cores: 4, idleWatts: 0.45, busyWatts: 1.75 },
} as const satisfies Record<string, NodePower>;

export type NodePowerName = keyof typeof NODE_POWERS;
export const DEFAULT_NODE_POWER: NodePowerName = 'proliant-ml110-g5';

/** Throws `invalid-request` with the names that there are. */
export function nodePowerOf(name: string): NodePower {
  if (Object.hasOwn(NODE_POWERS, name)) return NODE_POWERS[name as NodePowerName];
  throw new FogError('invalid-request', `there is no figure of power for "${name}"`, {
    hint: `there is: ${Object.keys(NODE_POWERS).join(', ')}`,
  });
}

export interface PowerFigures {
  node: NodePower;
  /** Of one GPU; null when they are not known. */
  gpu: { idleWatts: number; busyWatts: number } | null;
}

const JOULES_PER_KILOWATT_HOUR = 3_600_000;

/** In kilowatt-hours, from the first submission to the last end. */
export function energyOf(
  { processors, gpus }: SimulatedMachine,
  { work, makespanSeconds }: { work: readonly SimulatedWork[]; makespanSeconds: number },
  power: PowerFigures,
): Figure {
  const { cores, idleWatts, busyWatts } = power.node;
  const busySeconds = (of: (piece: SimulatedWork) => number) =>
    work.reduce((sum, piece) => sum + of(piece) * (piece.endSeconds - piece.startSeconds), 0);
  const perCore =
    idleWatts * processors * makespanSeconds + (busyWatts - idleWatts) * busySeconds((piece) => piece.processors);
  if (!isAvailable(gpus) || gpus === 0) return perCore / cores / JOULES_PER_KILOWATT_HOUR;
  if (power.gpu === null) return unavailable('no power of GPUs is known; give --gpu-watts IDLE:BUSY');
  const ofGpus =
    power.gpu.idleWatts * gpus * makespanSeconds +
    (power.gpu.busyWatts - power.gpu.idleWatts) * busySeconds((piece) => piece.gpus);
  return (perCore / cores + ofGpus) / JOULES_PER_KILOWATT_HOUR;
}
