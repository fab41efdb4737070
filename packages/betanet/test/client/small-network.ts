/** Networks as a consensus would state them. Ids and keys are told apart by their first bytes. */
import { createHash } from 'node:crypto';
import type { EpochTimes, NetworkNode, NetworkView } from '../../src/client/network-view.ts';
import type { NodeRole } from '../../src/directory/fields.ts';

export const TIMES: EpochTimes = { genesisMilliseconds: 1_000_000, epochMilliseconds: 60_000, graceMilliseconds: 6000 };

export interface NodePlan {
  name: string;
  role: NodeRole;
  layer?: number;
  operator?: string;
  prefixes?: string[];
}

export function keyOf(name: string, epoch: number): Uint8Array {
  return createHash('sha256').update(`${name} ${epoch}`).digest();
}

export function idOf(name: string): Uint8Array {
  return createHash('sha256').update(name).digest();
}

/** Without an operator or prefixes of its own a node shares none with others. */
export function nodeOf(plan: NodePlan, epochs: readonly number[]): NetworkNode {
  return {
    id: idOf(plan.name),
    role: plan.role,
    layer: plan.layer ?? null,
    operator: plan.operator ?? `operator of ${plan.name}`,
    weight: 1n,
    addressPrefixes: plan.prefixes ?? [`prefix of ${plan.name}`],
    sphinxKeys: new Map(epochs.map((epoch) => [epoch, keyOf(plan.name, epoch)])),
  };
}

export interface NetworkPlan {
  layers: number;
  relaysPerLayer: number;
  test?: boolean;
  epochs?: readonly number[];
  /** Operator of relay `index` in `layer`. */
  operator?: (layer: number, index: number) => string;
}

/** Two gateways `g0` and `g1`, relays `mLAYER-INDEX`, two service nodes `s0` and `s1`. */
export function networkOf(plan: NetworkPlan): NetworkView {
  const { layers, relaysPerLayer, test = false, epochs = [-1, 0, 1, 2] } = plan;
  const mixes = Array.from({ length: layers * relaysPerLayer }, (_, at): NodePlan => {
    const layer = Math.floor(at / relaysPerLayer) + 1;
    const index = at % relaysPerLayer;
    const operator = plan.operator?.(layer, index);
    return { name: `m${layer}-${index}`, role: 'mix', layer, ...(operator === undefined ? {} : { operator }) };
  });
  const ends = [0, 1].flatMap((index): NodePlan[] => [
    { name: `g${index}`, role: 'gateway' },
    { name: `s${index}`, role: 'service' },
  ]);
  const traffic = {
    meanDelayMilliseconds: 50,
    delayCapMilliseconds: 1000,
    clientPayloadIntervalMilliseconds: 40,
    clientLoopIntervalMilliseconds: 1000,
    clientDropIntervalMilliseconds: 1000,
  };
  return { ...TIMES, layers, test, traffic, nodes: [...ends, ...mixes].map((node) => nodeOf(node, epochs)) };
}

export function nodesNamed(view: NetworkView, ...names: string[]): NetworkNode[] {
  const ids = names.map((name) => Buffer.from(idOf(name)).toString('hex'));
  return view.nodes.filter(({ id }) => ids.includes(Buffer.from(id).toString('hex')));
}
