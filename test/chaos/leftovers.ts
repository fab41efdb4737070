/** What attempts have left on this machine, looked for from outside of the product. */
import { readdir, readFile, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { TestEngine } from '../support/docker-engine.ts';

/** Names each container, control group and folder. */
export async function findLeftovers(
  agents: readonly { directory: string; nodeId: string }[],
  containers: TestEngine | null,
): Promise<string[]> {
  if (containers === null) return [];
  const listed = await containers.engine.listContainers({});
  const found = listed.map(
    ({ Id, State, Labels }) => `container ${Id.slice(0, 12)} (${State}) of ${Labels['fog.node']}`,
  );
  for (const { directory, nodeId } of agents) {
    found.push(...(await folders(join(directory, 'scratch'), nodeId)), ...(await controlGroups(nodeId)));
    found.push(...(await orphans(nodeId)));
  }
  return found;
}

/** Whatever lies in the folders of the engines but their own sockets. */
async function folders(scratch: string, nodeId: string): Promise<string[]> {
  const engines = await readdir(scratch).catch(() => []);
  const entries = await Promise.all(
    engines.map(async (engine) => (await readdir(join(scratch, engine))).map((name) => join(engine, name))),
  );
  return entries.flat().map((name) => `folder ${name} of ${nodeId}`);
}

/** Processes of sandboxes, which name their node in their environment, that have no parent any more. */
async function orphans(nodeId: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      if (!environment.split('\0').includes(`FOG_NODE=${nodeId}`)) return [];
      const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
      return /^PPid:\s+1$/m.test(status) ? [`process ${pid} of ${nodeId}`] : [];
    }),
  );
  return found.flat();
}

/** The group of a node that was killed stays for its next agent. There is none after a run. */
export async function removeNodeGroups(nodeIds: readonly string[]): Promise<void> {
  const folders = (await Promise.all(nodeIds.map(groupsOfNode))).flat();
  await Promise.all(folders.map((folder) => rmdir(folder).catch(() => undefined)));
}

/** In each hierarchy of either version, whether it is there or not. */
async function groupsOfNode(nodeId: string): Promise<string[]> {
  const root = '/sys/fs/cgroup';
  return ['', ...(await readdir(root))].map((name) => join(root, name, `fog-${nodeId}`));
}

/** Groups below that of the node. */
async function controlGroups(nodeId: string): Promise<string[]> {
  const groups = await Promise.all(
    (await groupsOfNode(nodeId)).map(async (folder) => {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      return entries.filter((entry) => entry.isDirectory()).map((entry) => `control group ${join(folder, entry.name)}`);
    }),
  );
  return groups.flat().map((group) => `${group} of ${basename(nodeId)}`);
}
