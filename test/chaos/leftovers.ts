/** What attempts have left on this machine, looked for from outside of the product. */
import { readdir } from 'node:fs/promises';
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

/** Groups below that of the node, in each hierarchy of either version. */
async function controlGroups(nodeId: string): Promise<string[]> {
  const root = '/sys/fs/cgroup';
  const hierarchies = ['', ...(await readdir(root))].map((name) => join(root, name, `fog-${nodeId}`));
  const groups = await Promise.all(
    hierarchies.map(async (folder) => {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      return entries.filter((entry) => entry.isDirectory()).map((entry) => `control group ${join(folder, entry.name)}`);
    }),
  );
  return groups.flat().map((group) => `${group} of ${basename(nodeId)}`);
}
