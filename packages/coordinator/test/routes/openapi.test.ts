import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOB_PATH, jobSpecJsonSchema, ROUTES, type RouteDefinition } from '@fog/contract';
import { startServer } from './running-server.ts';

interface Operation {
  operationId: string;
  security: object[];
  parameters?: { name: string; in: string; schema: object }[];
  requestBody?: { content: Record<string, { schema: { properties: Record<string, unknown> } }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
}

test('the OpenAPI document lists every route with its schemas, scopes and problems', async () => {
  await using it = await startServer();
  const document = (await it.server.inject('/openapi.json')).json();
  assert.match(document.openapi, /^3\.1\./);
  assert.equal(document.info.version, '0.1.0');
  assert.equal(document.components.securitySchemes.bearer.scheme, 'bearer');
  const routes = [
    ...Object.values(ROUTES),
    ...['HEAD', 'GET', 'PUT'].map((method) => ({ method, path: BLOB_PATH }) as unknown as RouteDefinition),
    ...['/healthz', '/readyz', '/metrics'].map((path) => ({ method: 'GET', path }) as unknown as RouteDefinition),
  ];
  const ids = new Set<string>();
  for (const route of routes as RouteDefinition[]) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    const operation: Operation | undefined = document.paths[path]?.[route.method.toLowerCase()];
    assert.ok(operation, `${route.method} ${path}`);
    assert.ok(!ids.has(operation.operationId), operation.operationId);
    ids.add(operation.operationId);
    assert.ok(operation.responses.default?.content?.['application/problem+json'], path);
    const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    assert.deepEqual(inPath.map((parameter) => parameter.name).sort(), names.sort(), path);
    if (path.startsWith('/v1/')) assert.deepEqual(operation.security, [{ bearer: [] }]);
    if (route.stream !== undefined) assert.ok(operation.responses[200]?.content?.['text/event-stream'], path);
    if (route.query !== undefined) {
      const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
      assert.deepEqual(query.map((parameter) => parameter.name).sort(), Object.keys(route.query.shape).sort());
    }
  }
  const submit: Operation = document.paths['/v1/jobs'].post;
  const spec = submit.requestBody?.content['application/json']?.schema.properties.spec;
  assert.deepEqual(spec, { $ref: '#/components/schemas/JobSpecInput' });
});

test('every reference of the document leads somewhere', async () => {
  await using it = await startServer();
  const document = (await it.server.inject('/openapi.json')).json();
  const text = JSON.stringify(document);
  const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1] ?? '');
  assert.ok(references.length > 0);
  for (const reference of references) {
    const target = reference
      .replace(/^#\//, '')
      .split('/')
      .reduce((place, key) => place?.[key], document);
    assert.ok(target, reference);
  }
});

test('the schema of jobs is published', async () => {
  await using it = await startServer();
  const answer = await it.server.inject('/schemas/job.json');
  assert.deepEqual(answer.json(), JSON.parse(JSON.stringify(jobSpecJsonSchema())));
});
