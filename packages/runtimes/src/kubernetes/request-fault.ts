/** What this runtime cannot do, as sentences. Pure: nothing is asked of the cluster. */
import { KUBERNETES_LIMITS } from '../limits.ts';
import type { AttemptRequest, Program } from '../runtime.ts';
import { WRITABLE_PATH } from './job-manifest.ts';

/** The one output there is: what the program prints. */
export const STANDARD_OUTPUT_PATH = '/dev/stdout';

/** Known before anything is staged. `isNetworkDenied`: whether something keeps pods of ours from the network. */
export function programFault(program: Program, isNetworkDenied: boolean, isTrusted: boolean): string | null {
  if (program.runtime !== 'kubernetes') return `The kubernetes runtime does not run ${program.runtime} programs.`;
  if (program.network.allow.length > 0)
    return 'A pod of the kubernetes runtime reaches no network, not even listed targets.';
  if (program.network.inbound) return 'A pod of the kubernetes runtime can publish no ports and runs no health checks.';
  if (!isNetworkDenied && !isTrusted) {
    return 'The node runs no programs of strangers in a cluster where nothing is known to keep them from the network.';
  }
  return null;
}

/** A pod cannot see this machine's disk, and an image need hold no program but the user's. */
export function filesFault(request: AttemptRequest): string | null {
  const { inputs, outputs, env, checkpoint, stdin } = request;
  const odd = outputs.find(({ sandboxPath }) => sandboxPath !== STANDARD_OUTPUT_PATH);
  if (odd !== undefined) {
    return `The output "${odd.name}" cannot be taken out of a pod: the only one there is has the path ${STANDARD_OUTPUT_PATH}.`;
  }
  if (checkpoint !== null) return 'The kubernetes runtime cannot take checkpoints out of a pod.';
  if (stdin !== null && !('data' in stdin && stdin.data.byteLength === 0)) {
    return 'The kubernetes runtime has no standard input: give the data as an input file of at most 1 MiB.';
  }
  if (inputs.length > KUBERNETES_LIMITS.inputFiles) {
    return `The kubernetes runtime takes ${KUBERNETES_LIMITS.inputFiles} input files at most, and the attempt has ${inputs.length}.`;
  }
  const large = inputs.find(({ bytes }) => bytes > KUBERNETES_LIMITS.secretBytes);
  if (large !== undefined) {
    return `The input ${large.sandboxPath} has more than the ${KUBERNETES_LIMITS.secretBytes} bytes that a cluster passes on in one file.`;
  }
  const inputBytes = inputs.reduce((sum, { bytes }) => sum + bytes, 0);
  if (inputBytes > KUBERNETES_LIMITS.inputBytes) {
    return `The inputs have ${inputBytes} bytes together, more than the ${KUBERNETES_LIMITS.inputBytes} that a cluster passes on.`;
  }
  const reserved = inputs.find(({ sandboxPath }) => isReserved(sandboxPath));
  if (reserved !== undefined) return `The input ${reserved.sandboxPath} is in a place that belongs to the system.`;
  const longName = Object.keys(env).find((name) => name.length > KUBERNETES_LIMITS.variableNameBytes);
  if (longName !== undefined) return `The name of the variable ${longName.slice(0, 40)}… is too long for a cluster.`;
  return null;
}

/** Kubernetes refuses paths with a colon; over these a mount would hide what the sandbox is made of. */
function isReserved(path: string): boolean {
  return path === WRITABLE_PATH || path.includes(':') || /^\/(?:dev|proc|sys)(?:\/|$)/.test(path);
}
