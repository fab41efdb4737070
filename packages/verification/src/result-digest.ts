/**
 * The digest of a result, and what a node signs of it.
 *
 * Two runs have the same result when exit code, declared stdout and outputs are the same. Modes, times and the order in
 * which outputs were written do not count. The digest is the root of a Merkle tree over a header and the outputs, with
 * the prefixes of RFC 6962, section 2.1: 0x00 before a leaf, 0x01 before a node, so that neither passes for the other.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { type Digest, digestSchema, FogError, LIMITS } from '@fog/contract';
import { integerBytes, lengthPrefixed } from './length-prefixed.ts';

export interface CanonicalOutput {
  /** Name of the output in the specification. */
  name: string;
  /** Absolute path in the sandbox; of a folder, the one that was declared. */
  path: string;
  /** Of the bytes of the file, or of the manifest of the folder. */
  digest: Digest;
  bytes: number;
}

export interface CanonicalResult {
  exitCode: number;
  /** Only where the specification declares stdout as part of the result; else null. */
  stdout: Digest | null;
  outputs: readonly CanonicalOutput[];
}

/** Which attempt a result belongs to, and who computed it. */
export interface ResultClaim {
  job: string;
  partition: number;
  fence: number;
  nodeId: string;
  /** What `resultDigest` answered. */
  digest: Digest;
}

const LEAF = Buffer.from([0x00]);
const NODE = Buffer.from([0x01]);
const HEADER_DOMAIN = 'fog-result-header-v1';
const OUTPUT_DOMAIN = 'fog-result-output-v1';
const SIGNING_DOMAIN = 'fog-result-signature-v1';

/**
 * Throws `invalid-request` when two outputs have the same name and path, when there are more than a job may have, or
 * when a digest or number is none.
 */
export function resultDigest(result: CanonicalResult): Digest {
  if (result.outputs.length > LIMITS.outputs) {
    throw new FogError('invalid-request', `a result has at most ${LIMITS.outputs} outputs`);
  }
  const header = lengthPrefixed([
    HEADER_DOMAIN,
    integerBytes(result.exitCode),
    result.stdout === null ? '' : digestBytes(result.stdout),
    integerBytes(result.outputs.length),
  ]);
  const outputs = result.outputs.toSorted(compareOutputs);
  outputs.forEach((output, index) => {
    const previous = outputs[index - 1];
    if (previous !== undefined && compareOutputs(previous, output) === 0) {
      throw new FogError('invalid-request', `two outputs are called ${output.name} and lie at ${output.path}`);
    }
  });
  const leaves = outputs.map(({ name, path, digest, bytes }) =>
    lengthPrefixed([OUTPUT_DOMAIN, name, path, digestBytes(digest), integerBytes(bytes)]),
  );
  return `sha256:${merkleRoot([header, ...leaves]).toString('hex')}`;
}

/** The bytes that the key of the node signs (Ed25519). Throws `invalid-request` when a part is malformed. */
export function resultSigningInput(claim: ResultClaim): Uint8Array {
  const { job, partition, fence, nodeId, digest } = claim;
  return lengthPrefixed([
    SIGNING_DOMAIN,
    job,
    integerBytes(partition),
    integerBytes(fence),
    nodeId,
    digestBytes(digest),
  ]);
}

/**
 * Whether the node signed this claim. `publicKey`: raw Ed25519 key, `signature`: RFC 8032, both base64url. The claim's
 * node id is not compared with the key; whoever registered the node did that. False for anything malformed.
 */
export function verifyResultSignature(claim: ResultClaim, publicKey: string, signature: string): boolean {
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' });
    return verify(null, resultSigningInput(claim), key, Buffer.from(signature, 'base64url'));
  } catch {
    return false;
  }
}

/** Merkle tree hash of RFC 6962, section 2.1: the left subtree is the largest complete one. */
export function merkleRoot(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(LEAF, leaves[0] as Uint8Array);
  const left = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return sha256(NODE, merkleRoot(leaves.slice(0, left)), merkleRoot(leaves.slice(left)));
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function digestBytes(digest: Digest): Buffer {
  if (!digestSchema.safeParse(digest).success) throw new FogError('invalid-request', `${digest} is not a digest`);
  return Buffer.from(digest.slice('sha256:'.length), 'hex');
}

/** By the bytes of the name, then of the path: an order that every language has. */
function compareOutputs(left: CanonicalOutput, right: CanonicalOutput): number {
  return (
    Buffer.compare(Buffer.from(left.name), Buffer.from(right.name)) ||
    Buffer.compare(Buffer.from(left.path), Buffer.from(right.path))
  );
}
