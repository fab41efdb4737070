/** Deployments, replicas and revisions for people. */
import {
  counted,
  type Deployment,
  type DeploymentSummary,
  formatDuration,
  oneLine,
  type Replica,
  type Revision,
} from '@fog/contract';
import { CLI_LIMITS } from '../limits.ts';
import type { Colours } from '../terminal.ts';
import { stateText } from './job-text.ts';
import { agoText, momentText } from './moments.ts';
import { renderFields, renderTable } from './table.ts';

/** `2 of 3 replicas available`. */
export function replicasText({ available, wanted, ready }: DeploymentSummary): string {
  const starting = ready > available ? `, ${ready - available} more ready` : '';
  return `${available} of ${counted(wanted, 'replica')} available${starting}`;
}

/** `web  rolling-out  2 of 3 replicas available, 1 of revision 4  12s`. */
export function rolloutProgressText(deployment: Deployment, nowMilliseconds: number): string {
  const { name, state, updated, revision, updatedAt } = deployment;
  const time = formatDuration(Math.max(0, nowMilliseconds - updatedAt));
  return `${name}  ${state}  ${replicasText(deployment)}, ${updated} of revision ${revision}  ${time}`;
}

export function deploymentListText(
  deployments: readonly DeploymentSummary[],
  nowMilliseconds: number,
  colours: Colours,
): string {
  if (deployments.length === 0) return 'Nothing is deployed. Deploy a service or daemon with "fog deploy FILE".';
  return renderTable(
    ['name', 'type', 'state', 'revision', 'available', 'wanted', 'changed', 'of'],
    deployments.map((deployment) => [
      deployment.name,
      deployment.type,
      stateText(deployment.state, colours),
      String(deployment.revision),
      String(deployment.available),
      String(deployment.wanted),
      agoText(deployment.updatedAt, nowMilliseconds),
      deployment.principal,
    ]),
    colours,
  );
}

export function deploymentText(deployment: Deployment, nowMilliseconds: number, colours: Colours): string {
  return renderFields(
    [
      ['deployment', deployment.name],
      ['of', deployment.principal],
      ['type', deployment.type],
      ['state', stateText(deployment.state, colours)],
      ['why', deployment.reason === null ? null : oneLine(deployment.reason)],
      ['revision', String(deployment.revision)],
      ['replicas', replicasText(deployment)],
      ['created', momentText(deployment.createdAt, nowMilliseconds)],
      ['changed', momentText(deployment.updatedAt, nowMilliseconds)],
      ['logs', deployment.revisions[0] === undefined ? null : `fog job logs -f ${deployment.revisions[0].job}`],
    ],
    colours,
  );
}

export function replicaListText(replicas: readonly Replica[], nowMilliseconds: number, colours: Colours): string {
  return renderTable(
    ['replica', 'revision', 'state', 'since', 'node', 'restarts', 'failures', 'why'],
    replicas.map((replica) => [
      String(replica.partition),
      String(replica.revision),
      stateText(replicaState(replica), colours),
      agoText(replica.since, nowMilliseconds),
      replica.nodeName ?? '-',
      String(replica.restarts),
      String(replica.failures),
      oneLine(replica.message ?? '', CLI_LIMITS.whyCharacters),
    ]),
    colours,
  );
}

export function revisionListText(revisions: readonly Revision[], nowMilliseconds: number, colours: Colours): string {
  return renderTable(
    ['revision', 'state', 'job', 'deployed', 'by', 'why'],
    revisions.map((revision) => [
      revision.of === null ? String(revision.revision) : `${revision.revision} (${revision.of} again)`,
      stateText(revision.state, colours),
      revision.job,
      agoText(revision.createdAt, nowMilliseconds),
      revision.by,
      oneLine(revision.reason ?? '', CLI_LIMITS.whyCharacters),
    ]),
    colours,
  );
}

function replicaState({ state, ready, available, leaving }: Replica): string {
  if (leaving) return 'leaving';
  return available ? 'available' : ready ? 'ready' : state;
}
