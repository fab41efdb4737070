import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSettings, settingVariable } from '../src/index.ts';

const file = (text: string) => ({ path: 'config.toml', text });
const none = { environment: {} };

test('flags beat variables, variables beat the file, the file beats the default', () => {
  const sources = {
    file: file('[agent]\nname = "from-file"\nslots = 2\ndisk = "1Gi"'),
    environment: { FOG_AGENT_NAME: 'from-variable', FOG_AGENT_SLOTS: '3' },
    flags: { name: 'from-flag', slots: undefined },
  };
  const { settings, effective } = loadSettings('agent', sources);
  assert.deepEqual([settings.name, settings.slots, settings.disk, settings.cache], ['from-flag', 3, '1Gi', '5Gi']);
  const origin = Object.fromEntries(effective.map((setting) => [setting.key, setting.origin]));
  assert.deepEqual(
    ['name', 'slots', 'disk', 'cache'].map((key) => origin[`agent.${key}`]),
    ['flag', 'environment', 'file', 'default'],
  );
});

test('every setting tells its variable, and none is told twice', () => {
  for (const table of ['coordinator', 'agent'] as const) {
    const { effective } = loadSettings(table, none);
    for (const { key, variable } of effective) assert.equal(variable, settingVariable(table, key.split('.')[1] ?? ''));
    assert.equal(new Set(effective.map(({ variable }) => variable)).size, effective.length);
  }
  assert.equal(settingVariable('coordinator', 'blobSpace'), 'FOG_BLOB_SPACE');
});

test('variables are read by the kind of their setting', () => {
  const environment = {
    FOG_AGENT_LABELS: 'gpu=yes,zone=a=b',
    FOG_AGENT_ACCEPT: 'alice, bob',
    FOG_AGENT_CPU: '1.5',
    FOG_AGENT_MEMORY: '',
  };
  const { settings } = loadSettings('agent', { environment });
  assert.deepEqual(settings.labels, { gpu: 'yes', zone: 'a=b' });
  assert.deepEqual(settings.accept, ['alice', 'bob']);
  assert.deepEqual([settings.cpu, settings.memory], [1.5, undefined]);
  const plain = (text: string) =>
    loadSettings('coordinator', { environment: { FOG_PLAIN_HTTP: text } }).settings.plainHttp;
  assert.deepEqual(['1', 'true', '0', 'false'].map(plain), [true, true, false, false]);
});

test('every fault is named with its place', () => {
  const sources = {
    file: file('[coordinator]\nlisten = "nowhere"\nkeepJob = "1d"'),
    environment: { FOG_HEARTBEAT: 'soon', FOG_QUEUED_TASKS: 'many', FOG_PLAIN_HTTP: 'maybe' },
  };
  assert.throws(
    () => loadSettings('coordinator', sources),
    (error: Error & { code: string; details: { faults: string[] } }) => {
      assert.equal(error.code, 'invalid-configuration');
      const { faults } = error.details;
      assert.equal(faults.length, 5);
      for (const place of [
        'config.toml: coordinator.listen: ',
        'config.toml: coordinator.keepJob: unknown',
        'FOG_HEARTBEAT: ',
        'FOG_QUEUED_TASKS: ',
        'FOG_PLAIN_HTTP: ',
      ]) {
        assert.ok(
          faults.some((fault) => fault.startsWith(place)),
          place,
        );
      }
      return true;
    },
  );
});

test('a list or map that is wrong is told once, with the entry, and how it is written', () => {
  const told = (environment: Record<string, string>) => {
    try {
      loadSettings('agent', { environment });
    } catch (error) {
      return (error as Error).message;
    }
    return null;
  };
  assert.equal(
    told({ FOG_AGENT_RUNTIMES: '["wasm","javascript"]' }),
    'FOG_AGENT_RUNTIMES: must be one of wasm, javascript, process, docker, not "["wasm""; write wasm,javascript,process,docker',
  );
  assert.equal(told({ FOG_AGENT_LABELS: 'gpu' }), 'FOG_AGENT_LABELS: gpu: is required; write key=value,key=value');
  assert.match(told({ FOG_AGENT_ACCEPT: '-x' }) ?? '', /^FOG_AGENT_ACCEPT: .*; write alice,bob$/);
  assert.equal(told({ FOG_AGENT_SLOTS: 'many' }), 'FOG_AGENT_SLOTS: must be a number');
});

test('files that are no settings are refused', () => {
  for (const text of [
    '[coordinator',
    '[cordinator]',
    'listen = "127.0.0.1:1"',
    'agent = 5',
    'agent = "x"',
    '[[agent]]',
    '[agent]\n[agent]',
    '[agent]\nconstructor = 1',
    '[agent]\n__proto__ = 1',
  ]) {
    assert.throws(
      () => loadSettings('agent', { file: file(text), environment: {} }),
      { code: 'invalid-configuration' },
      text,
    );
  }
});

test('addresses to listen on', () => {
  const listen = (text: string) => loadSettings('coordinator', { ...none, flags: { listen: text } });
  for (const good of ['127.0.0.1:0', '[::1]:7070', 'localhost:1', '0.0.0.0:65535'])
    assert.equal(listen(good).settings.listen, good);
  for (const bad of ['', '7070', ':7070', '::1:7070', 'host:', 'host:port', 'a b:1', '[::1]', '1.2.3.4:123456']) {
    assert.throws(() => listen(bad), { code: 'invalid-configuration' }, bad);
  }
});
