import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FogError,
  isLongRunning,
  type JobSpecInput,
  jobSpecSchema,
  LIMITS,
  parseJobSpec,
  RESTART_DEFAULTS,
  readSpecText,
  type SpecFault,
  updatePolicy,
} from '../src/index.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;
const TASK = { runtime: 'wasm', wasm: { module: DIGEST } } as const;
const MINIMAL: JobSpecInput = { kind: 'Job', spec: { task: TASK } };

/** A minimal specification with some fields of `spec` and `spec.task` changed. */
function spec(change: object = {}, task: object = {}): unknown {
  return { kind: 'Job', spec: { ...change, task: { ...TASK, ...task } } };
}

function faultsOf(document: unknown): { code: string; faults: Record<string, SpecFault['code']> } {
  try {
    parseJobSpec(document);
  } catch (error) {
    assert.ok(error instanceof FogError, String(error));
    const faults = error.details.faults as SpecFault[];
    return { code: error.code, faults: Object.fromEntries(faults.map((fault) => [fault.path, fault.code])) };
  }
  assert.fail('no fault was found');
}

test('defaults are filled in, and what was parsed parses to itself', () => {
  const parsed = parseJobSpec(MINIMAL);
  assert.deepEqual(parsed.metadata, { name: 'job', labels: {} });
  assert.deepEqual(
    [parsed.spec.count, parsed.spec.priority, parsed.spec.type, parsed.spec.retry.attempts],
    [1, 50, 'batch', 1],
  );
  assert.deepEqual(parsed.spec.task.resources, { cpu: '1', memory: '256Mi', disk: '256Mi', pids: 256 });
  assert.deepEqual(parseJobSpec(parsed), parsed);
  assert.deepEqual(parseJobSpec(JSON.parse(JSON.stringify(parsed))), parsed);
});

test('every fault is found at once, with its path', () => {
  const { code, faults } = faultsOf({
    kind: 'Job',
    metadata: { name: 'no spaces please', colour: 'red' },
    spec: {
      count: 0,
      priority: 101,
      timeouts: { attempt: 'soon' },
      retry: { on: ['cancelled'], backoff: { factor: 0 } },
      placement: { constraints: ['os == linux', 'what is this'] },
      task: {
        runtime: 'wasm',
        env: { '1A': 'x' },
        resources: { cpu: '-1', memory: '0' },
        outputs: [{ name: 'a', path: 'relative' }],
      },
    },
  });
  assert.equal(code, 'invalid-spec');
  const expected = [
    'metadata.colour',
    'metadata.name',
    'spec.count',
    'spec.placement.constraints[1]',
    'spec.priority',
    'spec.retry.backoff.factor',
    'spec.retry.on[0]',
    'spec.task.env.1A',
    'spec.task.outputs[0].path',
    'spec.task.resources.cpu',
    'spec.task.resources.memory',
    'spec.task.wasm',
    'spec.timeouts.attempt',
  ];
  assert.deepEqual(Object.keys(faults).sort(), expected);
  assert.equal(faults['metadata.colour'], 'unknown-field');
});

test('what is missing is told as missing', () => {
  assert.deepEqual(faultsOf({}).faults, { kind: 'invalid', spec: 'missing' });
  assert.deepEqual(faultsOf({ kind: 'Job', spec: { task: { runtime: 'wasm' } } }).faults, {
    'spec.task.wasm': 'invalid',
  });
  for (const document of [null, undefined, 7, 'text', [], [MINIMAL]])
    assert.equal(faultsOf(document).code, 'invalid-spec');
});

test('features of the language that are not built are told apart from faults', () => {
  const unbuilt: [unknown, string][] = [
    [{ ...MINIMAL, kind: 'Cron' }, 'kind'],
    [spec({ schedule: '@daily' }), 'spec.schedule'],
    [spec({ privacy: 'secret' }), 'spec.privacy'],
    [spec({}, { resources: { gpu: 1 } }), 'spec.task.resources.gpu'],
    [spec({ verification: { compare: { script: 'https://x/c.js' } } }), 'spec.verification.compare.script'],
  ];
  for (const [document, path] of unbuilt) {
    const { code, faults } = faultsOf(document);
    assert.deepEqual([code, faults[path]], ['unsupported', 'unsupported'], path);
  }
  const both = faultsOf(spec({ schedule: '@daily', count: 0 }));
  assert.deepEqual(both, { code: 'invalid-spec', faults: { 'spec.schedule': 'unsupported', 'spec.count': 'invalid' } });
  parseJobSpec({ ...(spec({}, { resources: { gpu: 0 } }) as object), metadata: { namespace: 'default' } });
});

test('containers and native programs: images, commands, credentials and targets are checked', () => {
  const docker = (block: object, task: object = {}) =>
    spec({}, { runtime: 'docker', wasm: undefined, docker: { image: 'busybox', ...block }, ...task });
  for (const image of ['busybox', 'team/app:1.2', 'localhost:5000/app', `registry.example/a/b@${DIGEST}`]) {
    assert.equal(parseJobSpec(docker({ image })).spec.task.docker?.pull, 'missing', image);
  }
  for (const image of ['', 'Upper/Case', 'app:', '-app', 'a b', '../up', `app@sha256:12`]) {
    assert.deepEqual(faultsOf(docker({ image })).faults, { 'spec.task.docker.image': 'invalid' }, image);
  }
  const isolated = parseJobSpec(docker({ credentials: { secret: 'registry' } }));
  assert.equal(isolated.spec.task.network, 'none');
  const targets = ['api.example.org:443', '*.example.org:*', '10.0.0.7:80'];
  assert.deepEqual(parseJobSpec(docker({}, { network: { allow: targets } })).spec.task.network, { allow: targets });
  for (const target of ['example.org', 'https://example.org:443', 'a b:1', ':80', '*:443']) {
    const { faults } = faultsOf(docker({}, { network: { allow: [target] } }));
    assert.deepEqual(Object.values(faults), ['invalid'], target);
  }
  assert.deepEqual(faultsOf(spec({}, { network: { allow: targets } })).faults, { 'spec.task.network': 'invalid' });
  const program = { runtime: 'process', wasm: undefined, process: { command: ['sort', '-n'] } };
  assert.deepEqual(parseJobSpec(spec({}, program)).spec.task.process, { command: ['sort', '-n'] });
  assert.deepEqual(faultsOf(spec({}, { ...program, process: { command: [] } })).faults, {
    'spec.task.process.command': 'invalid',
  });
  const rooted = (root: unknown) => spec({}, { ...program, process: { command: ['sh'], root } });
  assert.deepEqual(parseJobSpec(rooted(DIGEST)).spec.task.process, { command: ['sh'], root: DIGEST });
  assert.deepEqual(faultsOf(rooted('./rootfs.tar')).faults, { 'spec.task.process.root': 'invalid' });
  assert.deepEqual(faultsOf(rooted('https://x/rootfs.tar')).faults, { 'spec.task.process.root': 'unsupported' });
  const pod = { runtime: 'kubernetes', wasm: undefined, kubernetes: { image: 'busybox' } };
  parseJobSpec(spec({}, { ...pod, outputs: [{ name: 'out', path: '/dev/stdout' }] }));
  const asked = { stdin: { text: '' }, outputs: [{ name: 'out', path: '/out/a' }], network: { allow: targets } };
  assert.deepEqual(faultsOf(spec({}, { ...pod, ...asked })).faults, {
    'spec.task.network': 'invalid',
    'spec.task.stdin': 'invalid',
    'spec.task.outputs[0].path': 'invalid',
  });
});

test('services: ports, health checks and restarts are checked', () => {
  const web = { name: 'web', port: 8080, protocol: 'http' };
  const task = { runtime: 'process', wasm: undefined, process: { command: ['server'] }, ports: [web] };
  const service = (change: object = {}, more: object = {}) =>
    spec({ type: 'service', ...more }, { ...task, health: { tcp: { port: 1 } }, ...change });
  const { health, ports } = parseJobSpec(service({ ports: [web, { name: 'raw', port: 1 }] })).spec.task;
  assert.deepEqual(ports?.[1], { name: 'raw', port: 1, protocol: 'tcp' });
  const defaults = { interval: '10s', timeout: '2s', retries: 3, startPeriod: '0s' };
  assert.deepEqual(health, { tcp: { port: 1 }, ...defaults });
  assert.deepEqual(RESTART_DEFAULTS, { attempts: 3, within: '10m', delay: '1s' });
  assert.deepEqual(parseJobSpec(service({}, { restart: { attempts: 0 } })).spec.restart, {
    ...RESTART_DEFAULTS,
    attempts: 0,
  });
  assert.equal(isLongRunning(parseJobSpec(service({}, { type: 'daemon' }))), true);
  assert.equal(isLongRunning(parseJobSpec(MINIMAL)), false);
  const cases: [unknown, string][] = [
    [service({ health: {} }), 'spec.task.health'],
    [service({ health: { tcp: { port: 1 }, command: ['x'] } }), 'spec.task.health'],
    [service({ health: { http: { port: 1, path: 'x' } } }), 'spec.task.health.http.path'],
    [service({ health: { http: { port: 1, path: '/a b' } } }), 'spec.task.health.http.path'],
    [service({ health: { tcp: { port: 0 } } }), 'spec.task.health.tcp.port'],
    [service({ health: { command: ['x'], interval: '0s' } }), 'spec.task.health.interval'],
    [service({ health: { command: ['x'], startPeriod: 'soon' } }), 'spec.task.health.startPeriod'],
    [service({ ports: [web, web] }), 'spec.task.ports[1].name'],
    [
      service({ ports: Array.from({ length: LIMITS.ports + 1 }, (_, at) => ({ ...web, name: `p${at}` })) }),
      'spec.task.ports',
    ],
    [service({ ports: [{ ...web, protocol: 'udp' }] }), 'spec.task.ports[0].protocol'],
    [service({ outputs: [{ name: 'a', path: '/a' }] }), 'spec.task.outputs'],
    [service({ checkpoint: {} }), 'spec.task.checkpoint'],
    [service({}, { suspend: {} }), 'spec.suspend'],
    [service({}, { verification: {} }), 'spec.verification'],
    [service({}, { restart: { attempts: 101 } }), 'spec.restart.attempts'],
    [service({}, { restart: { delay: '0s' } }), 'spec.restart.delay'],
    [spec({}, task), 'spec.task.ports'],
    [spec({ type: 'ops', restart: {} }), 'spec.restart'],
    [spec({}, { health: { tcp: { port: 1 } } }), 'spec.task.health'],
  ];
  for (const [document, path] of cases) assert.deepEqual(Object.keys(faultsOf(document).faults), [path], path);
});

test('what is kept running has no end: nothing can be said about it', () => {
  const program = { runtime: 'process', wasm: undefined, process: { command: ['/bin/serve'] } };
  const service = (change: object = {}, task: object = {}) =>
    spec({ type: 'service', ...change }, { ...program, ...task });
  const parsed = parseJobSpec(service({ count: 3, update: { maxUnavailable: 2 } }));
  assert.deepEqual(updatePolicy(parsed), { maxUnavailable: 2, healthyFor: '5s', deadline: '10m', rollback: true });
  const written: unknown = JSON.parse(JSON.stringify(parsed));
  assert.deepEqual(parseJobSpec(written), written, 'the defaults that parsing filled in are no fault');
  assert.deepEqual(jobSpecSchema.parse(written), written);
  assert.deepEqual([isLongRunning(parsed), isLongRunning(parseJobSpec(MINIMAL))], [true, false]);
  const cases: [unknown, string][] = [
    [service({ timeouts: { attempt: '2h' } }), 'spec.timeouts'],
    [service({ timeouts: { heartbeat: '1m' } }), 'spec.timeouts.heartbeat'],
    [service({ retry: { attempts: 3 } }), 'spec.retry'],
    [service({ retry: { backoff: { initial: '2s' } } }), 'spec.retry'],
    [service({ count: LIMITS.replicas + 1 }), 'spec.count'],
    [service({ update: { maxUnavailable: 0 } }), 'spec.update.maxUnavailable'],
    [service({ type: 'daemon', count: 2 }), 'spec.count'],
    [spec({ type: 'service' }), 'spec.task.runtime'],
    [spec({ update: {} }), 'spec.update'],
    [spec({ type: 'ops', update: {} }), 'spec.update'],
  ];
  for (const [document, path] of cases) assert.ok(Object.hasOwn(faultsOf(document).faults, path), path);
});

test('parts that contradict each other are refused', () => {
  const cases: [unknown, string][] = [
    [spec({}, { javascript: { script: DIGEST } }), 'spec.task.javascript'],
    [
      spec(
        {},
        {
          outputs: [
            { name: 'a', path: '/a' },
            { name: 'a', path: '/b' },
          ],
        },
      ),
      'spec.task.outputs[1].name',
    ],
    [
      spec(
        {},
        {
          inputs: [
            { source: DIGEST, path: '/a' },
            { source: DIGEST, path: '/a' },
          ],
        },
      ),
      'spec.task.inputs[1].path',
    ],
    [spec({ type: 'ops', count: 2 }), 'spec.count'],
    [spec({ disconnect: { lostAfter: '2h', stopOnNodeAfter: '1h' } }), 'spec.disconnect.stopOnNodeAfter'],
  ];
  for (const [document, path] of cases) assert.deepEqual(Object.keys(faultsOf(document).faults), [path]);
});

test('paths stay in the sandbox', () => {
  for (const path of ['', '/', 'in', '/in/', '//in', '/in/../x', '/./in', '/in\0', '/in\\x', '/\ud800']) {
    assert.deepEqual(
      Object.keys(faultsOf(spec({}, { inputs: [{ source: DIGEST, path }] })).faults),
      ['spec.task.inputs[0].path'],
      path,
    );
  }
});

test('sizes are limited', () => {
  const large: [unknown, string][] = [
    [spec({}, { args: ['x'.repeat(LIMITS.argumentBytes), 'y'] }), 'spec.task.args'],
    [spec({}, { args: Array.from({ length: LIMITS.arguments + 1 }, () => '') }), 'spec.task.args'],
    [spec({}, { env: { A: 'ü'.repeat(LIMITS.environmentBytes / 2) } }), 'spec.task.env'],
    [spec({}, { stdin: { text: 'x'.repeat(LIMITS.inlineStdinBytes + 1) } }), 'spec.task.stdin.text'],
    [spec({ count: LIMITS.partitions + 1 }), 'spec.count'],
    [
      spec({ placement: { constraints: Array.from({ length: LIMITS.constraints + 1 }, () => 'gpu') } }),
      'spec.placement.constraints',
    ],
  ];
  for (const [document, path] of large) assert.deepEqual(Object.keys(faultsOf(document).faults), [path]);
  assert.throws(() => readSpecText('x'.repeat(LIMITS.specBytes + 1)), { code: 'invalid-spec' });
});

test('keys of the prototype are no way in', () => {
  const cases = [
    '{"kind":"Job","__proto__":{"x":1},"spec":{}}',
    '{"kind":"Job","spec":{"__proto__":1}}',
    '{"kind":"Job","constructor":1,"spec":{}}',
  ];
  for (const text of cases) assert.equal(faultsOf(JSON.parse(text)).code, 'invalid-spec', text);
  const env = JSON.parse(
    `{"kind":"Job","spec":{"task":{"runtime":"wasm","wasm":{"module":"${DIGEST}"},"env":{"__proto__":"x","A":"b"}}}}`,
  );
  const parsed = parseJobSpec(env);
  assert.equal(Object.getPrototypeOf(parsed.spec.task.env), Object.prototype);
  assert.equal(parsed.spec.task.env.A, 'b');
  assert.equal(({} as { x?: unknown }).x, undefined);
});

test('YAML: faults have a line, and bombs do not go off', () => {
  assert.deepEqual(readSpecText('kind: Job # comment\nspec: {count: 2}'), { kind: 'Job', spec: { count: 2 } });
  assert.deepEqual(readSpecText('{"kind": "Job"}'), { kind: 'Job' });
  assert.throws(() => readSpecText('kind: Job\nspec: [\n'), { code: 'invalid-spec', message: /line \d/ });
  assert.throws(() => readSpecText('a: 1\na: 2'), { code: 'invalid-spec', message: /line 2/ });
  const bomb = [
    'a0: &a0 [x,x,x,x,x,x,x,x,x,x]',
    ...Array.from(
      { length: 9 },
      (_, index) => `a${index + 1}: &a${index + 1} [${Array.from({ length: 10 }, () => `*a${index}`).join(',')}]`,
    ),
  ];
  assert.throws(() => readSpecText(bomb.join('\n')), { code: 'invalid-spec' });
});

test('documents that are too deep, or hold themselves, are refused like any other', () => {
  for (const text of ['['.repeat(20_000), `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`, 'a: &a [*a]']) {
    assert.throws(() => parseJobSpec(readSpecText(text)), { code: 'invalid-spec' }, text.slice(0, 20));
  }
  const deep = JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`);
  assert.equal(faultsOf(spec({ budget: deep })).code, 'invalid-spec');
});
