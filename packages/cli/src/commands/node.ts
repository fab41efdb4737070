/** `fog node`: the computers of the fog, seen from the coordinator. */
import { counted, FogError, type Node, nodeIdSchema, parseDuration } from '@fog/contract';
import type { Fog } from '@fog/sdk';
import type { Command } from 'commander';
import { eventLine } from '../output/event-text.ts';
import { nodeListText, nodeText, ownerListText } from '../output/node-text.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import { allPages, type CommonOptions, connect, stdoutColours, withConnection } from './command-context.ts';
import { addJoinCommand } from './node-join.ts';

export function addNodeCommands(program: Command, terminal: Terminal): void {
  const node = program.command('node').description('join this computer to a fog, and look after the nodes of one');
  addJoinCommand(node, terminal);
  addList(node, terminal);
  addGet(node, terminal);
  addOwners(node, terminal);
  addChanges(node, terminal);
}

function addList(node: Command, terminal: Terminal): void {
  withConnection(node.command('ls').description('list nodes')).action(async (options: CommonOptions) => {
    const fog = await connect(terminal, options);
    const items = await allNodes(fog);
    if (options.json) await writeJson(terminal, { items });
    else await writeLine(terminal, nodeListText(items, Date.now(), stdoutColours(terminal)));
  });
}

function addGet(node: Command, terminal: Terminal): void {
  const command = node
    .command('get <node>')
    .description('describe a node, by name or id')
    .option('--events', 'also what happened to it');
  withConnection(command).action(async (name: string, options: CommonOptions & { events?: boolean }) => {
    const fog = await connect(terminal, options);
    const found = await findNode(fog, name);
    const events = options.events ? await Array.fromAsync(nodeEvents(fog, found.id)) : null;
    if (options.json) {
      await writeJson(terminal, events === null ? found : { node: found, events });
      return;
    }
    const colours = stdoutColours(terminal);
    await writeLine(terminal, nodeText(found, Date.now(), colours));
    for (const record of events ?? []) await writeLine(terminal, eventLine(record, colours));
  });
}

function addOwners(node: Command, terminal: Terminal): void {
  const command = node.command('owners').description('how far results of the nodes of each owner can be relied on');
  withConnection(command).action(async (options: CommonOptions) => {
    const fog = await connect(terminal, options);
    const items = await Array.fromAsync(
      allPages((cursor) => fog.client.call('listOwners', { query: cursor === undefined ? {} : { cursor } })),
    );
    if (options.json) await writeJson(terminal, { items });
    else await writeLine(terminal, ownerListText(items, stdoutColours(terminal)));
  });
}

function addChanges(node: Command, terminal: Terminal): void {
  const drain = node
    .command('drain <node>')
    .description(
      'place nothing new on a node and let it finish what runs; it then ends until "fog up" or "fog node join" starts it again',
    )
    .option('--deadline <duration>', 'time for what runs; the rest is placed elsewhere', '10m');
  withConnection(drain).action(async (name: string, options: CommonOptions & { deadline: string }) => {
    parseDuration(options.deadline);
    const fog = await connect(terminal, options);
    const { id } = await findNode(fog, name);
    const drained = await fog.client.call('drainNode', { params: { node: id }, body: { deadline: options.deadline } });
    if (options.json) await writeJson(terminal, drained);
    else
      await note(terminal, `node ${drained.name} is draining, it runs ${counted(drained.running.length, 'attempt')}`);
  });
  for (const cordoned of [true, false]) {
    const command = node
      .command(cordoned ? 'cordon <node>' : 'uncordon <node>')
      .description(cordoned ? 'place nothing new on a node' : 'place work on a node again');
    withConnection(command).action(async (name: string, options: CommonOptions) => {
      const fog = await connect(terminal, options);
      const found = await findNode(fog, name);
      const changed = await fog.client.call('cordonNode', { params: { node: found.id }, body: { cordoned } });
      if (options.json) await writeJson(terminal, changed);
      else await note(terminal, cordoned ? `node ${changed.name} is cordoned` : openText(changed, found.draining));
    });
  }
  for (const trusted of [true, false]) {
    const change = node
      .command(`${trusted ? 'trust' : 'untrust'} <node>`)
      .description(
        trusted
          ? 'accept the results of a node as they are, and let it decide where those of others differ'
          : 'verify the results of a node like those of any other',
      );
    withConnection(change).action(async (name: string, options: CommonOptions) => {
      const fog = await connect(terminal, options);
      const { id } = await findNode(fog, name);
      const changed = await fog.client.call('trustNode', { params: { node: id }, body: { trusted } });
      if (options.json) await writeJson(terminal, changed);
      else await note(terminal, `node ${changed.name} is ${trusted ? 'trusted' : 'not trusted any more'}`);
    });
  }
  const remove = node
    .command('rm <node>')
    .description('forget a node; one that still runs and has a valid join token joins again');
  withConnection(remove).action(async (name: string, options: CommonOptions) => {
    const fog = await connect(terminal, options);
    const found = await findNode(fog, name);
    await fog.client.call('removeNode', { params: { node: found.id } });
    if (options.json) await writeJson(terminal, { id: found.id, name: found.name });
    else {
      const hint =
        found.state === 'connected' ? '; it was connected: stop it, or it joins again if its join token is valid' : '';
      await note(terminal, `node ${found.name} is removed${hint}`);
    }
  });
}

/** A node that drains ends in any case. */
function openText({ name, state }: Node, wasDraining: boolean): string {
  if (wasDraining) {
    return `node ${name} was drained: it comes back with the next "fog up" if it is one of those, else by "fog node join" on its computer`;
  }
  return `node ${name} is open for work${state === 'connected' ? '' : ', once it is connected'}`;
}

function allNodes(fog: Fog): Promise<Node[]> {
  return Array.fromAsync(
    allPages((cursor) => fog.client.call('listNodes', { query: cursor === undefined ? {} : { cursor } })),
  );
}

/** By id, or by a name that only one node has. */
async function findNode(fog: Fog, name: string): Promise<Node> {
  if (nodeIdSchema.safeParse(name).success) return fog.client.call('getNode', { params: { node: name } });
  const found = (await allNodes(fog)).filter((node) => node.name === name);
  const [first] = found;
  if (first === undefined) throw new FogError('not-found', `there is no node ${name}`, { hint: 'see "fog node ls"' });
  if (found.length > 1) {
    throw new FogError('conflict', `${found.length} nodes have the name ${name}`, {
      hint: `use an id: ${found.map((node) => node.id).join(', ')}`,
    });
  }
  return first;
}

async function* nodeEvents(fog: Fog, node: string) {
  for (let after = 0; ; ) {
    const page = await fog.client.call('nodeEvents', { params: { node }, query: { after } });
    yield* page.items;
    if (page.items.length === 0) return;
    after = page.items.at(-1)?.sequence ?? after;
  }
}
