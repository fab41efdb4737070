/** Everything that a container needs before it can be created: image, folder, network, and the specification. */
import { join } from 'node:path';
import type { NetworkOpener } from '../network/network-opener.ts';
import type { SandboxNetwork } from '../network/sandbox-network.ts';
import type { AttemptRequest, DockerProgram } from '../runtime.ts';
import type { AttemptFolder, AttemptRecord } from './attempt-folder.ts';
import { type ContainerSpec, containerSpec, containerUser } from './container-spec.ts';
import type { EngineAccess } from './engine-access.ts';
import { AttemptFailed } from './failure.ts';
import { obtainImage } from './image-pull.ts';
import { imageIdentity } from './image-reference.ts';
import { planMounts } from './mount-plan.ts';

export interface PreparationDependencies {
  request: AttemptRequest;
  access: EngineAccess;
  nodeId: string;
  folder: AttemptFolder;
  network: NetworkOpener | null;
  /** Called with what outcomes name as their engine, first with the image as it was asked for. */
  named(engine: string): void;
  signal: AbortSignal;
}

export interface PreparedContainer {
  spec: ContainerSpec;
  record: AttemptRecord;
  /** Belongs to the caller, who closes it. */
  network: SandboxNetwork | null;
}

/** Throws AttemptFailed, and the errors of the engine and the file system. The folder is to be removed in any case. */
export async function prepareContainer(dependencies: PreparationDependencies): Promise<PreparedContainer> {
  const { request, access, nodeId, folder, named, signal } = dependencies;
  const program = dockerProgram(request);
  const { version, info } = await access.describe();
  const engine = `${version.engine} ${version.version}`;
  named(`${engine} ${program.image}`);
  const image = await obtainImage(access.engine(), program, version.architecture, signal);
  const identity = `${engine} ${imageIdentity(program.image, image)}`;
  named(identity);
  const user = containerUser(process.getuid?.() ?? null, process.getgid?.() ?? null);
  const [userId = 0, groupId = 0] = user.split(':').map(Number);
  const plan = planMounts(request, Object.keys(image.Config?.Volumes ?? {}));
  // Only root can give files away, and only root has to.
  const owner = process.getuid?.() === 0 ? { userId, groupId } : null;
  const { mounts, writable, ownEntries } = await folder.prepare(plan, request, owner);
  const record = { writable, ownEntries, engine: identity };
  await folder.writeRecord(record);
  signal.throwIfAborted();
  const network = await openNetwork(request, dependencies.network, folder);
  if (network !== null) {
    mounts.push({ hostPath: network.hostDirectory, sandboxPath: network.sandboxDirectory, readOnly: true });
  }
  const { index, count } = request.partition;
  const partition = { FOG_PARTITION_INDEX: String(index), FOG_PARTITION_COUNT: String(count) };
  const spec = containerSpec({
    engine: version.engine,
    imageId: image.Id,
    command: program.command,
    args: request.args,
    launcher: network === null ? null : { command: [...network.forwarderCommand, '--'], image: image.Config ?? {} },
    env: { ...network?.env, ...request.env, ...partition },
    workingDirectory: program.workingDirectory,
    user,
    nodeId,
    attemptId: request.attemptId,
    limits: request.limits,
    mounts,
    stdin: request.stdin !== null,
    init: info.InitBinary !== undefined && info.InitBinary !== '',
  });
  if (network !== null && spec.Cmd?.length === 0) {
    throw new AttemptFailed('command-not-found', `The image ${program.image} says nothing of what it runs.`);
  }
  return { spec, record, network };
}

/** Null for a program that neither reaches out nor is reached. */
export async function openNetwork(
  request: AttemptRequest,
  network: NetworkOpener | null,
  folder: AttemptFolder,
): Promise<SandboxNetwork | null> {
  const policy = dockerProgram(request).network;
  if (network === null || (policy.allow.length === 0 && !policy.inbound)) return null;
  return network(policy, join(folder.path, 'network'));
}

export function dockerProgram({ program }: Pick<AttemptRequest, 'program'>): DockerProgram {
  if (program.runtime !== 'docker') throw new TypeError('checked by the runtime');
  return program;
}
