/** Every fault of a specification at once, whatever else is wrong with it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FogError, LIMITS, parseJobSpec, type SpecFault } from '../src/index.ts';

const DIGEST = `sha256:${'0'.repeat(64)}`;

/** Whatever a test breaks in it: a document is no longer of any type then. */
// biome-ignore lint/suspicious/noExplicitAny: documents of every wrong shape
type Document = any;

const valid = (): Document => ({
  apiVersion: 'fog/v1',
  kind: 'Job',
  metadata: { name: 'all', labels: { team: 'a' } },
  spec: {
    type: 'ops',
    count: 1,
    priority: 50,
    task: {
      runtime: 'javascript',
      javascript: { script: DIGEST, engine: 'auto' },
      args: ['a', 'b'],
      env: { MODE: 'fast', KEY: { secret: 'api-key' } },
      stdin: { text: '' },
      resources: { cpu: '1', memory: '256Mi', disk: 1000 },
      network: 'none',
      inputs: [
        { source: DIGEST, path: '/in/a', type: 'file' },
        { source: DIGEST, path: '/in/b', type: 'folder' },
      ],
      outputs: [
        { name: 'a', path: '/out/a' },
        { name: 'b', path: '/out/b' },
      ],
    },
    timeouts: { queue: '1h', attempt: '1h', total: '2h', heartbeat: '1m' },
    retry: { attempts: 3, backoff: { initial: '1s', factor: 2, max: '5m', jitter: 'full' }, on: ['oom'] },
    disconnect: { lostAfter: '60s', replace: true, reconcile: 'first-valid', stopOnNodeAfter: '24h' },
    placement: { constraints: ['os == linux', 'gpu'] },
  },
});

function faultsOf(document: unknown): SpecFault[] {
  try {
    parseJobSpec(document);
    return [];
  } catch (error) {
    assert.ok(error instanceof FogError, String(error));
    assert.ok(Array.isArray(error.details.faults), error.message);
    return error.details.faults as SpecFault[];
  }
}

const pathsOf = (document: unknown) => faultsOf(document).map(({ path }) => path);

/** One way to break the valid document, and the path where that must be told. Two of one `place` exclude each other. */
interface Break {
  path: string;
  place: string;
  apply: (document: Document) => void;
}

const broken = (path: string, apply: Break['apply'], place = path): Break => ({ path, place, apply });

const BREAKS: readonly Break[] = [
  broken('colour', (it) => Object.assign(it, { colour: 'red' })),
  broken('apiVersion', (it) => Object.assign(it, { apiVersion: 2 })),
  broken('kind', (it) => Object.assign(it, { kind: 'Cron' })),
  broken('metadata.name', (it) => Object.assign(it.metadata, { name: null })),
  broken('metadata.labels.team', (it) => Object.assign(it.metadata.labels, { team: 1 })),
  broken('metadata.labels', (it) => {
    for (let index = 0; index < LIMITS.labels; index += 1) it.metadata.labels[`l${index}`] = '';
  }),
  broken('metadata.namespace', (it) => Object.assign(it.metadata, { namespace: 'mine' })),
  broken('spec.budget', (it) => Object.assign(it.spec, { budget: 5 })),
  broken('spec.budget.meter', (it) => Object.assign(it.spec, { budget: { meter: 'fuel' } }), 'spec.budget'),
  broken('spec.count', (it) => Object.assign(it.spec, { count: 2 })),
  broken('spec.priority', (it) => Object.assign(it.spec, { priority: 'high' })),
  broken('spec.task.wasm', (it) => Object.assign(it.spec.task, { wasm: { module: DIGEST } })),
  broken('spec.task.javascript', (it) => delete it.spec.task.javascript, 'javascript'),
  broken('spec.task.javascript.script', (it) => Object.assign(it.spec.task.javascript, { script: 5 }), 'javascript'),
  broken(
    'spec.task.javascript.script',
    (it) => Object.assign(it.spec.task.javascript, { script: 's3://b/k' }),
    'javascript',
  ),
  broken('spec.task.args[0]', (it) => Object.assign(it.spec.task.args, { 0: 1 })),
  broken('spec.task.args', (it) => Object.assign(it.spec.task.args, { 1: 'x'.repeat(LIMITS.argumentBytes + 1) })),
  broken('spec.task.env.MODE', (it) => Object.assign(it.spec.task.env, { MODE: 7 })),
  broken('spec.task.env.KEY.secret', (it) => Object.assign(it.spec.task.env.KEY, { secret: 7 })),
  broken('spec.task.env.1A', (it) => Object.assign(it.spec.task.env, { '1A': 'x' })),
  broken('spec.task.env', (it) => Object.assign(it.spec.task.env, { BIG: 'x'.repeat(LIMITS.environmentBytes) })),
  broken('spec.task.stdin.text', (it) => Object.assign(it.spec.task.stdin, { text: 1 }), 'stdin'),
  broken('spec.task.stdin', (it) => Object.assign(it.spec.task.stdin, { source: DIGEST }), 'stdin'),
  broken('spec.task.resources.cpu', (it) => Object.assign(it.spec.task.resources, { cpu: [] })),
  broken('spec.task.resources.memory', (it) => Object.assign(it.spec.task.resources, { memory: '0' })),
  broken('spec.task.resources.gpu', (it) => Object.assign(it.spec.task.resources, { gpu: 1 })),
  broken('spec.task.network', (it) => Object.assign(it.spec.task, { network: 'full' })),
  broken('spec.task.inputs[0].source', (it) => Object.assign(it.spec.task.inputs[0], { source: 'https://x/y' })),
  broken('spec.task.inputs[1].path', (it) => Object.assign(it.spec.task.inputs[1], { path: '/in/a' })),
  broken('spec.task.inputs[1].type', (it) => Object.assign(it.spec.task.inputs[1], { type: 'pipe' })),
  broken('spec.task.outputs[0].path', (it) => Object.assign(it.spec.task.outputs[0], { path: 'out' })),
  broken('spec.task.outputs[1].name', (it) => Object.assign(it.spec.task.outputs[1], { name: 'a' })),
  broken('spec.timeouts.queue', (it) => Object.assign(it.spec.timeouts, { queue: 30 })),
  broken('spec.timeouts.heartbeat', (it) => Object.assign(it.spec.timeouts, { heartbeat: 'often' })),
  broken('spec.retry.attempts', (it) => Object.assign(it.spec.retry, { attempts: '3' })),
  broken('spec.retry.on[0]', (it) => Object.assign(it.spec.retry.on, { 0: 'cancelled' })),
  broken('spec.retry.backoff.max', (it) => Object.assign(it.spec.retry.backoff, { max: null })),
  broken('spec.disconnect.reconcile', (it) => Object.assign(it.spec.disconnect, { reconcile: 'best-score' })),
  broken('spec.disconnect.stopOnNodeAfter', (it) => Object.assign(it.spec.disconnect, { stopOnNodeAfter: '1s' })),
  broken('spec.placement.spread', (it) => Object.assign(it.spec.placement, { spread: 'zone' })),
  broken('spec.placement.constraints[1]', (it) => Object.assign(it.spec.placement.constraints, { 1: 'what is' })),
];

test('property: what is broken in k places is told in these k places, and nowhere else', () => {
  assert.deepEqual(pathsOf(valid()), []);
  const choice = fc.uniqueArray(fc.constantFrom(...BREAKS), { minLength: 1, selector: ({ place }) => place });
  fc.assert(
    fc.property(choice, (breaks) => {
      const document = valid();
      for (const { apply } of breaks) apply(document);
      assert.deepEqual(pathsOf(document).sort(), breaks.map(({ path }) => path).sort());
    }),
    { numRuns: 300 },
  );
});

test('property: documents with parts of any type are told about, and nothing throws', () => {
  const anything = fc.oneof(
    fc.constant(null),
    fc.constant([]),
    fc.constant({}),
    fc.string(),
    fc.double(),
    fc.anything(),
  );
  const places = [
    ...['metadata', 'spec'].map((key) => [key]),
    ...['type', 'task', 'timeouts', 'disconnect', 'count', 'placement', 'restart', 'retry'].map((key) => ['spec', key]),
    ...['runtime', 'ports', 'health', 'javascript', 'args', 'env', 'stdin', 'inputs', 'outputs'].map((key) => [
      'spec',
      'task',
      key,
    ]),
    ...[0, 1].flatMap((index) => ['inputs', 'outputs', 'args'].map((key) => ['spec', 'task', key, index])),
  ];
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...places), anything), { minLength: 1 }), (changes) => {
      const document = valid();
      for (const [path, value] of changes) {
        const owner = path.slice(0, -1).reduce((part: Document, key) => part?.[key], document);
        if (typeof owner === 'object' && owner !== null) owner[path.at(-1) as string] = value;
      }
      for (const { path, message } of faultsOf(document)) {
        assert.equal(typeof path, 'string');
        assert.notEqual(message, '');
      }
    }),
  );
});

describe('rules between fields', () => {
  test('hold beside faults of type', () => {
    const outputs = [1, 2].map((number) => ({ name: 'a', path: `/out/${number}` }));
    const task = { runtime: 'javascript', javascript: { script: DIGEST }, args: [1], outputs };
    const faults = pathsOf({ kind: 'Job', spec: { type: 'ops', count: 2, task } });
    assert.deepEqual(faults.sort(), ['spec.count', 'spec.task.args[0]', 'spec.task.outputs[1].name']);
  });

  test('know the defaults of what is left out', () => {
    const document = valid();
    document.spec.disconnect = { lostAfter: '25h' };
    assert.deepEqual(pathsOf(document), ['spec.disconnect.stopOnNodeAfter']);
    document.spec.disconnect = { stopOnNodeAfter: '30s', lostAfter: undefined };
    assert.deepEqual(pathsOf(document), ['spec.disconnect.stopOnNodeAfter']);
  });

  test('do not speak of what only follows from another fault', () => {
    const document = valid();
    document.spec.disconnect.lostAfter = 'soon';
    document.spec.task.outputs = [
      { name: '', path: '/a' },
      { name: '', path: '/b' },
    ];
    document.spec.task.runtime = 'wsam';
    document.spec.task.wasm = { module: DIGEST };
    assert.deepEqual(pathsOf(document).sort(), [
      'spec.disconnect.lostAfter',
      'spec.task.outputs[0].name',
      'spec.task.outputs[1].name',
      'spec.task.runtime',
    ]);
  });

  test('a list beyond its limit has one fault, not one for each entry', () => {
    const document = valid();
    document.spec.task.outputs = Array.from({ length: 1000 }, () => ({ name: 'a', path: '/a' }));
    assert.deepEqual(pathsOf(document), ['spec.task.outputs']);
  });
});

describe('what is not built', () => {
  const withTask = (task: object, spec: object = {}) => ({ kind: 'Job', spec: { ...spec, task } });

  test('does not contradict what is written', () => {
    const job = {
      kind: 'Service',
      spec: { type: 'service', count: 2, task: { runtime: 'unikernel', javascript: { script: 5 } } },
    };
    assert.deepEqual(pathsOf(job), ['kind', 'spec.task.runtime', 'spec.task.javascript.script']);
  });

  test('a heartbeat of wasm programs, which cannot report', () => {
    const wasm = { runtime: 'wasm', wasm: { module: DIGEST } };
    const [fault, ...others] = faultsOf(withTask(wasm, { timeouts: { heartbeat: '5m' } }));
    assert.deepEqual([fault?.path, fault?.code, others], ['spec.timeouts.heartbeat', 'unsupported', []]);
    assert.match(fault?.message ?? '', /wasm programs have no way to report progress/);
    assert.deepEqual(faultsOf(withTask(wasm, { timeouts: { heartbeat: undefined } })), []);
    const script = { runtime: 'javascript', javascript: { script: DIGEST } };
    assert.deepEqual(faultsOf(withTask(script, { timeouts: { heartbeat: '5m' } })), []);
    assert.deepEqual(pathsOf(withTask({}, { timeouts: { heartbeat: '5m' } })), ['spec.task.runtime']);
  });

  test('sources at addresses, told without their secrets', () => {
    for (const scheme of ['s3://', 'http://', 'https://', 'ipfs://', 'HTTPS://']) {
      const source = `${scheme}bucket/key?signature=hidden`;
      const task = {
        runtime: 'wasm',
        wasm: { module: source },
        stdin: { source },
        inputs: [{ source, path: '/in/a' }],
      };
      const faults = faultsOf(withTask(task));
      assert.deepEqual(
        faults.map(({ path, code }) => `${path} ${code}`),
        [
          'spec.task.wasm.module unsupported',
          'spec.task.stdin.source unsupported',
          'spec.task.inputs[0].source unsupported',
        ],
      );
      for (const { message } of faults) {
        assert.equal(message, `a source at ${scheme.toLowerCase()} is not built yet: upload it as a blob`);
      }
      const script = { runtime: 'javascript', javascript: { script: source } };
      assert.deepEqual(pathsOf(withTask(script)), ['spec.task.javascript.script']);
    }
    const other = faultsOf(withTask({ runtime: 'wasm', wasm: { module: 'gopher://x' } }));
    assert.deepEqual(
      other.map(({ path, code }) => [path, code]),
      [['spec.task.wasm.module', 'invalid']],
    );
  });
});

test('of two shapes that a field may have, the faults are those of the one that was meant', () => {
  const withStdin = (stdin: unknown) => {
    const document = valid();
    document.spec.task.stdin = stdin;
    return faultsOf(document).map(({ path, code, message }) => `${path} ${code} ${message}`);
  };
  assert.deepEqual(withStdin({ text: 'a', colour: 1 }), [
    'spec.task.stdin.colour unknown-field is not a field of the specification',
  ]);
  assert.deepEqual(withStdin({}), ['spec.task.stdin invalid must be either { text: ... } or { source: ... }']);
  assert.deepEqual(withStdin(5), ['spec.task.stdin invalid must be either { text: ... } or { source: ... }']);
  assert.match(withStdin({ source: 5 }).join(), /^spec\.task\.stdin\.source invalid must be text, not 5$/);
});

test('checkpoints are for programs that write files, in a folder of their own, and not all the time', () => {
  const faults = (task: object) => {
    return faultsOf({ kind: 'Job', spec: { task } }).map(({ path, code, message }) => `${path} ${code} ${message}`);
  };
  const program = { runtime: 'process', process: { command: ['x'] } };
  assert.deepEqual(faults({ ...program, checkpoint: {} }), []);
  assert.deepEqual(faults({ ...program, checkpoint: { every: '1s', grace: '1m' } }), []);
  assert.deepEqual(faults({ ...program, checkpoint: { every: '999ms' } }), [
    'spec.task.checkpoint.every invalid must be at least 1s',
  ]);
  for (const [runtime, block] of [
    ['wasm', { module: DIGEST }],
    ['javascript', { script: DIGEST }],
    ['kubernetes', { image: 'a' }],
  ] as const) {
    const [fault, ...others] = faults({ runtime, [runtime]: block, checkpoint: {} });
    assert.match(fault ?? '', new RegExp(`^spec\\.task\\.checkpoint invalid is not offered by runtime: ${runtime}, `));
    assert.deepEqual(others, []);
  }
  const at = (path: string) => ({ ...program, checkpoint: {}, inputs: [{ source: DIGEST, path }] });
  assert.deepEqual(faults(at('/checkpoints/a')), []);
  for (const path of ['/checkpoint', '/checkpoint/a']) {
    assert.match(faults(at(path)).join(), /^spec\.task\.inputs\[0\]\.path invalid cannot lie in \/checkpoint, /);
  }
  assert.deepEqual(faultsOf({ kind: 'Job', spec: { task: program, suspend: { keepLease: 'long' } } }).length, 1);
});

test('verification: offered where results can be compared, and lost replicas replaced', () => {
  const batch = (change: object, task: object = {}) => {
    const { spec, ...rest } = valid();
    const { count, ...others } = spec;
    const { javascript, stdin, inputs, outputs, ...bare } = spec.task;
    const program = 'runtime' in task ? { ...bare, ...task } : spec.task;
    return { ...rest, spec: { ...others, type: 'batch', verification: {}, ...change, task: program } };
  };
  assert.deepEqual(pathsOf(batch({})), []);
  assert.deepEqual(parseJobSpec(batch({})).spec.verification?.quorum, 2, 'defaults are filled in');
  const kubernetes = { runtime: 'kubernetes', kubernetes: { image: 'busybox' } };
  const { heartbeat, ...timeouts } = valid().spec.timeouts;
  for (const refused of [
    batch({ type: 'ops' }),
    batch({ timeouts }, kubernetes),
    batch({ disconnect: { replace: false } }),
    batch({ verification: { quorum: 4, maxReplicas: 3 } }),
    batch({ timeouts }, { runtime: 'process', process: { command: ['x'] }, checkpoint: {} }),
  ]) {
    assert.match(pathsOf(refused).join(), /^spec\.verification(\.maxReplicas)?$/);
  }
});

test('what the validator finds is told in our words', () => {
  const told = (change: (document: Document) => void) => {
    const document = valid();
    change(document);
    return faultsOf(document).map(({ path, message }) => `${path}: ${message}`);
  };
  const cases: [change: (it: Document) => void, ...faults: string[]][] = [
    [(it) => Object.assign(it, { spec: [] }), 'spec: must be fields (key: value), not a list'],
    [(it) => Object.assign(it, { spec: null }), 'spec: must be fields (key: value), and is empty'],
    [(it) => Object.assign(it, { kind: 'Jobs' }), 'kind: must be Job, not "Jobs"'],
    [(it) => Object.assign(it.spec, { priority: 101 }), 'spec.priority: must be at most 100'],
    [(it) => Object.assign(it.spec, { priority: 1.5 }), 'spec.priority: must be a whole number, not 1.5'],
    [
      (it) => Object.assign(it.spec, { type: 'batsh' }),
      'spec.type: must be one of batch, ops, service, daemon, not "batsh"',
    ],
    [(it) => Object.assign(it.spec.task, { args: 'a b' }), 'spec.task.args: must be a list, not "a b"'],
    [
      (it) => Object.assign(it.spec.timeouts, { queue: 'soon' }),
      'spec.timeouts.queue: must be a duration: 500ms, 30s, 10m, 1h30m or 7d',
    ],
    [
      (it) => {
        it.spec.timeouts = {};
        it.spec.task.network = { allow: ['example.org:443', 'example.org', 'x:1'] };
        Object.assign(it.spec.task, { runtime: 'process', process: { command: ['x'] }, javascript: undefined });
      },
      'spec.task.network.allow[1]: must be HOST:PORT, such as api.example.org:443, *.example.org:443 or api.example.org:*',
    ],
    [
      (it) => Object.assign(it.spec.task.outputs[0], { path: 'out' }),
      'spec.task.outputs[0].path: must be an absolute path without empty, "." or ".." parts, such as /out/result',
    ],
    [(it) => Object.assign(it.spec.task.javascript, { script: undefined }), 'spec.task.javascript.script: is required'],
  ];
  for (const [change, ...faults] of cases) assert.deepEqual(told(change), faults);
  const every = { runtime: 'process', process: { command: ['x'] }, checkpoint: { every: '10ms' } };
  assert.deepEqual(
    faultsOf({ kind: 'Job', spec: { task: every } }).map(({ message }) => message),
    ['must be at least 1s'],
  );
});
