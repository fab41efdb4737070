/** Reading what the coordinator sends. Pure. */
import { AGENT_PROTOCOL, type CoordinatorFrame, coordinatorFrameSchema, FogError } from '@fog/contract';
import { z } from 'zod';

/** Of another protocol version only this much of the challenge is known. */
const anyChallengeSchema = z.looseObject({ type: z.literal('challenge'), protocols: z.array(z.int()).min(1) });

/** Throws `protocol-violation` for what is no frame, `protocol-version` for the challenge of another version. */
export function parseCoordinatorFrame(text: string): CoordinatorFrame {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new FogError('protocol-violation', 'the coordinator sent a frame that is not JSON', { cause });
  }
  const challenge = anyChallengeSchema.safeParse(document);
  if (challenge.success && !challenge.data.protocols.includes(AGENT_PROTOCOL)) {
    throw unspokenProtocol(challenge.data.protocols);
  }
  const frame = coordinatorFrameSchema.safeParse(document);
  if (frame.success) return frame.data;
  throw new FogError('protocol-violation', 'the coordinator sent a frame that this agent does not know', {
    details: { issues: frame.error.issues.slice(0, 5).map(({ path, message }) => `${path.join('.')}: ${message}`) },
  });
}

function unspokenProtocol(spoken: readonly number[]): FogError {
  const versions = `${spoken.length === 1 ? 'version' : 'versions'} ${spoken.join(', ')}`;
  return new FogError(
    'protocol-version',
    `this agent speaks version ${AGENT_PROTOCOL} of the agent protocol, the coordinator ${versions}`,
    {
      details: { agent: AGENT_PROTOCOL, coordinator: spoken },
      hint: 'install the same release of fog on both machines',
    },
  );
}
