/**
 * The genesis of a network: everything that never changes in it, and that a member must know before it can check
 * anything else. Its hash is the network's id.
 */
import { createHash } from 'node:crypto';
import { FogError, issueFaults, issueText } from '@fog/contract';
import { DEFAULT_GEOMETRY_CHOICE, geometryHash, geometryOf } from '@fog/sphinx';
import { z } from 'zod';
import { PARTS_PER_MILLION } from '../lottery/fixed-point.ts';
import { canonicalJson } from './canonical-json.ts';
import { bytes32Schema, intervalSchema, nameSchema, ppmSchema, sortedBy, stakeSchema } from './fields.ts';
import { DIRECTORY_LIMITS } from './limits.ts';

/** The steps of a round in order, see schedule.ts; each with the end of its time in parts per million of the round. */
export const ROUND_STEPS = [
  'descriptors',
  'votes',
  'vote-witness',
  'reveals',
  'reveal-witness',
  'proofs',
  'proof-lists',
  'proof-witness',
  'consensus',
] as const;
export type RoundStep = (typeof ROUND_STEPS)[number];

/**
 * Four of twenty minutes for descriptors, then a minute and a half or more for each step: ample for clocks that are
 * seconds apart. The consensus is there two and a half minutes before its epoch begins.
 */
export const DEFAULT_SCHEDULE: Readonly<Record<RoundStep, number>> = {
  descriptors: 200_000,
  votes: 300_000,
  'vote-witness': 400_000,
  reveals: 475_000,
  'reveal-witness': 550_000,
  proofs: 650_000,
  'proof-lists': 725_000,
  'proof-witness': 800_000,
  consensus: 875_000,
};

/** More than half of a round for descriptors: for a network that starts, all of it, within its first round. */
export const STARTING_SCHEDULE: Readonly<Record<RoundStep, number>> = {
  descriptors: 550_000,
  votes: 600_000,
  'vote-witness': 650_000,
  reveals: 700_000,
  'reveal-witness': 750_000,
  proofs: 850_000,
  'proof-lists': 890_000,
  'proof-witness': 930_000,
  consensus: 970_000,
};

export const lotterySettingsSchema = z.strictObject({
  seatsPerLayer: z.int().min(1).max(DIRECTORY_LIMITS.seatsPerLayer),
  minimumStake: stakeSchema,
  saturationStake: stakeSchema,
  /** Of the seats of a layer, for one operator, where others can fill them. */
  operatorSharePpm: ppmSchema,
  /** A relay that lets a smaller share of its probes pass is dropped, unless too few would be left. */
  performanceFloorPpm: ppmSchema,
  /** Probes of a relay that an authority must have sent before its count says anything. */
  leastProbes: z.int().min(1).max(DIRECTORY_LIMITS.probes),
  /** Performance of a relay that nobody has measured. */
  unmeasuredPerformancePpm: ppmSchema,
});
export type LotterySettings = z.infer<typeof lotterySettingsSchema>;

/** Without an economy: every relay has one unit of stake. */
export const DEFAULT_LOTTERY: LotterySettings = {
  seatsPerLayer: 32,
  minimumStake: '1',
  saturationStake: '1',
  operatorSharePpm: 250_000,
  performanceFloorPpm: 700_000,
  leastProbes: 50,
  unmeasuredPerformancePpm: PARTS_PER_MILLION,
};

/** Means of exponential distributions, in milliseconds. */
export const trafficSettingsSchema = z.strictObject({
  /** Of the delay at one hop. */
  meanDelayMilliseconds: intervalSchema,
  /** No hop holds a packet longer; a draw beyond it is made again. */
  delayCapMilliseconds: intervalSchema,
  /** Between two packets of a client's stream: payload, or cover where there is none. */
  clientPayloadIntervalMilliseconds: intervalSchema,
  /** Between two loops of a client. */
  clientLoopIntervalMilliseconds: intervalSchema,
  /** Between two packets of a client that the last hop drops. */
  clientDropIntervalMilliseconds: intervalSchema,
  /** Between two loops of a node. */
  nodeLoopIntervalMilliseconds: intervalSchema,
});
export type TrafficSettings = z.infer<typeof trafficSettingsSchema>;

/** Two packets a second, half of them cover: with packets of 3 KB, 22 MB an hour up and twice that down. */
export const DEFAULT_TRAFFIC: TrafficSettings = {
  meanDelayMilliseconds: 50,
  delayCapMilliseconds: 1000,
  clientPayloadIntervalMilliseconds: 1000,
  clientLoopIntervalMilliseconds: 2000,
  clientDropIntervalMilliseconds: 2000,
  nodeLoopIntervalMilliseconds: 1000,
};

/** Whether what an authority is asked can be put behind it. */
function isBase(text: string): boolean {
  const { username, password } = URL.parse(text) ?? {};
  return !/[?#]/.test(text) && !username && !password;
}

const authoritySchema = z.strictObject({
  /** Its name, by which a consensus tells what it did. */
  id: nameSchema,
  /** Ed25519. */
  publicKey: bytes32Schema,
  /** Of a web server; may have a path, below which the authority answers. */
  url: z
    .url({ protocol: /^https?$/ })
    .max(DIRECTORY_LIMITS.urlCharacters)
    .refine(isBase, 'has a user, query or fragment, which the address of an authority cannot have'),
});
export type Authority = z.infer<typeof authoritySchema>;

const authoritiesInOrder = sortedBy<Authority>(({ id }) => id, 'id');

const scheduleSchema = z.strictObject(
  Object.fromEntries(ROUND_STEPS.map((step) => [step, ppmSchema])) as Record<RoundStep, typeof ppmSchema>,
);

export const genesisSchema = z
  .strictObject({
    kind: z.literal('genesis'),
    name: nameSchema,
    /** All on one machine, without rules about operators and addresses: it gives no anonymity. */
    test: z.boolean(),
    /** When epoch 0 begins, in milliseconds since 1970. */
    genesisMilliseconds: z.int().min(0),
    epochMilliseconds: z
      .int()
      .min(DIRECTORY_LIMITS.shortestEpochMilliseconds)
      .max(DIRECTORY_LIMITS.longestEpochMilliseconds),
    /** For how long after an epoch its keys are still accepted. */
    graceMilliseconds: z.int().min(0),
    /** How long before epoch 0 the round for it begins. */
    bootstrapMilliseconds: z
      .int()
      .min(DIRECTORY_LIMITS.shortestEpochMilliseconds)
      .max(DIRECTORY_LIMITS.longestEpochMilliseconds),
    authorities: z
      .array(authoritySchema)
      .min(1)
      .max(DIRECTORY_LIMITS.authorities)
      .refine(authoritiesInOrder.check, authoritiesInOrder.message),
    /** Authorities that must agree. */
    threshold: z.int().min(1),
    geometry: z.strictObject({ hops: z.int(), userPayloadBytes: z.int() }),
    suite: z.literal('kp-x25519'),
    layers: z.int().min(1).max(DIRECTORY_LIMITS.layers),
    lottery: lotterySettingsSchema,
    traffic: trafficSettingsSchema,
    schedule: scheduleSchema,
  })
  .superRefine((genesis, context) => {
    for (const [path, message] of rulesBroken(genesis)) context.addIssue({ code: 'custom', path: [path], message });
  });
export type Genesis = z.infer<typeof genesisSchema>;

/** Rules between fields: what field breaks which. */
function rulesBroken(genesis: Genesis): [keyof Genesis, string][] {
  const { authorities, threshold, layers, geometry, schedule, lottery } = genesis;
  const broken: [keyof Genesis, string][] = [];
  const keys = new Set(authorities.map(({ publicKey }) => publicKey));
  if (keys.size < authorities.length) broken.push(['authorities', 'must have different keys']);
  if (!genesis.test && authorities.length < 3) {
    broken.push(['authorities', 'must be three or more, unless the network is a test']);
  }
  if (threshold * 2 <= authorities.length || threshold > authorities.length) {
    broken.push(['threshold', 'must be more than half of the authorities, and at most all']);
  }
  if (genesis.graceMilliseconds > genesis.epochMilliseconds) {
    broken.push(['graceMilliseconds', 'must not be longer than an epoch']);
  }
  if (isLarger(lottery.minimumStake, lottery.saturationStake)) {
    broken.push(['lottery', 'must not have a minimumStake above its saturationStake']);
  }
  if (genesis.traffic.delayCapMilliseconds < genesis.traffic.meanDelayMilliseconds) {
    broken.push(['traffic', 'must not have a delayCapMilliseconds below its meanDelayMilliseconds']);
  }
  if (ROUND_STEPS.some((step, at) => at > 0 && schedule[step] <= schedule[ROUND_STEPS[at - 1] as RoundStep])) {
    broken.push(['schedule', `must have its steps end one after another: ${ROUND_STEPS.join(', ')}`]);
  }
  try {
    if (geometryOf(geometry).hops < layers + 2) broken.push(['layers', 'must be two fewer than the geometry has hops']);
  } catch (error) {
    broken.push(['geometry', error instanceof Error ? error.message : String(error)]);
  }
  return broken;
}

/** Of whole numbers in decimal digits; of text that is none it says anything. */
function isLarger(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}

type GenesisChoice = Pick<Genesis, 'name' | 'genesisMilliseconds' | 'authorities'> & Partial<Genesis>;

/** A genesis with what is not chosen at its default; throws what `parseGenesis` throws. */
export function createGenesis(choice: GenesisChoice): Genesis {
  const epochMilliseconds = choice.epochMilliseconds ?? 1_200_000;
  return parseGenesis({
    kind: 'genesis',
    test: false,
    epochMilliseconds,
    graceMilliseconds: Math.min(120_000, Math.floor(epochMilliseconds / 10)),
    bootstrapMilliseconds: epochMilliseconds,
    threshold: Math.floor(choice.authorities.length / 2) + 1,
    geometry: { ...DEFAULT_GEOMETRY_CHOICE },
    suite: 'kp-x25519',
    layers: 3,
    lottery: DEFAULT_LOTTERY,
    traffic: DEFAULT_TRAFFIC,
    schedule: DEFAULT_SCHEDULE,
    ...choice,
    authorities: choice.authorities.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  });
}

/** Throws a `FogError` (`invalid-configuration`) that names every fault. */
export function parseGenesis(value: unknown): Genesis {
  const parsed = genesisSchema.safeParse(value, { error: issueText });
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues
    .flatMap(issueFaults)
    .map(({ path, code, message }) => `${path} ${code === 'unknown-field' ? 'is not a field of a genesis' : message}`);
  throw new FogError('invalid-configuration', `the genesis of the network has faults: ${faults.join('; ')}`, {
    details: { faults },
  });
}

/** 32 bytes as hex, different for every genesis. */
export function networkIdOf(genesis: Genesis): string {
  return createHash('sha256')
    .update(`fog-betanet-genesis-v1\n${canonicalJson(genesis)}`)
    .digest('hex');
}

/** Hex of the hash of the network's geometry. */
export function geometryHashOf({ suite, geometry }: Genesis): string {
  return Buffer.from(geometryHash(suite, geometryOf(geometry))).toString('hex');
}
