/** Asks the authorities of a network. Nothing of what they answer is believed here: callers check signatures. */
import { FogError } from '@fog/contract';
import type { DrawProof, SignedDescriptor } from '../directory/documents.ts';
import type { Authority, Genesis } from '../directory/genesis.ts';
import { DIRECTORY_LIMITS } from '../directory/limits.ts';
import { type AuthorityStatus, DIRECTORY_ROUTES } from './directory-routes.ts';
import { DIRECTORY_SERVICE_LIMITS } from './limits.ts';

export interface Answer<Value> {
  authority: Authority;
  value: Value;
  /** By the clock of whoever asked: in the middle between question and answer. */
  atMilliseconds: number;
}

interface AnswerBound {
  mostBytes: number;
  milliseconds: number;
}

const { answerMilliseconds, smallAnswerMilliseconds } = DIRECTORY_SERVICE_LIMITS;
const SMALL: AnswerBound = { mostBytes: DIRECTORY_LIMITS.descriptorBytes, milliseconds: smallAnswerMilliseconds };
const CONSENSUS: AnswerBound = { mostBytes: DIRECTORY_LIMITS.consensusBytes, milliseconds: answerMilliseconds };
const SAID: AnswerBound = { mostBytes: DIRECTORY_LIMITS.authorityMessageBytes, milliseconds: answerMilliseconds };

export class DirectoryClient {
  readonly #authorities: readonly Authority[];
  readonly #signal: AbortSignal | undefined;

  readonly #now: () => number;

  /** `now`: milliseconds since 1970. */
  constructor(genesis: Pick<Genesis, 'authorities'>, signal?: AbortSignal, now: () => number = Date.now) {
    this.#authorities = genesis.authorities;
    this.#signal = signal;
    this.#now = now;
  }

  /** A consensus of each authority that has it, or that has another than the one of which the digest (hex) is given. */
  consensus(epoch: number | 'latest', otherThan?: string): Promise<Answer<unknown>[]> {
    const headers: Record<string, string> = otherThan === undefined ? {} : { 'if-none-match': `"${otherThan}"` };
    return this.#askAll(DIRECTORY_ROUTES.consensus(epoch), CONSENSUS, headers);
  }

  /** The time of each authority, which it should have signed with the nonce (32 bytes, hex). */
  clocks(nonce: string): Promise<Answer<unknown>[]> {
    return this.#askAll(DIRECTORY_ROUTES.clock(nonce), SMALL);
  }

  seeds(epoch: number): Promise<Answer<unknown>[]> {
    return this.#askAll(DIRECTORY_ROUTES.seed(epoch), SMALL);
  }

  async statuses(): Promise<Answer<AuthorityStatus>[]> {
    const answers = await this.#askAll(DIRECTORY_ROUTES.status, SMALL);
    return answers.filter((answer): answer is Answer<AuthorityStatus> => isStatus(answer.value));
  }

  /** What the other authorities say in the present step. */
  async current(of: Authority): Promise<unknown> {
    return (await this.#ask(of, DIRECTORY_ROUTES.current, SAID)).value;
  }

  /** Answers which authorities took it, and what the others said. */
  async publish(descriptor: SignedDescriptor): Promise<{ taken: string[]; refused: Map<string, string> }> {
    return this.#tellAll(DIRECTORY_ROUTES.descriptors, descriptor);
  }

  async prove(proof: DrawProof): Promise<{ taken: string[]; refused: Map<string, string> }> {
    return this.#tellAll(DIRECTORY_ROUTES.proofs, proof);
  }

  async #askAll(path: string, bound: AnswerBound, headers: Record<string, string> = {}): Promise<Answer<unknown>[]> {
    const answers = await Promise.allSettled(
      this.#authorities.map((authority) => this.#ask(authority, path, bound, headers)),
    );
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  async #ask(
    authority: Authority,
    path: string,
    { mostBytes, milliseconds }: AnswerBound,
    headers: Record<string, string> = {},
  ): Promise<Answer<unknown>> {
    const askedAt = this.#now();
    const response = await fetch(addressOf(authority, path), { headers, signal: this.#timeLimit(milliseconds) });
    const text = await readText(response, mostBytes);
    if (!response.ok) throw new FogError('unavailable', `authority ${authority.id} answered ${response.status}`);
    return { authority, value: JSON.parse(text) as unknown, atMilliseconds: (askedAt + this.#now()) / 2 };
  }

  async #tellAll(path: string, document: object): Promise<{ taken: string[]; refused: Map<string, string> }> {
    const taken: string[] = [];
    const refused = new Map<string, string>();
    await Promise.all(
      this.#authorities.map(async (authority) => {
        const fault = await this.#tell(authority, path, document).catch((error: unknown) => messageOf(error));
        if (fault === null) taken.push(authority.id);
        else refused.set(authority.id, fault);
      }),
    );
    return { taken, refused };
  }

  /** What it is refused for, or null. */
  async #tell(authority: Authority, path: string, document: object): Promise<string | null> {
    const response = await fetch(addressOf(authority, path), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(document),
      signal: this.#timeLimit(answerMilliseconds),
    });
    const text = await readText(response, DIRECTORY_LIMITS.descriptorBytes);
    if (response.ok) return null;
    const answer = JSON.parse(text) as { detail?: unknown };
    return typeof answer.detail === 'string' ? answer.detail : `it answered ${response.status}`;
  }

  #timeLimit(milliseconds: number): AbortSignal {
    const limit = AbortSignal.timeout(milliseconds);
    return this.#signal === undefined ? limit : AbortSignal.any([limit, this.#signal]);
  }
}

/** Below the authority's address, which may have a path of its own. */
function addressOf({ url }: Authority, path: string): URL {
  return new URL(url.replace(/\/+$/, '') + path);
}

/** Reads no more than it may: an authority is a stranger, too. */
async function readText(response: Response, mostBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > mostBytes) throw new FogError('body-too-large', `an authority answered more than ${mostBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function isStatus(value: unknown): value is AuthorityStatus {
  return typeof value === 'object' && value !== null && 'milliseconds' in value && Number.isFinite(value.milliseconds);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
