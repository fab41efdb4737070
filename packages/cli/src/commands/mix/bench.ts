/** `fog mix bench`: how fast this machine unwraps packets. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { renderTable } from '../../output/table.ts';
import { note, type Terminal, writeJson, writeLine } from '../../terminal.ts';
import { stdoutColours, withJson } from '../command-context.ts';

interface BenchOptions {
  backend?: 'native' | 'sodium' | 'typescript';
  json?: boolean;
}

const HELP = `
Unwraps packets of the default size (7 hops, 2,000 bytes of payload) for one second with each way that this machine has
to do it, on one core. This is the arithmetic alone: no sockets, no replay check, no disk. A node takes the first
backend that can run, in the order native, sodium, typescript; the reasons why those before it cannot are told.

Examples:
  $ fog mix bench
  $ fog mix bench --backend typescript --json`;

export function addMixBenchCommand(mix: Command, terminal: Terminal): void {
  const command = mix
    .command('bench')
    .description('measure how fast this machine unwraps packets, by backend')
    .addOption(
      new Option('--backend <name>', 'only this one; fails when it cannot run').choices([
        'native',
        'sodium',
        'typescript',
      ]),
    )
    .addHelpText('after', HELP);
  withJson(command).action(async ({ backend, json }: BenchOptions) => {
    const { chooseBackend } = await import('@fog/sphinx');
    const { measureUnwrapping, unwrapTiers } = await import('../../mix/unwrap-bench.ts');
    const chosen = chooseBackend(backend === undefined ? {} : { prefer: backend });
    const { name, description } = chosen.backend;
    if (!json) {
      await writeLine(terminal, `backend: ${name}: ${description}`);
      const why =
        backend === undefined ? 'it is the first in the order native, sodium, typescript' : 'it was asked for';
      const reasons = chosen.reasons.map((reason) => `  ${reason}`);
      await writeLine(terminal, reasons.length === 0 ? `why: ${why}` : `why: those before it cannot run:`);
      for (const reason of reasons) await writeLine(terminal, reason);
      await note(terminal, 'measuring, one second each');
    }
    const results = unwrapTiers(backend).map(({ tier, backend: measured, reason }) => ({
      tier,
      unwrapsPerSecond: measured === null ? null : measureUnwrapping(measured),
      description: measured?.description ?? null,
      reason,
    }));
    if (json) {
      await writeJson(terminal, { backend: name, description, reasons: chosen.reasons, tiers: results });
      return;
    }
    const rows = results.map(({ tier, unwrapsPerSecond, description: what, reason }) => [
      tier,
      unwrapsPerSecond === null ? '-' : String(unwrapsPerSecond),
      what ?? `not here: ${reason}`,
    ]);
    await writeLine(terminal);
    await writeLine(terminal, renderTable(['tier', 'unwraps/s', 'how'], rows, stdoutColours(terminal)));
  });
}
