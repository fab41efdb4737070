import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { formatToken, jobSpecJsonSchema } from '@fog/contract';
import { fog } from './test-terminal.ts';

const TOKEN = formatToken({ scope: 'admin', id: `t${'a'.repeat(18)}`, secret: 'a'.repeat(43), fingerprint: null });

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fog-cli-'));
});
after(() => rm(folder, { recursive: true, force: true }));

describe('usage', () => {
  test('help and version are fine, wrong usage is 2 and one sentence with a hint', async () => {
    assert.equal((await fog(['--version'])).code, 0);
    const help = await fog(['run', '--help']);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /Exit code: 0 when every task succeeded/);
    const trusted = await fog(['token', 'create', '--scope', 'submit', '--trusted']);
    assert.deepEqual([trusted.code, /--trusted is for --scope node/.test(trusted.stderr)], [2, true]);
    for (const args of [['run'], ['nonsense'], ['job', 'get'], ['up', '--nodes', 'x'], ['token', 'create'], []]) {
      const { code, stderr } = await fog(args);
      assert.equal(code, 2, args.join(' '));
      assert.notEqual(stderr, '');
    }
    assert.match((await fog(['job', 'lss'])).stderr, /^fog: unknown command 'lss'\n {2}hint: Did you mean ls\?\n$/);
    assert.match((await fog(['job', 'logs'])).stderr, /hint: see "fog job logs --help"\n$/);
    assert.match((await fog(['deploy', 'a', 'b'])).stderr, /hint: see "fog deploy --help"\n$/);
    assert.match((await fog(['token', 'create', '--scope', 'x'])).stderr, /Allowed choices are admin, submit/);
  });

  test('with --json an error is a problem document on stderr', async () => {
    const { code, stdout, stderr } = await fog(['job', 'ls', '--json'], { environment: { FOG_DATA: folder } });
    assert.equal(code, 125);
    assert.equal(stdout, '');
    const problem = JSON.parse(stderr);
    assert.equal(problem.code, 'unavailable');
    assert.match(problem.hint, /fog up/);
    assert.equal(JSON.parse((await fog(['job', 'nonsense', '--json'])).stderr).code, 'invalid-request');
  });

  test('every fault of a specification is listed with its place, before a fog is needed', async () => {
    await writeFile(join(folder, 'bad.yaml'), 'kind: Job\nspec:\n  count: 0\n  task: { runtime: wasm, colour: red }\n');
    const { code, stderr } = await fog(['run', 'bad.yaml'], { workingDirectory: folder });
    assert.equal(code, 2);
    assert.match(stderr, /faults in the specification/);
    for (const place of ['spec.count', 'spec.task.colour']) assert.ok(stderr.includes(`  ${place}`), stderr);
    await writeFile(join(folder, 'broken.yaml'), 'a: [');
    assert.equal((await fog(['run', 'broken.yaml'], { workingDirectory: folder })).code, 2);
    assert.match((await fog(['run', 'none.yaml'], { workingDirectory: folder })).stderr, /there is no file none.yaml/);
    assert.equal((await fog(['plan', '-'], { stdin: 'kind: Job\nspec: {}\n' })).code, 2);
  });

  test('no words of the system or the validator: folders, missing and empty files', async () => {
    const refused = async (args: string[], stdin = '') => {
      const { code, stderr } = await fog(args, { workingDirectory: folder, stdin, environment: { FOG_DATA: folder } });
      return [code, stderr];
    };
    assert.deepEqual(await refused(['run', '.']), [2, 'fog: . is a folder, and a file is needed\n']);
    assert.deepEqual(await refused(['run', '-']), [
      2,
      'fog: the document: must be fields (key: value), and is empty\n',
    ]);
    const join = ['node', 'join', 'http://127.0.0.1:1', '--token-file', 'none.txt'];
    assert.deepEqual(await refused(join), [2, 'fog: there is no file none.txt\n']);
  });

  test('files that do not exist are told with the other faults, and addresses are not taken for files', async () => {
    const stdin = [
      'kind: Job',
      'spec:',
      '  count: 0',
      '  task:',
      '    runtime: javascript',
      '    javascript: { script: ./gone.js }',
      '    inputs: [{ source: gone.csv, path: /in/a }, { source: "s3://bucket/key", path: /in/b }]',
    ].join('\n');
    const { code, stderr } = await fog(['run', '-'], { stdin, workingDirectory: folder });
    assert.equal(code, 2);
    assert.match(stderr, /^fog: 4 faults in the specification\n/);
    assert.ok(stderr.includes(`spec.task.javascript.script: there is no file or folder ${join(folder, 'gone.js')}`));
    assert.ok(stderr.includes(`spec.task.inputs[0].source: there is no file or folder ${join(folder, 'gone.csv')}`));
    assert.match(stderr, /spec\.task\.inputs\[1\]\.source: a source at s3:\/\/ is not built yet: upload it as a blob/);
    assert.match(stderr, /spec\.count: /);
    const program = await fog(['run', 'gone.js'], { workingDirectory: folder });
    assert.deepEqual([program.code, /there is no file/.test(program.stderr)], [2, true]);
  });

  test('what has no end is deployed, what has one is run; each says where it belongs', async () => {
    const environment = { FOG_URL: 'http://127.0.0.1:1', FOG_TOKEN: TOKEN };
    const service =
      'kind: Job\nmetadata: { name: web }\nspec:\n  type: service\n  task: { runtime: process, process: { command: [/bin/serve] } }\n';
    const ran = await fog(['run', '-'], { stdin: service, environment });
    assert.deepEqual(
      [ran.code, ran.stderr],
      [2, 'fog: a service is deployed, it cannot be submitted as a job\n  hint: fog deploy FILE\n'],
    );
    const batch = service.replace('service', 'batch');
    const deployed = await fog(['deploy', '-'], { stdin: batch, environment });
    assert.deepEqual([deployed.code, /hint: submit it: fog run FILE/.test(deployed.stderr)], [2, true]);
    const nameless = await fog(['deploy', '-'], {
      stdin: service.replace('metadata: { name: web }\n', ''),
      environment,
    });
    assert.deepEqual(
      [nameless.code, nameless.stderr],
      [2, 'fog: metadata.name: is required: it is the name of the deployment\n'],
    );
    const limited = await fog(['deploy', '-'], { stdin: `${service}  retry: { attempts: 2 }\n`, environment });
    assert.match(limited.stderr, /spec\.retry: cannot be set for type: service, which is kept running/);
    for (const args of [
      ['scale', 'web'],
      ['scale', 'web', 'many'],
      ['rollback', 'web', '--to', '0'],
      ['rollout', 'status'],
    ]) {
      assert.equal((await fog(args, { environment })).code, 2, args.join(' '));
    }
    assert.match((await fog(['deploy', '--help'])).stdout, /Ctrl-C ends the wait; the update goes on/);
  });

  test('the schema of jobs is printed, with --json as without', async () => {
    const [plain, json] = [await fog(['job', 'schema']), await fog(['job', 'schema', '--json'])];
    assert.equal(plain.code, 0);
    assert.deepEqual(json, plain);
    assert.deepEqual(JSON.parse(plain.stdout), JSON.parse(JSON.stringify(jobSpecJsonSchema())));
  });
});

describe('config', () => {
  test('tells value, origin and variable of every setting, and no secret', async () => {
    await writeFile(join(folder, 'config.toml'), '[coordinator]\nkeepJobs = "3d"\n[agent]\nslots = 2\n');
    const environment = {
      FOG_DATA: folder,
      FOG_LISTEN: '127.0.0.1:1',
      FOG_DATABASE_URL: 'postgres://me:hidden@host/db',
      FOG_TOKEN: 'hidden',
    };
    const { code, stdout } = await fog(['config', '--json'], { environment });
    assert.equal(code, 0);
    assert.ok(!stdout.includes('hidden'));
    const { settings } = JSON.parse(stdout) as {
      settings: { key: string; value: unknown; origin: string; variable: string }[];
    };
    const of = (key: string) => {
      const { value, origin, variable } = settings.find((setting) => setting.key === key) ?? assert.fail(key);
      return [value, origin, variable];
    };
    assert.deepEqual(of('coordinator.keepJobs'), ['3d', 'file', 'FOG_KEEP_JOBS']);
    assert.deepEqual(of('coordinator.listen'), ['127.0.0.1:1', 'environment', 'FOG_LISTEN']);
    assert.deepEqual(of('coordinator.heartbeat'), ['15s', 'default', 'FOG_HEARTBEAT']);
    assert.deepEqual(of('agent.slots'), [2, 'file', 'FOG_AGENT_SLOTS']);
    assert.deepEqual(of('data'), [folder, 'environment', 'FOG_DATA']);
    assert.match((await fog(['config'], { environment })).stdout, /coordinator\.keepJobs +3d +file +FOG_KEEP_JOBS/);
    const unknown = await fog(['config'], { environment: { FOG_DATA: folder, FOG_QUEUED_TASKS: 'many' } });
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /FOG_QUEUED_TASKS/);
  });
});

describe('completion', () => {
  test('bash completes commands, options and choices', async () => {
    const { stdout: script } = await fog(['completion', 'bash']);
    const complete = (...words: string[]) =>
      execFileSync(
        'bash',
        ['-c', `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fog; echo "\${COMPREPLY[@]}"`, '-', ...words],
        { encoding: 'utf8' },
      ).trim();
    assert.match(complete('fog', ''), /\bup\b.*\bjob\b.*\bcompletion\b/);
    assert.equal(complete('fog', 'job', 'ca'), 'cancel');
    assert.equal(complete('fog', 'job', 'logs', '--fo'), '--follow');
    assert.equal(complete('fog', 'token', 'create', '--scope', 'su'), 'submit');
  });

  test('every shell gets all commands', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { code, stdout } = await fog(['completion', shell]);
      assert.deepEqual(JSON.parse((await fog(['completion', shell, '--json'])).stdout), { shell, script: stdout });
      assert.equal(code, 0);
      for (const word of ['outputs', 'uncordon', 'revoke', 'listen'])
        assert.ok(stdout.includes(word), `${shell} ${word}`);
    }
    assert.equal((await fog(['completion', 'tcsh'])).code, 2);
  });
});
