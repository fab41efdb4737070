/** `fog stake`: what answers for the results of one's nodes, and for whose else. */
import { randomUUID } from 'node:crypto';
import { FogError, type SlashRecord, type Stake, type StakeChange, type ValidatorStanding } from '@fog/contract';
import { formatFog, parseFog } from '@fog/economy/amounts';
import type { Command } from 'commander';
import { momentText } from '../output/moments.ts';
import { renderTable } from '../output/table.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import { allPages, type CommonOptions, connect, stdoutColours, withConnection } from './command-context.ts';

const HELP = `
Who owns nodes is a validator: its own stake, and what others delegate to it, answers for what its nodes compute. A
result that is proven wrong costs a part of it. Stake that leaves can be spent two weeks later. Replicated tasks ask for
no bond; of what other tasks pay to a newcomer, a part joins its bond until that is full. Each of these leases binds a part
of the stake until it ends: who was slashed, takes stake out, or computes very much at a time gets only what its stake covers.

Examples:
  $ fog stake                             what is at stake, what has left, what it has earned
  $ fog stake bond 100                    100 FOG of your own, for your own nodes
  $ fog stake validators                  who can be delegated to
  $ fog stake delegate vera 50            50 FOG answer for vera's nodes, and share her rewards
  $ fog stake redelegate vera vito 20     move it, without the two weeks
  $ fog stake unbond 20 --from vera       take it out; "all" for all of it
  $ fog stake withdraw                    rewards and commission, into the wallet
  $ fog stake slashes                     results that were proven wrong
  $ fog stake appeal JOB/0/3 --reason "a broken processor"`;

interface KeyOptions extends CommonOptions {
  key?: string;
}

export function addStakeCommands(program: Command, terminal: Terminal): void {
  const stake = program
    .command('stake')
    .description('tell what you have at stake; bond, delegate, unbond')
    .addHelpText('after', HELP);
  const show = stake
    .command('show', { isDefault: true })
    .description('tell what is at stake, what has left, and what it has earned')
    .option('--principal <name>', 'of somebody else; for the operator');
  withConnection(show).action(async ({ principal, ...options }: CommonOptions & { principal?: string }) => {
    const { client } = await connect(terminal, options);
    const found = await client.call('getStake', { query: principal === undefined ? {} : { principal } });
    if (options.json) await writeJson(terminal, found);
    else await writeLine(terminal, stakeText(found, terminal));
  });
  addValidators(stake, terminal);
  addJoining(stake, terminal);
  addLeaving(stake, terminal);
  addOwning(stake, terminal);
  addSlashes(stake, terminal);
}

function addValidators(stake: Command, terminal: Terminal): void {
  const validators = stake.command('validators').description('list who can be delegated to');
  withConnection(validators).action(async (options: CommonOptions) => {
    const { client } = await connect(terminal, options);
    const items: ValidatorStanding[] = [];
    const pages = allPages((cursor) =>
      client.call('listValidators', { query: cursor === undefined ? {} : { cursor } }),
    );
    for await (const item of pages) items.push(item);
    if (options.json) await writeJson(terminal, { items });
    else await writeLine(terminal, validatorTable(items, terminal));
  });
}

function withKey(command: Command): Command {
  return withConnection(command.option('--key <text>', 'the same key does it once, however often it is tried'));
}

function addJoining(stake: Command, terminal: Terminal): void {
  const bond = stake
    .command('bond <fog>')
    .description('put FOG of your own at stake for your own nodes')
    .option('--commission <percent>', 'with the first bond: what you keep of rewards of those who delegate to you')
    .option('--currency <name>', 'fog', 'fog');
  withKey(bond).action(
    async (
      amount: string,
      { key, commission, currency, ...options }: KeyOptions & Joining & { commission?: string },
    ) => {
      const wanted = { kind: 'bond', amount: microFog(amount), currency, key: key ?? randomUUID() } as const;
      const named = commission === undefined ? wanted : { ...wanted, commissionPpm: ppmOf(commission) };
      await change(terminal, options, named, `${amount} FOG bonded`);
    },
  );
  const delegate = stake
    .command('delegate <validator> <fog>')
    .description("put FOG at stake for another's nodes")
    .option('--currency <name>', 'fog', 'fog');
  withKey(delegate).action(
    async (validator: string, amount: string, { key, currency, ...options }: KeyOptions & Joining) => {
      const wanted = { kind: 'delegate', validator, amount: microFog(amount), currency } as const;
      await change(
        terminal,
        options,
        { ...wanted, key: key ?? randomUUID() },
        `${amount} FOG delegated to ${validator}`,
      );
    },
  );
}

interface Joining {
  currency: 'fog' | 'faucet';
}

function addLeaving(stake: Command, terminal: Terminal): void {
  const unbond = stake
    .command('unbond <fog>')
    .description('take stake out, "all" for all of it; it can be spent when its time has passed')
    .option('--from <validator>', 'what was delegated there; your own bond without it');
  withKey(unbond).action(async (amount: string, { key, from, ...options }: KeyOptions & { from?: string }) => {
    const wanted = { kind: 'unbond', amount: leavingAmount(amount), key: key ?? randomUUID() } as const;
    const named = from === undefined ? wanted : { ...wanted, validator: from };
    await change(terminal, options, named, 'it has left; "fog stake" tells when it can be spent');
  });
  const redelegate = stake
    .command('redelegate <from> <to> <fog>')
    .description('move stake to another validator, "all" for all of it');
  withKey(redelegate).action(async (from: string, to: string, amount: string, { key, ...options }: KeyOptions) => {
    const wanted = { kind: 'redelegate', from, to, amount: leavingAmount(amount), key: key ?? randomUUID() } as const;
    await change(terminal, options, wanted, `moved to ${to}`);
  });
}

function addOwning(stake: Command, terminal: Terminal): void {
  const withdraw = stake
    .command('withdraw')
    .description('take rewards and commission into the wallet')
    .option('--from <validator>', 'rewards of one delegation alone');
  withConnection(withdraw).action(async ({ from, ...options }: CommonOptions & { from?: string }) => {
    const wanted = { kind: 'withdraw', ...(from === undefined ? {} : { validator: from }) } as const;
    await change(terminal, options, wanted, 'withdrawn');
  });
  const unjail = stake.command('unjail').description('come back after your nodes were away, or a slash is over');
  withConnection(unjail).action(async (options: CommonOptions) => {
    await change(terminal, options, { kind: 'unjail' }, 'no longer jailed');
  });
  const commission = stake
    .command('commission <percent>')
    .description('set what you keep of rewards of those who delegate to you; up by one point a day at most');
  withConnection(commission).action(async (percent: string, options: CommonOptions) => {
    await change(terminal, options, { kind: 'commission', commissionPpm: ppmOf(percent) }, `commission ${percent} %`);
  });
}

function addSlashes(stake: Command, terminal: Terminal): void {
  const slashes = stake
    .command('slashes')
    .description('list results that were proven wrong, and what they cost')
    .option('--validator <name>', 'of this one alone');
  withConnection(slashes).action(async ({ validator, ...options }: CommonOptions & { validator?: string }) => {
    const { client } = await connect(terminal, options);
    const named = validator === undefined ? {} : { validator };
    const items: SlashRecord[] = [];
    const pages = allPages((cursor) =>
      client.call('listSlashes', { query: { ...named, ...(cursor === undefined ? {} : { cursor }) } }),
    );
    for await (const item of pages) items.push(item);
    if (options.json) await writeJson(terminal, { items });
    else await writeLine(terminal, slashTable(items, terminal));
  });
  const appeal = stake
    .command('appeal <slash>')
    .description('appeal against a held slash of yours, once')
    .requiredOption('--reason <text>', 'why the result was right, or nobody is to blame');
  withConnection(appeal).action(async (fault: string, { reason, ...options }: CommonOptions & { reason: string }) => {
    const { client } = await connect(terminal, options);
    const slash = await client.call('appealSlash', { body: { fault, reason } });
    if (options.json) await writeJson(terminal, slash);
    else await note(terminal, `the operator can decide until ${momentText(slash.decideUntil, Date.now())}`);
  });
  const decide = stake
    .command('decide <slash> <verdict>')
    .description('decide an appeal: upheld or overturned; for the operator')
    .requiredOption('--reason <text>', 'for everybody to see');
  withConnection(decide).action(
    async (fault: string, verdict: string, { reason, ...options }: CommonOptions & { reason: string }) => {
      if (verdict !== 'upheld' && verdict !== 'overturned') {
        throw new FogError('invalid-request', `a verdict is upheld or overturned, not ${verdict}`);
      }
      const { client } = await connect(terminal, options);
      const slash = await client.call('decideSlash', { body: { fault, verdict, reason } });
      if (options.json) await writeJson(terminal, slash);
      else await note(terminal, `${fault} is ${slash.state}`);
    },
  );
}

async function change(terminal: Terminal, options: CommonOptions, wanted: StakeChange, done: string): Promise<void> {
  const { client } = await connect(terminal, options);
  const stake = await client.call('changeStake', { body: wanted });
  if (options.json) await writeJson(terminal, stake);
  else await note(terminal, done);
}

function microFog(amount: string): string {
  return String(parseFog(amount));
}

function leavingAmount(amount: string): string | null {
  return amount === 'all' ? null : microFog(amount);
}

/** Of a percentage with up to four decimals. */
function ppmOf(percent: string): number {
  if (/^\d{1,3}(\.\d{1,4})?$/.test(percent) && Number(percent) <= 100) return Math.round(Number(percent) * 10_000);
  throw new FogError('invalid-request', `"${percent}" is no percentage from 0 to 100`);
}

function stakeText(stake: Stake, terminal: Terminal): string {
  const now = Date.now();
  const colours = stdoutColours(terminal);
  const { validator, delegations, unbonding, moved, votesUntil } = stake;
  if (validator === null && delegations.length === 0 && unbonding.length === 0 && moved.length === 0) {
    return 'Nothing is at stake. Bond some with "fog stake bond FOG".';
  }
  const parts = [
    renderTable(
      ['with', 'FOG', 'cannot leave', 'earned'],
      delegations.map((one) => [one.validator, fog(one.amount), fog(one.locked), fog(one.rewards)]),
      colours,
    ),
  ];
  if (validator !== null) {
    const { status, stake: whole, commissionPpm, commission, slots, missedSlots, faults } = validator;
    const rows = [
      ['state', status === 'jailed' ? `jailed until ${momentText(validator.jailedUntil, now)}` : status],
      ['at stake in all', `${fog(whole)} FOG`],
      ['commission', `${commissionPpm / 10_000} %, ${fog(commission)} FOG earned`],
      ['slots missed', `${missedSlots} of ${slots}`],
      ['slashes', `${faults}, and ${validator.heldSlashes} held`],
    ];
    parts.unshift(renderTable(['as a validator', ''], rows, colours));
  }
  if (unbonding.length > 0) {
    const rows = unbonding.map(({ validator: from, amount, releasesAt, isHeld }) => [
      from,
      fog(amount),
      isHeld ? 'when a slash is over' : momentText(releasesAt, now),
    ]);
    parts.push(renderTable(['left', 'FOG', 'can be spent'], rows, colours));
  }
  if (moved.length > 0) {
    const rows = moved.map(({ from, to, until }) => [from, to, momentText(until, now)]);
    parts.push(renderTable(['moved from', 'to', 'free'], rows, colours));
  }
  if (votesUntil !== null) parts.push(`stake that voted stays until ${momentText(votesUntil, now)}`);
  return parts.join('\n\n');
}

function validatorTable(validators: readonly ValidatorStanding[], terminal: Terminal): string {
  if (validators.length === 0) return 'Nobody has anything at stake yet.';
  const rows = validators.map(({ validator, status, stake, commissionPpm, faults }) => [
    validator,
    status,
    fog(stake),
    `${commissionPpm / 10_000} %`,
    String(faults),
  ]);
  return renderTable(['validator', 'state', 'FOG at stake', 'commission', 'slashes'], rows, stdoutColours(terminal));
}

function slashTable(slashes: readonly SlashRecord[], terminal: Terminal): string {
  if (slashes.length === 0) return 'No result was proven wrong.';
  const rows = slashes.map(({ fault, validator, state, amount, decideUntil, provenBy }) => [
    fault,
    validator,
    state,
    fog(amount),
    state === 'held' || state === 'appealed' ? momentText(decideUntil, Date.now()) : '',
    provenBy === 'trusted' ? 'a trusted node' : 'arbiters',
  ]);
  return renderTable(['slash', 'validator', 'state', 'FOG', 'posts', 'proven by'], rows, stdoutColours(terminal));
}

function fog(microFogText: string): string {
  return formatFog(BigInt(microFogText));
}
