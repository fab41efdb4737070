/** `fog wallet` and `fog market`: money, and what work costs. */
import { randomUUID } from 'node:crypto';
import type { MarketPrice, Wallet, WalletEntry } from '@fog/contract';
import { formatFog, parseFog } from '@fog/economy/amounts';
import type { Command } from 'commander';
import { momentText } from '../output/moments.ts';
import { deploymentPaymentText, fogText as fog, jobPaymentText } from '../output/payment-text.ts';
import { renderTable } from '../output/table.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import {
  allPages,
  type CommonOptions,
  connect,
  stdoutColours,
  wholeNumber,
  withConnection,
} from './command-context.ts';

const HELP = `
A job is covered at its submit with the most that it can cost; each result that counts is paid out of that at once, and
what is left returns when the job has ended. Services and daemons are covered by periods of a slice, out of the wallet of
their owner. Money of the faucet can be spent on jobs and services, and nothing else.

Examples:
  $ fog wallet                   what can be spent
  $ fog wallet history           what came in and went out
  $ fog wallet job JOB           what a job was covered with, and what it has cost
  $ fog wallet deployment web    what a service costs a period, and until when it is covered
  $ fog wallet send alice 12.5   to another principal`;

interface WhoseOptions extends CommonOptions {
  principal?: string;
}

export function addWalletCommands(program: Command, terminal: Terminal): void {
  const wallet = program
    .command('wallet')
    .description('tell what you can spend, and what came in and went out')
    .addHelpText('after', HELP);
  const show = wallet.command('show', { isDefault: true }).description('tell what can be spent');
  withConnection(whose(show)).action(async ({ principal, ...options }: WhoseOptions) => {
    const { client } = await connect(terminal, options);
    const found = await client.call('getWallet', { query: principal === undefined ? {} : { principal } });
    if (options.json) await writeJson(terminal, found);
    else await writeLine(terminal, walletTable(found, terminal));
  });
  addHistory(wallet, terminal);
  addSend(wallet, terminal);
  const job = wallet.command('job <job>').description('tell what a job was covered with, and what it has cost');
  withConnection(job).action(async (id: string, options: CommonOptions) => {
    const { client } = await connect(terminal, options);
    const payment = await client.call('getJobPayment', { params: { job: id } });
    if (options.json) await writeJson(terminal, payment);
    else await writeLine(terminal, jobPaymentText(payment, stdoutColours(terminal)));
  });
  addDeployment(wallet, terminal);
}

function addDeployment(wallet: Command, terminal: Terminal): void {
  const deployment = wallet
    .command('deployment <name>')
    .description('tell what a service or daemon costs a period, and until when it is covered');
  withConnection(whose(deployment)).action(async (name: string, { principal, ...options }: WhoseOptions) => {
    const { client } = await connect(terminal, options);
    const query = principal === undefined ? {} : { principal };
    const payment = await client.call('getDeploymentPayment', { params: { name }, query });
    if (options.json) await writeJson(terminal, payment);
    else await writeLine(terminal, deploymentPaymentText(payment, Date.now(), stdoutColours(terminal)));
  });
}

/** What a slice costs. */
export function addMarketCommand(program: Command, terminal: Terminal): void {
  const market = program.command('market').description('tell what a slice costs: one processor, 2 GiB, 5 minutes');
  withConnection(market).action(async (options: CommonOptions) => {
    const { client } = await connect(terminal, options);
    const { items } = await client.call('listPrices', {});
    if (options.json) await writeJson(terminal, { items });
    else await writeLine(terminal, priceTable(items, terminal));
  });
}

function whose(command: Command): Command {
  return command.option('--principal <name>', 'of somebody else; for the operator');
}

function addHistory(wallet: Command, terminal: Terminal): void {
  const history = wallet
    .command('history')
    .description('tell what came into a wallet and left it, newest first')
    .option('--limit <n>', 'so many entries', wholeNumber(1), 50);
  withConnection(whose(history)).action(async ({ principal, limit, ...options }: WhoseOptions & { limit: number }) => {
    const { client } = await connect(terminal, options);
    const named = principal === undefined ? {} : { principal };
    const items: WalletEntry[] = [];
    const pages = allPages((cursor) =>
      client.call('listWalletEntries', { query: { ...named, ...(cursor === undefined ? {} : { cursor }) } }),
    );
    for await (const item of pages) if (items.push(item) === limit) break;
    if (options.json) await writeJson(terminal, { items });
    else await writeLine(terminal, historyTable(items, terminal));
  });
}

function addSend(wallet: Command, terminal: Terminal): void {
  const send = wallet
    .command('send <principal> <fog>')
    .description('send FOG to another principal')
    .option('--key <text>', 'the same key sends once, however often it is tried');
  withConnection(send).action(
    async (to: string, amount: string, { key, ...options }: CommonOptions & { key?: string }) => {
      const { client } = await connect(terminal, options);
      const body = { to, amount: String(parseFog(amount)), key: key ?? randomUUID() };
      const entry = await client.call('sendMoney', { body });
      if (options.json) await writeJson(terminal, entry);
      else await note(terminal, `${formatFog(BigInt(entry.amount))} FOG sent to ${to}`);
    },
  );
}

function walletTable({ balances }: Wallet, terminal: Terminal): string {
  const rows = balances.map(({ currency, available, inEscrow }) => [currency, fog(available), fog(inEscrow)]);
  return renderTable(['currency', 'available', 'in escrow'], rows, stdoutColours(terminal));
}

function historyTable(entries: readonly WalletEntry[], terminal: Terminal): string {
  if (entries.length === 0) return 'Nothing has come in or gone out.';
  const rows = entries.map(({ at, kind, direction, amount, currency, other }) => [
    momentText(at, Date.now()),
    kind,
    `${direction === 'in' ? '+' : '-'}${fog(amount)}`,
    currency,
    other.name === '' ? other.kind : `${other.kind} ${other.name}`,
  ]);
  return renderTable(['when', 'what for', 'FOG', 'currency', 'from or to'], rows, stdoutColours(terminal));
}

function priceTable(prices: readonly MarketPrice[], terminal: Terminal): string {
  const rows = prices.map(({ region, microFog, usedSlices, offeredSlices }) => [
    region === '' ? '(none)' : region,
    fog(String(microFog)),
    `${usedSlices} of ${offeredSlices}`,
  ]);
  return renderTable(['region', 'FOG a slice', 'used'], rows, stdoutColours(terminal));
}
