/** Stands in front of an authority and adds a second vote, under its own key, to the one that it has cast. */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AuthorityMessage, DIRECTORY_ROUTES, ed25519Signer, signDocument } from '@fog/betanet';

export interface LyingAuthorityOptions {
  /** Where others believe the authority to be, and where it is. */
  port: number;
  hiddenPort: number;
  secretKey: Uint8Array;
  /** In the rounds for these epochs it lies. */
  epochs: readonly number[];
}

export async function lyingAuthority(options: LyingAuthorityOptions): Promise<AsyncDisposable> {
  const second = new Map<number, AuthorityMessage>();
  const server = createServer((request, response) => {
    answer(request, response, options, second).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(options.port, '127.0.0.1', resolve));
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { hiddenPort, secretKey, epochs }: LyingAuthorityOptions,
  second: Map<number, AuthorityMessage>,
): Promise<void> {
  const { method = 'GET', url = '/' } = request;
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk as Uint8Array);
  const asked = await fetch(`http://127.0.0.1:${hiddenPort}${url}`, {
    method,
    ...(method === 'POST'
      ? { body: Buffer.concat(chunks).toString(), headers: { 'content-type': 'application/json' } }
      : {}),
  });
  let text = await asked.text();
  if (url === DIRECTORY_ROUTES.current && asked.ok) {
    const documents = JSON.parse(text) as AuthorityMessage[];
    for (const { body } of documents) {
      if (body.kind !== 'vote' || !epochs.includes(body.epoch) || second.has(body.epoch)) continue;
      const other = { ...body, commitment: randomBytes(32).toString('hex') };
      second.set(body.epoch, signDocument(other, ed25519Signer(secretKey)));
    }
    const isVote = documents.some(({ body }) => body.kind === 'vote');
    text = JSON.stringify([...documents, ...(isVote ? [...second.values()] : [])]);
  }
  response.writeHead(asked.status, { 'content-type': 'application/json' }).end(text);
}
