/** `fog job`: what was submitted, what became of it. */
import { resolve } from 'node:path';
import {
  counted,
  JOB_STATES,
  type JobState,
  jobSpecJsonSchema,
  type LogRecord,
  parseDuration,
  type TaskWithAttempts,
} from '@fog/contract';
import { downloadOutput, type Fog, inParallel } from '@fog/sdk';
import { type Command, Option } from 'commander';
import { EXIT, jobExitCode } from '../exit-code.ts';
import { CLI_LIMITS } from '../limits.ts';
import { eventLine, LogLines } from '../output/event-text.ts';
import { countsText, jobListText, jobText, outputListText, taskListText } from '../output/job-text.ts';
import { planText } from '../output/plan-text.ts';
import { safeText } from '../output/table.ts';
import { coloursOf, note, type Terminal, write, writeJson, writeLine } from '../terminal.ts';
import {
  allPages,
  type CommonOptions,
  connect,
  stdoutColours,
  wholeNumber,
  withConnection,
  withJson,
} from './command-context.ts';
import { addSuspendAndResume } from './job-suspend.ts';
import { addTop } from './job-top.ts';
import { addWhy } from './job-why.ts';
import { addRunCommand, Interrupt, showResult, waitWithProgress } from './run.ts';

export function addJobCommands(program: Command, terminal: Terminal): void {
  const job = program.command('job').description('submit jobs and see what became of them');
  addRunCommand(job, terminal);
  addList(job, terminal);
  addGet(job, terminal);
  addOutputs(job, terminal);
  addLogs(job, terminal);
  addTop(job, terminal);
  addWhy(job, terminal);
  addEvents(job, terminal);
  addWait(job, terminal);
  addCancelAndRerun(job, terminal);
  addSuspendAndResume(job, terminal);
  withJson(job.command('schema').description('print the JSON Schema of a job, for editors')).action(() =>
    writeLine(terminal, JSON.stringify(jobSpecJsonSchema(), null, 2)),
  );
}

function addList(job: Command, terminal: Terminal): void {
  const command = job
    .command('ls')
    .description('list jobs, newest first')
    .addOption(new Option('--state <state>', 'only jobs in this state').choices([...JOB_STATES]))
    .option('--limit <n>', 'at most so many', wholeNumber(1), CLI_LIMITS.shownJobs)
    .option('--all', 'all of them');
  withConnection(command).action(
    async (options: CommonOptions & { state?: JobState; limit: number; all?: boolean }) => {
      const { client } = await connect(terminal, options);
      const most = options.all ? Number.POSITIVE_INFINITY : options.limit;
      const query = { limit: Math.min(most, 1000), ...(options.state === undefined ? {} : { state: options.state }) };
      const jobs = [];
      const pages = allPages((cursor) =>
        client.call('listJobs', { query: { ...query, ...(cursor === undefined ? {} : { cursor }) } }),
      );
      for await (const item of pages) {
        jobs.push(item);
        if (jobs.length >= most) break;
      }
      if (options.json) await writeJson(terminal, { items: jobs });
      else await writeLine(terminal, jobListText(jobs, Date.now(), stdoutColours(terminal)));
    },
  );
}

function addGet(job: Command, terminal: Terminal): void {
  const command = job
    .command('get <job>')
    .description('describe a job with its tasks and attempts')
    .option('--all', `all tasks, not only the first ${CLI_LIMITS.shownTasks}`);
  withConnection(command).action(async (id: string, options: CommonOptions & { all?: boolean }) => {
    const fog = await connect(terminal, options);
    const found = await fog.job(id).get();
    const most = options.all || options.json ? Number.POSITIVE_INFINITY : CLI_LIMITS.shownTasks;
    const tasks: TaskWithAttempts[] = [];
    for await (const task of fog.job(id).tasks()) {
      tasks.push(task);
      if (tasks.length >= most) break;
    }
    const isWaiting = found.tasks.queued > 0 && found.endedAt === null;
    // What holds for the first task that waits, as "fog job why" tells it: a verified one may need other nodes than its
    // job does.
    const why = isWaiting
      ? await fog
          .job(id)
          .explain()
          .catch(() => null)
      : null;
    const plan = why === null ? null : why.plan;
    if (options.json) {
      await writeJson(terminal, { job: found, tasks, plan });
      return;
    }
    const colours = stdoutColours(terminal);
    const total = Object.values(found.tasks).reduce((sum, count) => sum + count, 0);
    await writeLine(terminal, jobText(found, Date.now(), colours));
    if (tasks.length > 0) await writeLine(terminal, `\n${taskListText(tasks, Date.now(), colours)}`);
    if (total > tasks.length) await writeLine(terminal, `... ${total - tasks.length} more: --all`);
    if (tasks.some((task) => task.outputs.length > 0)) {
      await writeLine(terminal, `\n${outputListText(tasks, colours)}`);
    }
    if (why === null || why.waiting === null) return;
    const others = found.tasks.queued === 1 ? '' : `, the first of ${found.tasks.queued} that wait`;
    await writeLine(terminal, `\nTask ${why.partition}${others}: ${safeText(why.waiting.message)}.`);
    await writeLine(terminal, planText(why.plan, colours));
  });
}

function addOutputs(job: Command, terminal: Terminal): void {
  const command = job
    .command('outputs <job>')
    .description('list the outputs of a job, or download and verify them')
    .option('--to <dir>', 'download to DIR/OUTPUT, of a job with several tasks to DIR/TASK/OUTPUT')
    .option('--task <n>', 'only those of this task', wholeNumber(0));
  withConnection(command).action(async (id: string, options: CommonOptions & { to?: string; task?: number }) => {
    const fog = await connect(terminal, options);
    const found = await fog.job(id).get();
    await requireTask(fog, id, options.task);
    const tasks: TaskWithAttempts[] = [];
    for await (const task of fog.job(id).tasks({ state: 'succeeded' })) {
      if (options.task === undefined || options.task === task.partition) tasks.push(task);
    }
    if (options.to === undefined) {
      const listed = tasks.map(({ partition, outputs }) => ({ partition, outputs }));
      if (options.json) await writeJson(terminal, { items: listed });
      else await writeLine(terminal, outputListText(tasks, stdoutColours(terminal)));
      return;
    }
    const total = Object.values(found.tasks).reduce((sum, count) => sum + count, 0);
    const directory = resolve(terminal.workingDirectory, options.to);
    const files = await downloadAll(fog, tasks, (partition) =>
      total > 1 ? resolve(directory, String(partition)) : directory,
    );
    if (options.json) await writeJson(terminal, { directory, files });
    else {
      for (const file of files) await writeLine(terminal, safeText(file.path));
      const kept = files.filter((file) => file.kept).length;
      const keptText = kept === 0 ? '' : `, ${kept} of them there already`;
      await note(terminal, `${counted(files.length, 'file')}, verified${keptText}`);
      if (tasks.length < total) await note(terminal, `${counted(total - tasks.length, 'task')} without outputs (yet)`);
    }
  });
}

async function downloadAll(fog: Fog, tasks: readonly TaskWithAttempts[], directoryOf: (partition: number) => string) {
  const wanted = tasks.flatMap(({ partition, outputs }) => outputs.map((output) => ({ partition, output })));
  const files = await inParallel(wanted, CLI_LIMITS.concurrentOutputs, async ({ partition, output }) => {
    const saved = await downloadOutput(fog.client, output, directoryOf(partition));
    return saved.map((file) => ({ partition, output: output.name, ...file }));
  });
  return files.flat();
}

function addLogs(job: Command, terminal: Terminal): void {
  const command = job
    .command('logs <job>')
    .description('print what the tasks wrote to stdout and stderr')
    .option('-f, --follow', 'follow until the job has ended')
    .option('--task <n>', 'only this task', wholeNumber(0));
  withConnection(command).action(async (id: string, options: CommonOptions & { follow?: boolean; task?: number }) => {
    const fog = await connect(terminal, options);
    const found = await fog.job(id).get();
    await requireTask(fog, id, options.task);
    const hasSeveral = options.task === undefined && Object.values(found.tasks).reduce((a, b) => a + b, 0) > 1;
    const partition = options.task === undefined ? {} : { partition: options.task };
    const lines = new LogLines();
    const show = async (cut: { record: LogRecord; line: string }[]) => {
      for (const { record, line } of cut) {
        const text = hasSeveral ? `[${record.partition}] ${safeText(line)}` : safeText(line);
        await write(terminal[record.stream], `${text}\n`);
      }
    };
    const records = options.follow ? fog.job(id).logs(partition) : storedLogs(fog, id, partition);
    for await (const record of records) {
      if (options.json) await writeJson(terminal, record);
      else await show(lines.push(record));
    }
    await show(lines.rest());
  });
}

/** Throws `not-found` for a task that the job does not have: it would be taken for one that says nothing. */
async function requireTask(fog: Fog, job: string, partition: number | undefined): Promise<void> {
  if (partition !== undefined) await fog.client.call('getTask', { params: { job, partition } });
}

async function* storedLogs(fog: Fog, job: string, partition: { partition?: number }): AsyncGenerator<LogRecord> {
  for (let after = 0; ; ) {
    const page = await fog.client.call('jobLogs', { params: { job }, query: { after, ...partition } });
    yield* page.items;
    if (page.ended || page.items.length === 0) return;
    after = page.items.at(-1)?.sequence ?? after;
  }
}

function addEvents(job: Command, terminal: Terminal): void {
  const command = job
    .command('events <job>')
    .description('print what happened to a job and its tasks')
    .option('-f, --follow', 'follow until the job has ended')
    .option('--task <n>', 'only this task', wholeNumber(0))
    .option('--after <n>', 'only records after this number', wholeNumber(0), 0);
  type EventOptions = CommonOptions & { follow?: boolean; task?: number; after: number };
  withConnection(command).action(async (id: string, options: EventOptions) => {
    const fog = await connect(terminal, options);
    const colours = stdoutColours(terminal);
    const { after, task } = options;
    await requireTask(fog, id, task);
    const wanted = { after, ...(task === undefined ? {} : { partition: task }) };
    const records = options.follow ? fog.job(id).events(wanted) : storedEvents(fog, id, wanted);
    for await (const record of records) {
      if (options.json) await writeJson(terminal, record);
      else await writeLine(terminal, eventLine(record, colours));
    }
  });
}

async function* storedEvents(fog: Fog, job: string, wanted: { after: number; partition?: number }) {
  for (let { after } = wanted; ; ) {
    const page = await fog.client.call('jobEvents', { params: { job }, query: { ...wanted, after } });
    yield* page.items;
    if (page.ended || page.items.length === 0) return;
    after = page.items.at(-1)?.sequence ?? after;
  }
}

function addWait(job: Command, terminal: Terminal): void {
  const command = job
    .command('wait <job>')
    .description('wait until a job has ended; exits as "fog run" does')
    .option('--timeout <duration>', 'wait no longer than this, such as 10m');
  withConnection(command).action(async (id: string, options: CommonOptions & { timeout?: string }) => {
    const timeoutMilliseconds = options.timeout === undefined ? undefined : parseDuration(options.timeout);
    const fog = await connect(terminal, options);
    const handle = fog.job(id);
    using interrupt = new Interrupt();
    const result = await waitWithProgress(terminal, handle, await handle.get(), interrupt, {
      timeoutMilliseconds,
      isQuiet: options.json === true,
      cancelsOnInterrupt: false,
    });
    terminal.exitCode = jobExitCode(result.job, result.failedTask);
    if (options.json) await writeJson(terminal, { ...result, exitCode: terminal.exitCode });
    else await showResult(terminal, fog, result);
  });
}

function addCancelAndRerun(job: Command, terminal: Terminal): void {
  const cancel = job.command('cancel <job>').description('cancel a job and all its tasks that have not ended');
  withConnection(cancel).action(async (id: string, options: CommonOptions) => {
    const fog = await connect(terminal, options);
    const cancelled = await fog.job(id).cancel();
    if (options.json) await writeJson(terminal, cancelled);
    else await note(terminal, `job ${id} is ${cancelled.state}: ${countsText(cancelled.tasks)}`);
  });
  const rerun = job
    .command('rerun <job>')
    .description('submit the same specification again; prints the id of the new job')
    .option('--wait', 'wait for it as "fog run" does');
  withConnection(rerun).action(async (id: string, options: CommonOptions & { wait?: boolean }) => {
    const fog = await connect(terminal, options);
    using interrupt = new Interrupt();
    const again = await fog.client.call('rerunJob', { params: { job: id } });
    terminal.exitCode = EXIT.ok;
    if (!options.wait) {
      await (options.json ? writeJson(terminal, again) : writeLine(terminal, again.id));
      return;
    }
    if (!options.json) await note(terminal, coloursOf(terminal, 'stderr').dim(`job ${again.id} submitted`));
    const result = await waitWithProgress(terminal, fog.job(again.id), again, interrupt, {
      timeoutMilliseconds: undefined,
      isQuiet: options.json === true,
      cancelsOnInterrupt: true,
    });
    terminal.exitCode = jobExitCode(result.job, result.failedTask);
    if (options.json) await writeJson(terminal, { ...result, exitCode: terminal.exitCode });
    else await showResult(terminal, fog, result);
  });
}
