/** A coordinator that knows nothing but blobs, behind `fetch`, with faults on demand. */
import { createHash } from 'node:crypto';
import { type Fetch, FogClient, FogError } from '@fog/contract';

export class BlobServer {
  readonly blobs = new Map<string, Uint8Array>();
  readonly partial = new Map<string, Uint8Array>();
  /** Method, path and offset of every request. */
  readonly requests: string[] = [];
  /** Called before each request; throws to cut the connection. */
  before: (request: string) => void = () => undefined;
  /** Uploads keep only so many bytes and then break; counted down. */
  breakUploads = 0;
  /** Downloads end after so many bytes; null is whole. */
  cutDownloadsAfter: number | null = null;
  readonly client: FogClient;

  constructor() {
    const fetch: Fetch = async (url, init) => this.#answer(new URL(url), init);
    this.client = new FogClient({ url: 'http://fog.test', token: 'x', fetch });
  }

  get digests(): string[] {
    return [...this.blobs.keys()].sort();
  }

  async #answer(url: URL, init: Parameters<Fetch>[1]): Promise<Response> {
    const request = `${init.method} ${url.pathname}${url.search}${init.headers.range ?? ''}`;
    this.requests.push(request);
    this.before(request);
    const digest = decodeURIComponent(url.pathname.slice('/v1/blobs/'.length));
    if (init.method === 'HEAD') return this.#head(digest);
    if (init.method === 'PUT') return this.#put(digest, Number(url.searchParams.get('offset')), init.body);
    const blob = this.blobs.get(digest);
    if (blob === undefined) return problem(new FogError('blob-not-found', 'no such blob'));
    const start = Number(/bytes=(\d+)-/.exec(init.headers.range ?? '')?.[1] ?? 0);
    const end = this.cutDownloadsAfter === null ? blob.length : Math.min(blob.length, start + this.cutDownloadsAfter);
    const isCut = end < blob.length;
    let isSent = false;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (!isSent) controller.enqueue(blob.slice(start, end));
        else if (isCut) controller.error(new TypeError('terminated'));
        else controller.close();
        isSent = true;
      },
    });
    return new Response(body, { status: start === 0 ? 200 : 206 });
  }

  #head(digest: string): Response {
    const blob = this.blobs.get(digest);
    if (blob !== undefined) return new Response(null, { headers: { 'content-length': String(blob.length) } });
    const offset = this.partial.get(digest)?.length ?? 0;
    return new Response(null, { status: 404, headers: { 'fog-upload-offset': String(offset) } });
  }

  async #put(digest: string, offset: number, body: Parameters<Fetch>[1]['body']): Promise<Response> {
    const sent = new Uint8Array(await new Response(body as never).arrayBuffer());
    const before = this.partial.get(digest) ?? new Uint8Array(0);
    if (offset !== before.length) return problem(new FogError('blob-offset-mismatch', 'another offset'));
    if (this.breakUploads > 0) {
      this.breakUploads -= 1;
      this.partial.set(digest, Buffer.concat([before, sent.subarray(0, Math.ceil(sent.length / 2))]));
      throw new TypeError('socket hang up');
    }
    const whole = Buffer.concat([before, sent]);
    this.partial.delete(digest);
    if (`sha256:${createHash('sha256').update(whole).digest('hex')}` !== digest) {
      return problem(new FogError('blob-digest-mismatch', 'another digest'));
    }
    this.blobs.set(digest, new Uint8Array(whole));
    return new Response(null, { status: 201 });
  }
}

function problem(error: FogError): Response {
  return new Response(JSON.stringify(error.toProblem()), { status: error.status });
}
