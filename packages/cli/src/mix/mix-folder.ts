/** Where the files of a test network lie, and how a command finds the genesis of a network. */
import { dirname, join, resolve } from 'node:path';
import { type Genesis, parseGenesis } from '@fog/betanet';
import { FogError } from '@fog/contract';
import { dataDirectoryOf } from '../commands/command-context.ts';
import { readGivenFile } from '../given-files.ts';
import type { Terminal } from '../terminal.ts';

const GENESIS_FILE = 'genesis.json';
const SOCKET_FILE = 'control.sock';

export interface TestNetworkFolder {
  path: string;
  genesis: string;
  /** Unix socket of the running network, its owner's alone. */
  socket: string;
}

export interface NetworkOptions {
  genesis?: string;
  data?: string;
}

/** In the usual data folder, or in the one that `--data` names. */
export function testNetworkFolder(terminal: Terminal, options: { data?: string }): TestNetworkFolder {
  return folderAt(join(dataDirectoryOf(terminal, options), 'mix-test'));
}

export interface FoundNetwork {
  genesis: Genesis;
  /** Of the genesis. */
  file: string;
  /** Where `fog mix up` would answer for this network. */
  socket: string;
}

/** The network of `--genesis`, or of `fog mix up`. Throws `not-found` and `invalid-configuration`. */
export async function findNetwork(terminal: Terminal, options: NetworkOptions): Promise<FoundNetwork> {
  if (options.genesis === undefined) {
    const { genesis: file, socket } = testNetworkFolder(terminal, options);
    const text = await readGivenFile(terminal, file).catch((cause: unknown) => {
      throw new FogError('not-found', `no test network has been started: ${FogError.from(cause).message}`, {
        cause,
        hint: 'start one with "fog mix up", or name the genesis of another network with --genesis',
      });
    });
    return { genesis: parsed(text, file), file, socket };
  }
  const file = resolve(terminal.workingDirectory, options.genesis);
  const text = await readGivenFile(terminal, options.genesis);
  return { genesis: parsed(text, options.genesis), file, socket: folderAt(dirname(file)).socket };
}

function folderAt(path: string): TestNetworkFolder {
  return { path, genesis: join(path, GENESIS_FILE), socket: join(path, SOCKET_FILE) };
}

function parsed(text: string, name: string): Genesis {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FogError('invalid-configuration', `${name} is not JSON: ${(cause as Error).message}`, { cause });
  }
  return parseGenesis(value);
}
