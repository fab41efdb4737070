/** What a replica is worth whose node was trusted when it was leased, and is not when it shows its result. Pure. */
import { credibilityOf, type TaskVerificationState, TRUSTED_NODE, unknownNode } from '@fog/verification';

/** The replica counts as one of a node of which nothing is known, and does not stand alone as one of a trusted node does. */
export function withoutTrust(state: TaskVerificationState, fence: number): TaskVerificationState {
  const wasTrusted = (replica: TaskVerificationState['replicas'][number]) =>
    replica.fence === fence && replica.credibility === credibilityOf(TRUSTED_NODE);
  if (!state.replicas.some(wasTrusted)) return state;
  const credibility = credibilityOf(unknownNode());
  const replicas = state.replicas.map((replica) => (wasTrusted(replica) ? { ...replica, credibility } : replica));
  return { ...state, single: state.single === null ? null : false, replicas };
}
