/** What who has too little for a job is told. */
import { FogError } from '@fog/contract';
import { formatFog } from '@fog/economy/amounts';
import { OPERATOR } from './genesis.ts';

export function notCovered(
  buyer: string,
  { needed, available, isLongRunning }: { needed: bigint; available: bigint; isLongRunning: boolean },
): FogError {
  const missing = needed - available;
  const sender = buyer === OPERATOR ? 'who has it' : `${OPERATOR}, or who has it,`;
  const what = isLongRunning ? 'a period of its replicas' : 'this job';
  const less = isLongRunning
    ? 'it asks for less: budget.perTask, or a lower count'
    : 'the job asks for less: a shorter timeouts.attempt, budget.perTask, a lower count or maxReplicas';
  return new FogError(
    'insufficient-funds',
    `${what} may cost ${formatFog(needed)} FOG, and ${buyer} has ${formatFog(available)}: ${formatFog(missing)} FOG is missing`,
    {
      details: { needed: String(needed), available: String(available), missing: String(missing) },
      hint: `${sender} sends it: fog wallet send ${buyer} ${formatFog(missing)}; or ${less}`,
    },
  );
}
