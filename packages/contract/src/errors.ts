/**
 * The one error of the project.
 *
 * A `FogError` says what went wrong (`code`, from a closed union), where (`details`, plain data), and what to do
 * (`hint`). HTTP renders it as RFC 9457 problem details; the typed client turns the document back into a `FogError`.
 */

/** code -> [HTTP status, may the same call succeed later?, title] */
const CATALOGUE = {
  'invalid-spec': [422, false, 'The job specification has faults'],
  'invalid-request': [400, false, 'The request is malformed'],
  unsupported: [422, false, 'This is not built yet'],
  unauthenticated: [401, false, 'A valid token is needed'],
  'insufficient-funds': [402, false, 'The account does not cover this'],
  forbidden: [403, false, 'The token does not allow this'],
  'not-found': [404, false, 'There is no such thing'],
  conflict: [409, false, 'The request contradicts the present state'],
  'idempotency-mismatch': [409, false, 'The idempotency key was used with another specification'],
  'blob-not-found': [404, false, 'There is no blob with this digest'],
  'blob-digest-mismatch': [422, false, 'The bytes do not have the announced digest'],
  'blob-offset-mismatch': [409, true, 'The upload continues at another offset'],
  'body-too-large': [413, false, 'The body is larger than allowed'],
  'storage-full': [507, true, 'The coordinator has no room left'],
  'too-many-requests': [429, true, 'Too many requests'],
  'protocol-version': [426, false, 'The two sides speak different protocol versions'],
  'protocol-violation': [400, false, 'The other side broke the protocol'],
  'task-failed': [422, false, 'A task of the job failed'],
  'timed-out': [504, true, 'The time limit passed'],
  cancelled: [499, false, 'The work was cancelled'],
  unavailable: [503, true, 'This is not available right now'],
  'not-serialisable': [400, false, 'The value cannot travel as JSON'],
  'function-not-self-contained': [400, false, 'The function uses names from outside itself'],
  'runtime-unavailable': [422, false, 'The runtime is not available on this node'],
  'port-taken': [500, false, 'The address is already in use'],
  'data-directory': [500, false, 'The data directory cannot be used'],
  'unsupported-platform': [500, false, 'This platform is not supported'],
  'invalid-configuration': [500, false, 'The configuration has faults'],
  internal: [500, true, 'Something broke inside fog'],
} as const satisfies Record<string, readonly [status: number, retryable: boolean, title: string]>;

export type ErrorCode = keyof typeof CATALOGUE;
export const ERROR_CODES = Object.keys(CATALOGUE) as ErrorCode[];

export interface FogErrorOptions {
  /** Plain JSON data a program can act on. */
  details?: Record<string, unknown>;
  /** One sentence: what to do about it. */
  hint?: string;
  /** Overrides the default of the code. */
  retryable?: boolean;
  cause?: unknown;
}

/** RFC 9457 problem details, with our extension members `code`, `retryable`, `hint` and `details`. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  retryable: boolean;
  hint?: string | undefined;
  details?: Record<string, unknown> | undefined;
}

export class FogError extends Error {
  override readonly name = 'FogError';
  readonly code: ErrorCode;
  readonly details: Record<string, unknown>;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: FogErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.hint = options.hint;
    this.retryable = options.retryable ?? CATALOGUE[code][1];
  }

  get status(): number {
    return CATALOGUE[this.code][0];
  }

  toProblem(): ProblemDocument {
    return {
      type: `urn:fog:error:${this.code}`,
      title: CATALOGUE[this.code][2],
      status: this.status,
      detail: this.message,
      code: this.code,
      retryable: this.retryable,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(Object.keys(this.details).length === 0 ? {} : { details: this.details }),
    };
  }

  /** Reads a problem document; anything else becomes `internal` with what was received in `details`. */
  static fromProblem(document: unknown, fallbackMessage: string): FogError {
    if (typeof document === 'object' && document !== null && 'code' in document) {
      // Whoever answered may be no coordinator at all, so nothing about the members is taken for granted.
      const { code, detail, details, hint, retryable } = document as Record<string, unknown>;
      if (typeof code === 'string' && Object.hasOwn(CATALOGUE, code)) {
        return new FogError(code as ErrorCode, typeof detail === 'string' ? detail : fallbackMessage, {
          ...(isPlainRecord(details) ? { details } : {}),
          ...(typeof hint === 'string' ? { hint } : {}),
          ...(typeof retryable === 'boolean' ? { retryable } : {}),
        });
      }
    }
    return new FogError('internal', fallbackMessage, { details: { received: document } });
  }

  /** Passes a `FogError` through and wraps anything else as `internal`, keeping it as the cause. */
  static from(error: unknown): FogError {
    if (error instanceof FogError) return error;
    return new FogError('internal', error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function isPlainRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const UNTRUSTED_CERTIFICATE = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
];

/** What to say when a connection failed: most coordinators without a certificate of an authority have one of their own. */
export function connectionFault(url: string, cause: unknown): FogError {
  let deepest = cause;
  while (deepest instanceof Error && deepest.cause instanceof Error) deepest = deepest.cause;
  if (deepest instanceof AggregateError && deepest.errors[0] instanceof Error) deepest = deepest.errors[0];
  if (UNTRUSTED_CERTIFICATE.includes((deepest as { code?: string } | null)?.code ?? '')) {
    return new FogError(
      'unauthenticated',
      `no authority vouches for the certificate of ${url}, and no token names it`,
      {
        cause,
        hint: 'give the whole token, with the part behind the dot: that is the fingerprint of the certificate',
      },
    );
  }
  const why = deepest instanceof Error ? deepest.message : String(deepest);
  return new FogError('unavailable', `cannot reach the coordinator at ${url}: ${why}`, {
    cause,
    hint: 'start one with "fog up", or set FOG_URL',
  });
}
