/** What the state of a pod or Job says about its attempt, as pure functions. Reasons: what kubelet 1.26 to 1.34 writes. */
import type { FailureReason } from '@fog/contract';
import { type Fields, integer, oneLine, record, records, text, time } from './fields.ts';
import { CONTAINER } from './job-manifest.ts';

/** Trouble that may pass. `isFinal`: it will not. */
export interface Trouble {
  kind: 'unschedulable' | 'pull' | 'other';
  reason: FailureReason;
  message: string;
  isFinal: boolean;
}

export type Ending = { reason: null } | { reason: FailureReason; message: string; exitCode: number | null };

export type PodVerdict =
  | { state: 'pending'; trouble: Trouble | null }
  | { state: 'running'; startedAtMilliseconds: number | null }
  | {
      state: 'ended';
      ending: Ending;
      /** Null: its program never ran. */
      startedAtMilliseconds: number | null;
      finishedAtMilliseconds: number | null;
    };

export function judgePod(pod: Fields): PodVerdict {
  const status = record(pod.status);
  const task = records(status.containerStatuses).find(({ name }) => name === CONTAINER) ?? {};
  const state = record(task.state);
  const phase = text(status.phase);
  const terminated = state.terminated === undefined ? null : record(state.terminated);
  const isOver = phase === 'Succeeded' || phase === 'Failed';
  if (terminated !== null || isOver) {
    return {
      state: 'ended',
      ending: endingOf(status, terminated),
      startedAtMilliseconds: time(terminated?.startedAt),
      finishedAtMilliseconds: time(terminated?.finishedAt),
    };
  }
  if (state.running !== undefined) {
    return { state: 'running', startedAtMilliseconds: time(record(state.running).startedAt) };
  }
  return { state: 'pending', trouble: troubleOf(status, record(state.waiting)) };
}

function troubleOf(status: Fields, waiting: Fields): Trouble | null {
  const reason = text(waiting.reason);
  const said = text(waiting.message);
  if (reason === '') {
    const scheduled = records(status.conditions).find(({ type }) => type === 'PodScheduled') ?? {};
    if (scheduled.status !== 'False') return null;
    const message = `The cluster has no room for it: ${oneLine(text(scheduled.message) || text(scheduled.reason))}`;
    return { kind: 'unschedulable', reason: 'sandbox', message, isFinal: false };
  }
  if (reason === 'InvalidImageName' || reason === 'ErrImageNeverPull') {
    return {
      kind: 'pull',
      reason: 'image-missing',
      message: `The image cannot be used: ${oneLine(said || reason)}`,
      isFinal: true,
    };
  }
  if (
    /^(?:ErrImagePull|ImagePullBackOff|RegistryUnavailable|ImageInspectError|SignatureValidationFailed)$/.test(reason)
  ) {
    return pullTrouble(said || reason);
  }
  if (reason === 'ContainerCreating' || reason === 'PodInitializing') return null;
  if (isCommandFault(said)) {
    return { kind: 'other', reason: 'command-not-found', message: commandMessage(said), isFinal: true };
  }
  const message = `The container could not be made: ${oneLine(said || reason)}`;
  return { kind: 'other', reason: 'sandbox', message, isFinal: false };
}

/** What registries and container runtimes say when another try would not help. */
const IMAGE_MISSING =
  /not found|manifest unknown|name unknown|does not exist|unauthori[sz]ed|authentication required|\bdenied\b|forbidden|no basic auth|no match for platform|no matching manifest|invalid reference/i;

export function pullTrouble(said: string): Trouble {
  const isMissing = IMAGE_MISSING.test(said);
  const message = isMissing
    ? `The image cannot be had: ${oneLine(said)}`
    : `The image could not be pulled: ${oneLine(said)}`;
  return { kind: 'pull', reason: isMissing ? 'image-missing' : 'image-pull', message, isFinal: isMissing };
}

function isCommandFault(said: string): boolean {
  return /executable file not found|no such file or directory|exec format error|permission denied|is a directory/i.test(
    said,
  );
}

function commandMessage(said: string): string {
  return `The program could not be started: ${oneLine(said)}`;
}

function endingOf(status: Fields, terminated: Fields | null): Ending {
  const exitCode = integer(terminated?.exitCode);
  if (exitCode === 0 && terminated !== null) return { reason: null };
  return (
    disturbance(status) ??
    startFault(terminated) ??
    (terminated === null || exitCode === null
      ? failed(
          'sandbox',
          `The pod ended without its program: ${oneLine(text(status.message) || text(status.reason) || 'no reason is given')}`,
        )
      : ended(terminated, exitCode))
  );
}

function ended(terminated: Fields, exitCode: number): Ending {
  const reason = text(terminated.reason);
  if (reason === 'OOMKilled') return failed('oom', 'The program needed more memory than it asked for.');
  if (reason === 'ContainerStatusUnknown') {
    return failed('sandbox', 'The node of the cluster lost the container.');
  }
  return { reason: 'exit-code', message: `The program ended with exit code ${exitCode}.`, exitCode };
}

/** What was done to the pod from outside of it. */
function disturbance(status: Fields): Ending | null {
  const reason = text(status.reason);
  const said = oneLine(text(status.message) || reason);
  if (reason === 'DeadlineExceeded') return failed('timeout', 'The program ran longer than the deadline of its Job.');
  if (reason === 'Evicted' && /EmptyDir|ephemeral[- ](?:local )?storage usage exceeds/i.test(said)) {
    return failed('output-too-large', `The program wrote more than it asked for: ${said}`);
  }
  if (reason !== '' && reason !== 'Error' && reason !== 'Completed') {
    return failed('sandbox', `The cluster ended the pod (${oneLine(reason)}): ${said}`);
  }
  const target = records(status.conditions).find(({ type }) => type === 'DisruptionTarget') ?? {};
  if (target.status !== 'True') return null;
  return failed('sandbox', `The cluster ended the pod: ${oneLine(text(target.message) || text(target.reason))}`);
}

/** A container that was made and whose program could not be run. The exit code is the container runtime's own. */
function startFault(terminated: Fields | null): Ending | null {
  const reason = text(terminated?.reason);
  if (reason !== 'StartError' && reason !== 'ContainerCannotRun') return null;
  const said = text(terminated?.message);
  if (/OOM[- ]killed/i.test(said)) return failed('oom', 'The program needed more memory to start than it asked for.');
  if (isCommandFault(said)) return failed('command-not-found', commandMessage(said));
  return failed('sandbox', `The container could not be started: ${oneLine(said || reason)}`);
}

function failed(reason: FailureReason, message: string): Ending {
  return { reason, message, exitCode: null };
}

/** What the Job says has failed, or null while it has not. Its pod, if there is one, knows better. */
export function judgeJob(job: Fields): { reason: FailureReason; message: string } | null {
  const failure = records(record(job.status).conditions).find(
    ({ type, status }) => type === 'Failed' && status === 'True',
  );
  if (failure === undefined) return null;
  if (failure.reason === 'DeadlineExceeded') {
    return { reason: 'timeout', message: 'The program ran longer than the deadline of its Job.' };
  }
  const said = oneLine(text(failure.message) || text(failure.reason));
  return { reason: 'sandbox', message: `The cluster gave the Job up: ${said}` };
}
