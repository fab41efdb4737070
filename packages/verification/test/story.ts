/** Tells the verification of one task event by event. Node, owner and network of a lease are named by its fence. */
import assert from 'node:assert/strict';
import { type VerificationPolicy, verificationPolicySchema } from '@fog/contract';
import {
  commitmentOf,
  newTaskVerification,
  type TaskVerificationState,
  taskVerificationStateSchema,
  type VerificationEvent,
  type VerificationStep,
  verifyTask,
} from '../src/index.ts';

export const policyOf = (block: object = {}): VerificationPolicy => verificationPolicySchema.parse(block);
export const kinds = ({ actions }: Pick<VerificationStep, 'actions'>) => actions.map(({ kind }) => kind);

type Leased = Extract<VerificationEvent, { kind: 'leased' }>;
type Told = Omit<VerificationStep, 'state'>;

export class Story {
  state: TaskVerificationState = newTaskVerification();
  readonly #policy: VerificationPolicy;
  #last: Told = { actions: [], verdicts: [] };

  constructor(policy: VerificationPolicy) {
    this.#policy = policy;
  }

  /** Null when nothing follows. The state goes through JSON, as in a database. */
  tryTell(event: VerificationEvent): Told | null {
    const step = verifyTask(this.state, event, this.#policy);
    if (step === null) return null;
    const { state, ...told } = step;
    this.state = taskVerificationStateSchema.parse(JSON.parse(JSON.stringify(state)));
    assert.deepEqual(this.state, state, 'the state survives JSON');
    this.#last = told;
    return told;
  }

  tell(event: VerificationEvent): Told {
    const told = this.tryTell(event);
    assert.ok(told, `no transition for ${JSON.stringify(event)} in ${JSON.stringify(this.state)}`);
    return told;
  }

  ignores(event: VerificationEvent): void {
    assert.equal(verifyTask(this.state, event, this.#policy), null, JSON.stringify(event));
  }

  lease(fence: number, changes: Partial<Leased> = {}): Leased {
    const holder = { nodeId: `n${fence}`, owner: `o${fence}`, prefix: `p${fence}` };
    return { kind: 'leased', ...holder, fence, trust: { consecutiveValid: 0 }, random: 0, ...changes };
  }

  leased(fence: number, changes: Partial<Leased> = {}): Told {
    return this.tell(this.lease(fence, changes));
  }

  committed(fence: number, value: number): Told {
    return this.tell({ kind: 'committed', fence, commitment: this.commitment(fence, value) });
  }

  revealed(fence: number, value: number): Told {
    return this.tell({ kind: 'revealed', fence, digest: this.digest(value), nonce: this.nonce(fence) });
  }

  failed(fence: number): Told {
    return this.tell({ kind: 'failed', fence });
  }

  /** One more replica, from lease to reveal. */
  result(fence: number, value: number, changes: Partial<Leased> = {}): Told {
    this.leased(fence, changes);
    this.committed(fence, value);
    return this.revealed(fence, value);
  }

  /** Replicas in one round: all are leased, then all commit, then all reveal. Each: fence, value. */
  sideBySide(...replicas: [fence: number, value: number][]): Told {
    for (const [fence] of replicas) this.leased(fence);
    for (const [fence, value] of replicas) this.committed(fence, value);
    for (const [fence, value] of replicas) this.revealed(fence, value);
    return this.#last;
  }

  digest(value: number): string {
    return `sha256:${String(value).padStart(64, '0')}`;
  }

  nonce(fence: number): string {
    return String(fence).padStart(64, '0');
  }

  commitment(fence: number, value: number): string {
    return commitmentOf({ digest: this.digest(value), nodeId: `n${fence}`, nonce: this.nonce(fence) });
  }

  /** Fences by the verdict of the last step. */
  verdicts(): Record<string, number[]> {
    const found: Record<string, number[]> = {};
    for (const { fence, verdict } of this.#last.verdicts) found[verdict] = [...(found[verdict] ?? []), fence];
    return found;
  }
}
