/** `fog ledger`: the ledger of money as it is stored, checked and exported without a coordinator; how far a running one is. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { FogError } from '@fog/contract';
import type { LedgerSource, NotedSeal } from '@fog/coordinator/ledger';
import type { Command } from 'commander';
import { EXIT } from '../exit-code.ts';
import { ledgerHeadText, ledgerText } from '../output/ledger-text.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import {
  type CommonOptions,
  connect,
  dataDirectoryOf,
  stdoutColours,
  withConnection,
  withJson,
} from './command-context.ts';

const VERIFY_HELP = `
Checks the ledger from its first row: every hash of the chain that seals it, every balance, which the rules are asked
for again, and that debits and credits are equal. What is wrong is told with its row, its field, what it has to be and
what is there, as far as something tells it. Nothing is changed, and no coordinator is needed; one may run.

PLACE is a data folder, a fog.sqlite, a postgres:// address, or a file of "fog ledger export"; without it, the data
folder of "fog up". Rows that are committed and not sealed yet are told: they are checked by the rules alone. The hash
of the last seal says everything before it. Note it where the owner of the database has no say, with the number of its
row: --head HASH --sequence N then tells whether that chain is the beginning of this one. One that was written anew from
some row on is right in itself, and found out by this alone.

Exit code: 0 when all is as it should be, 1 when a fault was found, 2 when there is no ledger.

Examples:
  $ fog ledger verify
  $ fog ledger verify postgres://fog@db/fog --json
  $ fog ledger verify ledger.jsonl
  $ fog ledger verify --head 5f0c…e1 --sequence 1200`;

const EXPORT_HELP = `
Writes every row as a line of JSON, batch by batch, with the seals. docs/economy.md tells what is hashed, so that
somebody else can check the file with a program of their own; "fog ledger verify FILE" does.

Examples:
  $ fog ledger export ledger.jsonl
  $ fog ledger export ledger.jsonl --from postgres://fog@db/fog`;

const HEAD_HELP = `
Whoever has a token may ask. A seal says every row before it: note it where the owner of the database has no say. A later
"fog ledger verify --head HASH --sequence N", by the operator or over an export, tells whether what is there by then goes
on from it.

Examples:
  $ fog ledger head
  $ fog ledger head --json >> seals.jsonl`;

interface LedgerOptions {
  data?: string;
  from?: string;
  json?: boolean;
  head?: string;
  sequence?: string;
}

export function addLedgerCommands(program: Command, terminal: Terminal): void {
  const ledger = program
    .command('ledger')
    .description('check and export the ledger of money, offline; tell how far it is');
  const verify = ledger
    .command('verify [place]')
    .description('check the chain and every balance')
    .option('--data <dir>', 'data folder of "fog up" (FOG_DATA)')
    .option('--head <hash>', 'a seal that was noted before: the chain has to go on from it')
    .option('--sequence <n>', 'the last row before that seal')
    .addHelpText('after', VERIFY_HELP);
  withJson(verify).action((place: string | undefined, options: LedgerOptions) => verifyPlace(terminal, place, options));
  const exported = ledger
    .command('export <file>')
    .description('write every row as a line of JSON')
    .option('--from <place>', 'data folder, fog.sqlite or postgres:// address')
    .option('--data <dir>', 'data folder of "fog up" (FOG_DATA)')
    .addHelpText('after', EXPORT_HELP);
  withJson(exported).action((file: string, options: LedgerOptions) => exportTo(terminal, file, options));
  const head = ledger
    .command('head')
    .description('tell how far the ledger of a running fog is, and its seal, to be noted elsewhere')
    .addHelpText('after', HEAD_HELP);
  withConnection(head).action(async (options: CommonOptions) => {
    const { client } = await connect(terminal, options);
    const found = await client.call('getLedger', {});
    if (options.json) await writeJson(terminal, found);
    else await writeLine(terminal, ledgerHeadText(found));
  });
}

async function verifyPlace(terminal: Terminal, given: string | undefined, options: LedgerOptions): Promise<void> {
  const { fileSource, verifyLedger } = await import('@fog/coordinator/ledger');
  const noted = notedSeal(options);
  const place = placeOf(terminal, given, options);
  const verdict = (await isExport(place))
    ? await verifyLedger(fileSource(place), noted)
    : await fromDatabase(place, (source) => verifyLedger(source, noted));
  if (!verdict.isValid) terminal.exitCode = EXIT.taskFailed;
  if (options.json) await writeJson(terminal, verdict);
  else await writeLine(terminal, ledgerText(verdict, stdoutColours(terminal)));
}

/** Throws `invalid-request` for what no seal can be. */
function notedSeal({ head, sequence }: Pick<LedgerOptions, 'head' | 'sequence'>): NotedSeal | null {
  if (head === undefined && sequence === undefined) return null;
  const hint = 'give what an earlier "fog ledger verify" showed: --head HASH --sequence N';
  if (head === undefined) throw new FogError('invalid-request', '--sequence stands beside --head', { hint });
  if (!/^[0-9a-f]{64}$/i.test(head)) {
    throw new FogError('invalid-request', `"${head.slice(0, 70)}" is no hash of a seal: it has 64 digits`, { hint });
  }
  const row = sequence === undefined ? null : Number(sequence);
  if (row !== null && !(/^[1-9]\d{0,15}$/.test(sequence ?? '') && Number.isSafeInteger(row))) {
    throw new FogError('invalid-request', `"${sequence?.slice(0, 60)}" is no number of a row`, { hint });
  }
  return { hash: head.toLowerCase(), sequence: row };
}

async function exportTo(terminal: Terminal, file: string, options: LedgerOptions): Promise<void> {
  const { ledgerLines } = await import('@fog/coordinator/ledger');
  const path = resolve(terminal.workingDirectory, file);
  const lines = await fromDatabase(placeOf(terminal, options.from, options), (source) =>
    writeLines(path, ledgerLines(source)),
  );
  if (options.json) await writeJson(terminal, { file: path, lines });
  else await note(terminal, `${lines} lines in ${path}`);
}

async function fromDatabase<Result>(place: string, run: (source: LedgerSource) => Promise<Result>): Promise<Result> {
  const { databaseSource, withStoredLedger } = await import('@fog/coordinator/ledger');
  return withStoredLedger(place, (reader) => run(databaseSource(reader)));
}

function placeOf(terminal: Terminal, given: string | undefined, options: LedgerOptions): string {
  if (given === undefined) return dataDirectoryOf(terminal, options);
  return /^postgres(ql)?:\/\//.test(given) ? given : resolve(terminal.workingDirectory, given);
}

/** A file that is no database. */
async function isExport(place: string): Promise<boolean> {
  const found = await stat(place).catch(() => null);
  return found?.isFile() === true && !/\.(sqlite|db)$/.test(place);
}

async function writeLines(path: string, lines: AsyncIterable<string>): Promise<number> {
  const file = createWriteStream(path);
  let count = 0;
  try {
    await once(file, 'open');
    for await (const line of lines) {
      count += 1;
      if (!file.write(`${line}\n`)) await once(file, 'drain');
    }
    file.end();
    await once(file, 'finish');
    return count;
  } catch (cause) {
    file.destroy();
    if (cause instanceof FogError) throw cause;
    throw new FogError('invalid-request', `cannot write ${path}: ${(cause as Error).message}`, {
      cause,
      hint: 'name a file in a folder that exists and that you may write to',
    });
  }
}
