/** `fog rollout`: what is deployed, what it is doing, and its history. */
import type { Command } from 'commander';
import { CLI_LIMITS } from '../limits.ts';
import { deploymentListText, deploymentText, replicaListText, revisionListText } from '../output/deployment-text.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import { allPages, connect, stdoutColours } from './command-context.ts';
import { type OwnerOptions, withOwner } from './deploy.ts';

export function addRolloutCommands(program: Command, terminal: Terminal): void {
  const rollout = program.command('rollout').description('see what is deployed and what became of updates');
  withOwner(rollout.command('ls').description('list deployments')).action(async (options: OwnerOptions) => {
    const { client } = await connect(terminal, options);
    const owner = options.principal === undefined ? {} : { principal: options.principal };
    const items = await Array.fromAsync(
      allPages((cursor) =>
        client.call('listDeployments', { query: { ...owner, ...(cursor === undefined ? {} : { cursor }) } }),
      ),
    );
    if (options.json) await writeJson(terminal, { items });
    else await writeLine(terminal, deploymentListText(items, Date.now(), stdoutColours(terminal)));
  });
  const status = rollout
    .command('status <name>')
    .description('describe a deployment with its replicas and their jobs')
    .option('--all', `all replicas, not only the first ${CLI_LIMITS.shownTasks}`);
  withOwner(status).action(async (name: string, options: OwnerOptions & { all?: boolean }) => {
    const fog = await connect(terminal, options);
    const deployment = await fog.deployment(name, options.principal).get();
    if (options.json) {
      await writeJson(terminal, deployment);
      return;
    }
    const colours = stdoutColours(terminal);
    const { replicas, revisions } = deployment;
    await writeLine(terminal, deploymentText(deployment, Date.now(), colours));
    const shown = options.all ? replicas : replicas.slice(0, CLI_LIMITS.shownTasks);
    if (shown.length > 0) await writeLine(terminal, `\n${replicaListText(shown, Date.now(), colours)}`);
    if (replicas.length > shown.length) await writeLine(terminal, `... ${replicas.length - shown.length} more: --all`);
    const running = revisions.filter(({ job }) => replicas.some((replica) => replica.job === job));
    await writeLine(terminal, `\n${revisionListText(running.length > 0 ? running : revisions, Date.now(), colours)}`);
  });
  const history = rollout.command('history <name>').description('list the revisions of a deployment, newest first');
  withOwner(history).action(async (name: string, options: OwnerOptions) => {
    const { client } = await connect(terminal, options);
    const query = options.principal === undefined ? {} : { principal: options.principal };
    const { items } = await client.call('listRevisions', { params: { name }, query });
    if (options.json) await writeJson(terminal, { items });
    else await writeLine(terminal, revisionListText(items, Date.now(), stdoutColours(terminal)));
  });
  const remove = rollout.command('remove <name>').description('stop all replicas of a deployment and forget it');
  withOwner(remove).action(async (name: string, options: OwnerOptions) => {
    const fog = await connect(terminal, options);
    await fog.deployment(name, options.principal).remove();
    if (options.json) await writeJson(terminal, { name });
    else await note(terminal, `deployment ${name} is being removed`);
  });
}
