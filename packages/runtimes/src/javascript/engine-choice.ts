/**
 * Which engine runs a script, decided from what the owner of the node allows and what the machine offers.
 *
 * V8 at full speed is no security boundary by itself: it is for those whom the owner trusts, or inside an operating
 * system's sandbox. QuickJS compiled to wasm is its own sandbox, and slower.
 */
import type { BubblewrapProbe } from '../process/bubblewrap.ts';
import type { JavascriptProgram } from '../runtime.ts';

export type JavascriptEngine = 'v8' | 'v8-bubblewrap' | 'quickjs';

export type EngineChoice = { engine: JavascriptEngine } | { refusal: string };

/** `sandbox` is null while the machine has not been probed: then a doubtful request is not refused yet. */
export function chooseEngine(
  wanted: JavascriptProgram['engine'],
  trusted: boolean,
  sandbox: BubblewrapProbe | null,
): EngineChoice {
  if (wanted === 'quickjs') return { engine: 'quickjs' };
  if (trusted) return { engine: 'v8' };
  if (sandbox?.available === true) return { engine: 'v8-bubblewrap' };
  if (wanted === 'auto') return { engine: 'quickjs' };
  const { reason, hint } = sandbox ?? {
    reason: 'bubblewrap has not been probed yet',
    hint: 'ask again after the probe',
  };
  return {
    refusal:
      'Engine v8 runs scripts of a submitter whom the owner of this node does not trust only inside bubblewrap, and ' +
      `${reason}. Choose engine quickjs or auto, or on the node: ${hint}.`,
  };
}
