/** How a failure looks: one sentence and a hint, or a problem document. */
import type { FogError, SpecFault } from '@fog/contract';
import { coloursOf, type Terminal, write } from '../terminal.ts';
import { safeText } from './table.ts';

export async function writeError(terminal: Terminal, error: FogError, asJson: boolean): Promise<void> {
  if (asJson) {
    await write(terminal.stderr, `${JSON.stringify(error.toProblem())}\n`);
    return;
  }
  const colours = coloursOf(terminal, 'stderr');
  const faults = faultLines(error);
  const sentence = faults.length > 1 ? `${faults.length} faults in the specification` : error.message;
  const lines = [`${colours.red('fog:')} ${safeText(sentence)}`];
  if (faults.length > 1) lines.push(...faults.map((fault) => `  ${safeText(fault)}`));
  if (error.hint !== undefined) lines.push(`  ${colours.dim('hint:')} ${safeText(error.hint)}`);
  await write(terminal.stderr, `${lines.join('\n')}\n`);
}

function faultLines(error: FogError): string[] {
  const { faults } = error.details;
  if (error.code !== 'invalid-spec' && error.code !== 'unsupported') return [];
  if (!Array.isArray(faults)) return [];
  return (faults as SpecFault[]).map((fault) => `${fault.path || 'the document'}: ${fault.message}`);
}
