/** What a runtime is asked to run for a lease. Pure. */
import { createHash } from 'node:crypto';
import { type AttemptName, type LeaseGroup, policyIncludes } from '@fog/contract';
import type { AttemptLimits, AttemptRequest, Program } from '@fog/runtimes';
import { z } from 'zod';
import { AttemptFailure } from './attempt-failure.ts';
import { attemptId } from './attempt-id.ts';
import type { AttemptCheckpoints } from './checkpoints.ts';
import type { StagedFiles } from './staging.ts';

type Checkpoints = Pick<AttemptCheckpoints, 'hostPath' | 'isRestored'> | null;

export interface RequestParts extends Pick<AttemptRequest, 'program' | 'env'> {
  files: Omit<StagedFiles, 'release'>;
  checkpoints: Checkpoints;
  /** Principals whose scripts are trusted like the owner's own. */
  trusted: readonly string[];
}

export function attemptRequest(
  { spec, partitions, submitter, submittedAtMilliseconds, seed }: LeaseGroup,
  name: AttemptName,
  limits: AttemptLimits,
  { program, env, files, checkpoints, trusted }: RequestParts,
): AttemptRequest {
  const { task } = spec.spec;
  const { job, partition } = name;
  return {
    attemptId: attemptId(name),
    program,
    args: task.args,
    env,
    stdin: files.stdin,
    inputs: files.inputs,
    outputs: task.outputs.map((output) => ({ name: output.name, sandboxPath: output.path })),
    limits,
    checkpoint: checkpoints === null ? null : { hostPath: checkpoints.hostPath },
    partition: { index: partition, count: partitions },
    seed: createHash('sha256')
      .update(`${seed ?? job}/${partition}`)
      .digest(),
    submittedAtMilliseconds,
    trusted: policyIncludes(trusted, submitter),
  };
}

/** With the credentials that its specification names. Throws `AttemptFailure` where they are none. */
export function withCredentials(program: Program, { spec, secrets }: LeaseGroup): Program {
  const secret = spec.spec.task.docker?.credentials?.secret;
  if (program.runtime !== 'docker' || secret === undefined) return program;
  return { ...program, credentials: readCredentials(secret, secrets[secret]) };
}

/**
 * Equal for all attempts of a task, so that their results can be compared: no fence, no node. A verified task is not told
 * its job either: it may be run under another name, to see whether a node computes the same. Only one with checkpoints is
 * told whether it goes on. Throws `AttemptFailure` where a secret was not delivered.
 */
export function environmentOf(
  { secrets, spec, partitions }: LeaseGroup,
  name: AttemptName,
  checkpoints: Checkpoints,
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [variable, value] of Object.entries(spec.spec.task.env)) {
    const text =
      typeof value === 'string' ? value : Object.hasOwn(secrets, value.secret) ? secrets[value.secret] : undefined;
    if (text === undefined)
      throw new AttemptFailure('input-missing', `the value of variable ${variable}, a secret, was not delivered`);
    variables[variable] = text;
  }
  const isNamed = spec.spec.verification === undefined || spec.spec.verification.mode === 'none';
  return {
    ...variables,
    ...(isNamed ? { FOG_JOB_ID: name.job } : {}),
    FOG_PARTITION_INDEX: String(name.partition),
    FOG_PARTITION_COUNT: String(partitions),
    ...(checkpoints === null ? {} : { FOG_RESTORED: checkpoints.isRestored ? '1' : '0' }),
  };
}

export function hasSecrets({ spec }: LeaseGroup): boolean {
  const { env, docker } = spec.spec.task;
  return docker?.credentials !== undefined || Object.values(env).some((value) => typeof value !== 'string');
}

const credentialsSchema = z.object({ username: z.string(), password: z.string() });

function readCredentials(name: string, value: string | undefined): { username: string; password: string } {
  try {
    return credentialsSchema.parse(JSON.parse(value ?? ''));
  } catch {
    throw new AttemptFailure('input-missing', `the secret ${name} is not {"username": "...", "password": "..."}`);
  }
}
