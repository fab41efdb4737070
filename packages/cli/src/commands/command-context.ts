/** What the commands share: their options for the connection, and how an action becomes an exit code. */
import { resolve } from 'node:path';
import { FogError } from '@fog/contract';
import { defaultDataDirectory, Fog } from '@fog/sdk';
import { type Command, Option } from 'commander';
import { coloursOf, type Terminal } from '../terminal.ts';

export interface CommonOptions {
  json?: boolean;
  url?: string;
  data?: string;
}

export function withJson(command: Command): Command {
  return command.addOption(new Option('--json', 'print JSON: one document, or one object a line'));
}

/** Options of every command that talks to a coordinator. */
export function withConnection(command: Command): Command {
  return withJson(command)
    .addOption(new Option('--url <url>', 'address of the coordinator (FOG_URL)'))
    .addOption(new Option('--data <dir>', 'data folder of "fog up", where address and token are found (FOG_DATA)'));
}

export function connect(terminal: Terminal, options: CommonOptions): Promise<Fog> {
  return Fog.connect({
    url: options.url,
    dataDirectory: dataDirectoryOf(terminal, options),
    environment: terminal.environment,
  });
}

export function dataDirectoryOf(terminal: Terminal, options: { data?: string }): string {
  const given = options.data;
  return given === undefined ? defaultDataDirectory(terminal.environment) : resolve(terminal.workingDirectory, given);
}

export function stdoutColours(terminal: Terminal) {
  return coloursOf(terminal, 'stdout');
}

/** Reads a whole number of at least `least`. */
export function wholeNumber(least: number) {
  return (text: string): number => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < least) {
      throw new FogError('invalid-request', `"${text}" is not a whole number from ${least}`);
    }
    return number;
  };
}

/** Reads a number that is not negative. */
export function decimal(text: string): number {
  if (/^(\d+(\.\d*)?|\.\d+)$/.test(text)) return Number(text);
  throw new FogError('invalid-request', `"${text}" is not a number from 0`);
}

/** `k=v`, repeatable. */
export function labelOption(text: string, before: Record<string, string> | undefined): Record<string, string> {
  const match = /^([^=]+)=(.*)$/s.exec(text);
  if (match === null) throw new FogError('invalid-request', `"${text}" is not a label; write key=value`);
  return { ...before, [match[1] as string]: match[2] as string };
}

/** Repeatable. */
export function listOption(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** All items of a paged route. */
export async function* allPages<Item>(
  fetchPage: (cursor: string | undefined) => Promise<{ items: Item[]; next: string | null }>,
): AsyncGenerator<Item> {
  let cursor: string | undefined;
  do {
    const page = await fetchPage(cursor);
    yield* page.items;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
}
