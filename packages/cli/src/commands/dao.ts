/** `fog dao`: members decide over parameters, over the treasury, and in words. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { FogError, type ProposalActionDocument, type ProposalDocument, voteChoiceSchema } from '@fog/contract';
import { formatFog, parseFog } from '@fog/economy/amounts';
import { proposalFrom, proposalIdOf, signBallot } from '@fog/economy/governance';
import type { Command } from 'commander';
import { namedValueText, parseParameter } from '../dao/parameter-values.ts';
import {
  auditTable,
  emissionTable,
  membershipTable,
  parametersTable,
  proposalsTable,
  proposalText,
  recountTable,
} from '../dao/tables.ts';
import { fetchRecord, recountFile } from '../dao/vote-record.ts';
import { makeVotingKey, readVotingKey } from '../dao/voting-keys.ts';
import { EXIT } from '../exit-code.ts';
import { readGivenFile } from '../given-files.ts';
import { note, type Terminal, writeJson, writeLine } from '../terminal.ts';
import { allPages, type CommonOptions, connect, wholeNumber, withConnection, withJson } from './command-context.ts';

const HELP = `
Power is bonded stake whose owner has said who votes with it. It counts as it was just before a proposal and when its vote
opened, whichever is less; so bond, register a key and delegate before. What was decided is carried out by itself when its
timelock has run.

Examples:
  $ fog dao                                   what you have to vote with
  $ fog dao key                               make a voting key on this machine, and register it
  $ fog dao delegate alice                    alice votes with your stake; your own name: you do
  $ fog dao parameters                        what holds now
  $ fog dao propose parameter feePpm 4%       change a parameter
  $ fog dao propose grant bob 250             pay bob from the treasury
  $ fog dao propose text idea.md --title "A name"
  $ fog dao ls                                proposals; then: fog dao show ID, fog dao vote ID for
  $ fog dao emission                          new money of the days in which fees burned
  $ fog dao record ID vote.json               what anyone needs to count again: fog dao recount vote.json`;

/** Ids may be given by their first digits, eight at least. */
const ID = '<id>';

export function addDaoCommands(program: Command, terminal: Terminal): void {
  const dao = program
    .command('dao')
    .description('vote on parameters, on the treasury, and on words')
    .addHelpText('after', HELP);
  const power = dao.command('power', { isDefault: true }).description('tell what you have to vote with');
  withConnection(power).action(async (options: CommonOptions) => {
    const { client } = await connect(terminal, options);
    const membership = await client.call('getMembership', { query: {} });
    if (options.json) await writeJson(terminal, membership);
    else await writeLine(terminal, membershipTable(membership, terminal));
  });
  addMembership(dao, terminal);
  addPropose(dao, terminal);
  addReading(dao, terminal);
  addVote(dao, terminal);
  addSteps(dao, terminal);
  addRecords(dao, terminal);
}

function addMembership(dao: Command, terminal: Terminal): void {
  const key = dao
    .command('key')
    .description('make a voting key on this machine and register it, for votes that open from now on')
    .option('--new', 'another one, though one is registered');
  withConnection(key).action(async ({ new: isNew, ...options }: CommonOptions & { new?: boolean }) => {
    const { client } = await connect(terminal, options);
    const membership = await client.call('getMembership', { query: {} });
    const { votingKey } = membership;
    if (votingKey !== null && !isNew) {
      if ((await readVotingKey(terminal, membership, votingKey)) === null) {
        throw new FogError('conflict', `key ${votingKey} of ${membership.principal} is registered, and is not here`, {
          hint: 'vote where it is, or make another with --new',
        });
      }
      if (options.json) await writeJson(terminal, { ...membership, file: null });
      else await note(terminal, `key ${votingKey} is registered`);
      return;
    }
    const { publicKey, file } = await makeVotingKey(terminal, membership);
    const registered = await client.call('setVotingKey', { body: { publicKey } });
    if (options.json) await writeJson(terminal, { ...registered, file });
    else await note(terminal, `key ${publicKey} is registered; keep ${file} to yourself`);
  });
  const delegate = dao
    .command('delegate [voter]')
    .description('say who votes with your stake: another, or yourself by your own name')
    .option('--nobody', 'nobody');
  withConnection(delegate).action(
    async (voter: string | undefined, { nobody, ...options }: CommonOptions & { nobody?: boolean }) => {
      if ((voter === undefined) === (nobody === undefined)) {
        throw new FogError('invalid-request', 'who votes with your stake?', {
          hint: 'fog dao delegate VOTER, or --nobody',
        });
      }
      const { client } = await connect(terminal, options);
      const membership = await client.call('delegateVote', { body: { to: voter ?? null } });
      if (options.json) await writeJson(terminal, membership);
      else await note(terminal, `${membership.delegate ?? 'nobody'} votes with the stake of ${membership.principal}`);
    },
  );
}

interface ProposeOptions extends CommonOptions {
  title?: string;
  text?: string;
}

function addPropose(dao: Command, terminal: Terminal): void {
  const propose = dao.command('propose').description('propose something; takes power and a deposit');
  const withWords = (command: Command) =>
    withConnection(command.option('--title <text>', 'in one line').option('--text <file>', 'why, as a file of text'));
  const send = async (action: ProposalActionDocument, preset: string, { title, text, ...options }: ProposeOptions) => {
    const words = text === undefined ? '' : await readGivenFile(terminal, text);
    const { client } = await connect(terminal, options);
    const proposal = await client.call('createProposal', { body: { title: title ?? preset, text: words, action } });
    await told(terminal, proposal, options);
  };
  withWords(
    propose.command('parameter <name> <value> [more...]').description('change parameters: NAME VALUE …'),
  ).action(async (name: string, value: string, more: string[], options: ProposeOptions) => {
    const changes = pairs([name, value, ...more], 'NAME VALUE').map(([parameter, text]) => {
      return { name: parameter, value: String(parseParameter(parameter, text)) };
    });
    const preset = changes.map((change) => `${change.name} to ${namedValueText(change.name, change.value)}`).join(', ');
    await send({ kind: 'parameter', changes }, preset, options);
  });
  withWords(
    propose.command('grant <principal> <fog> [more...]').description('pay from the treasury: PRINCIPAL FOG …'),
  ).action(async (principal: string, fog: string, more: string[], options: ProposeOptions) => {
    const grants = pairs([principal, fog, ...more], 'PRINCIPAL FOG').map(([to, amount]) => {
      return { to, amountMicroFog: String(parseFog(amount)) };
    });
    const preset = grants
      .map(({ to, amountMicroFog }) => `${formatFog(BigInt(amountMicroFog))} FOG to ${to}`)
      .join(', ');
    await send({ kind: 'treasury', grants }, preset, options);
  });
  const text = propose.command('text <file>').description('words that the members shall agree to');
  withConnection(text.requiredOption('--title <text>', 'in one line')).action(
    async (file: string, options: ProposeOptions) => await send({ kind: 'text' }, '', { ...options, text: file }),
  );
}

function pairs(words: readonly string[], what: string): [string, string][] {
  if (words.length % 2 !== 0) throw new FogError('invalid-request', `these are no pairs of ${what}`);
  return Array.from({ length: words.length / 2 }, (_, index) => [words[2 * index] ?? '', words[2 * index + 1] ?? '']);
}

function addReading(dao: Command, terminal: Terminal): void {
  const ls = dao
    .command('ls')
    .description('list proposals, newest first')
    .option('--state <state>', 'only those that are pending, active, queued, executed, …')
    .option('--limit <n>', 'so many', wholeNumber(1), 50);
  withConnection(ls).action(
    async ({ state, limit, ...options }: CommonOptions & { state?: ProposalDocument['state']; limit: number }) => {
      const { client } = await connect(terminal, options);
      const asked = state === undefined ? {} : { state };
      const items: ProposalDocument[] = [];
      const pages = allPages((cursor) =>
        client.call('listProposals', { query: { ...asked, ...(cursor === undefined ? {} : { cursor }) } }),
      );
      for await (const item of pages) if (items.push(item) === limit) break;
      if (options.json) await writeJson(terminal, { items });
      else await writeLine(terminal, proposalsTable(items, terminal));
    },
  );
  withConnection(dao.command(`show ${ID}`).description('tell what is proposed, and how its vote stands')).action(
    async (id: string, options: CommonOptions) => {
      const { client } = await connect(terminal, options);
      const proposal = await client.call('getProposal', { params: { proposal: id } });
      const vote = await client.call('getVote', { params: { proposal: proposal.id }, query: {} });
      const own = { power: vote.power?.powerMicroFog ?? null, choice: vote.choice };
      if (options.json) await writeJson(terminal, { ...proposal, you: { voter: vote.voter, ...own } });
      else await writeLine(terminal, proposalText(proposal, own, terminal));
    },
  );
  withConnection(
    dao.command('parameters').description('tell what holds now, the default, the range, and since which proposal'),
  ).action(async (options: CommonOptions) => {
    const { client } = await connect(terminal, options);
    const { items } = await client.call('listParameters', {});
    if (options.json) await writeJson(terminal, { items });
    else await writeLine(terminal, parametersTable(items, terminal));
  });
  const changes = dao
    .command('changes')
    .description('tell what votes have done, newest first')
    .option('--limit <n>', 'so many', wholeNumber(1), 50);
  withConnection(changes).action(async ({ limit, ...options }: CommonOptions & { limit: number }) => {
    const { client } = await connect(terminal, options);
    const items = [];
    const pages = allPages((cursor) => client.call('listAudit', { query: cursor === undefined ? {} : { cursor } }));
    for await (const item of pages) if (items.push(item) === limit) break;
    if (options.json) await writeJson(terminal, { items });
    else await writeLine(terminal, auditTable(items, terminal));
  });
  const emission = dao
    .command('emission')
    .description('tell what new money was made for work, of days that are over and in which fees burned')
    .option('--limit <n>', 'so many days', wholeNumber(1), 50);
  withConnection(emission).action(async ({ limit, ...options }: CommonOptions & { limit: number }) => {
    const { client } = await connect(terminal, options);
    const items = [];
    const pages = allPages((cursor) => client.call('listEmission', { query: cursor === undefined ? {} : { cursor } }));
    for await (const item of pages) if (items.push(item) === limit) break;
    if (options.json) await writeJson(terminal, { items });
    else await writeLine(terminal, emissionTable(items, terminal));
  });
}

function addVote(dao: Command, terminal: Terminal): void {
  const vote = dao.command(`vote ${ID} <choice>`).description('vote for, against or abstain; it cannot be changed');
  withConnection(vote).action(async (given: string, choice: string, options: CommonOptions) => {
    const chosen = voteChoiceSchema.safeParse(choice);
    if (!chosen.success) {
      throw new FogError('invalid-request', `"${choice}" is no choice`, { hint: 'vote for, against or abstain' });
    }
    const { client } = await connect(terminal, options);
    const proposal = proposalFrom(await client.call('getProposal', { params: { proposal: given } }));
    const { id, network } = proposal;
    if (proposalIdOf(proposal) !== id) {
      throw new FogError('protocol-violation', `the coordinator shows another proposal than the one with the id ${id}`);
    }
    const { voter, power } = await client.call('getVote', { params: { proposal: id }, query: {} });
    if (power === null) throw withoutPower(voter, id, proposal.state);
    const secret = await readVotingKey(terminal, { network, principal: voter }, power.publicKey);
    if (secret === null) {
      throw new FogError('not-found', `the key that votes for ${voter} on ${id} is not on this machine`, {
        details: { publicKey: power.publicKey },
        hint: 'vote where "fog dao key" was run before the vote opened',
      });
    }
    const content = { network, proposal: id, voter, choice: chosen.data, nonce: randomBytes(16).toString('hex') };
    const ballot = await client.call('castBallot', { params: { proposal: id }, body: signBallot(content, secret) });
    secret.fill(0);
    if (options.json) await writeJson(terminal, ballot);
    else await note(terminal, `${formatFog(BigInt(ballot.powerMicroFog))} FOG of power: ${ballot.choice}`);
  });
}

function withoutPower(voter: string, id: string, state: ProposalDocument['state']): FogError {
  if (state === 'pending') {
    return new FogError('conflict', `the vote on ${id} has not opened`, { hint: `fog dao show ${id.slice(0, 12)}` });
  }
  return new FogError('forbidden', `${voter} has no power over ${id}`, {
    hint: 'what counts is stake that was bonded and delegated before the proposal, and a key from before its vote opened',
  });
}

function addSteps(dao: Command, terminal: Terminal): void {
  const cancel = dao.command(`cancel ${ID}`).description('take your proposal back before its vote begins');
  withConnection(cancel).action(async (id: string, options: CommonOptions) => {
    const { client } = await connect(terminal, options);
    await told(terminal, await client.call('cancelProposal', { params: { proposal: id } }), options);
  });
  const veto = dao.command(`veto ${ID}`).description('stop a proposal for good; for the guardian, who is the operator');
  withConnection(veto.requiredOption('--reason <text>', 'stands in the record for good')).action(
    async (id: string, { reason, ...options }: CommonOptions & { reason: string }) => {
      const { client } = await connect(terminal, options);
      await told(terminal, await client.call('vetoProposal', { params: { proposal: id }, body: { reason } }), options);
    },
  );
  const execute = dao
    .command(`execute ${ID}`)
    .description('carry out what was decided; when its timelock has run, that happens by itself too');
  withConnection(execute).action(async (id: string, options: CommonOptions) => {
    const { client } = await connect(terminal, options);
    await told(terminal, await client.call('executeProposal', { params: { proposal: id } }), options);
  });
}

function addRecords(dao: Command, terminal: Terminal): void {
  const record = dao.command(`record ${ID} <file>`).description('write the published record of a vote into a file');
  withConnection(record).action(async (id: string, file: string, options: CommonOptions) => {
    const { client } = await connect(terminal, options);
    const text = await fetchRecord(client, id);
    try {
      await writeFile(resolve(terminal.workingDirectory, file), `${text}\n`);
    } catch (cause) {
      throw new FogError('invalid-request', `cannot write ${file}: ${(cause as Error).message}`, { cause });
    }
    if (options.json) await writeJson(terminal, { file });
    else await note(terminal, `${file} is the record; anyone can count it: fog dao recount ${file}`);
  });
  const again = dao
    .command('recount <file>')
    .description(
      'count a vote again from its record, without a coordinator; exits with 1 when something is wrong with it',
    );
  withJson(again).action(async (file: string, options: CommonOptions) => {
    const { record: counted, count } = recountFile(await readGivenFile(terminal, file));
    const { id, state } = counted.proposal;
    const { tally, supplyMicroFog, quorumMicroFog, ...rest } = count;
    const amounts = {
      tally: { for: String(tally.for), against: String(tally.against), abstain: String(tally.abstain) },
      supplyMicroFog: String(supplyMicroFog),
      quorumMicroFog: String(quorumMicroFog),
    };
    if (options.json) await writeJson(terminal, { proposal: id, state, ...rest, ...amounts });
    else await writeLine(terminal, recountTable(count, terminal));
    if (count.faults.length > 0) terminal.exitCode = EXIT.taskFailed;
  });
}

async function told(terminal: Terminal, proposal: ProposalDocument, { json }: CommonOptions): Promise<void> {
  if (json) await writeJson(terminal, proposal);
  else await note(terminal, `proposal ${proposal.id} is ${proposal.state}`);
}
