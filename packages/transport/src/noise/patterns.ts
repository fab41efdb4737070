/**
 * The handshake patterns of the Noise framework as a table, and the names of protocols made of them.
 *
 *     <- s                 known beforehand to the initiator: the responder's static key
 *     ...
 *     -> e, es             the initiator's first message
 *     <- e, ee             the responder's answer
 *     -> s, se
 *
 * A pattern is written as in the framework: its messages joined by `;`, the first always from the initiator, and each
 * side's `s` in front of `...` when it is known beforehand. A name of two letters says for initiator and responder: N no
 * static key, K known, X transmitted, I transmitted at once; a 1 behind a letter defers what proves that key by a
 * message. A name of one letter is one-way: only the initiator ever sends.
 *
 * Source: The Noise Protocol Framework, revision 34, sections 7, 8, 9 and 18.1.
 */
import { FogError } from '@fog/contract';
import { HASH_NAMES, type HashName } from './primitives.ts';

export const TOKENS = ['e', 's', 'ee', 'es', 'se', 'ss', 'psk'] as const;
export type Token = (typeof TOKENS)[number];

export interface HandshakePattern {
  readonly isOneWay: boolean;
  /** Whether the side's static key is known to the other before the handshake. */
  readonly isInitiatorKnown: boolean;
  readonly isResponderKnown: boolean;
  /** Messages in turn, the first from the initiator. */
  readonly messages: readonly (readonly Token[])[];
}

export interface NoiseProtocol {
  readonly name: string;
  readonly hashName: HashName;
  readonly pattern: HandshakePattern;
}

const PATTERNS: Readonly<Record<string, string>> = {
  N: '<-s ... e es',
  K: '->s <-s ... e es ss',
  X: '<-s ... e es s ss',

  NN: 'e ; e ee',
  NK: '<-s ... e es ; e ee',
  NX: 'e ; e ee s es',
  XN: 'e ; e ee ; s se',
  XK: '<-s ... e es ; e ee ; s se',
  XX: 'e ; e ee s es ; s se',
  KN: '->s ... e ; e ee se',
  KK: '->s <-s ... e es ss ; e ee se',
  KX: '->s ... e ; e ee se s es',
  IN: 'e s ; e ee se',
  IK: '<-s ... e es s ss ; e ee se',
  IX: 'e s ; e ee se s es',

  NK1: '<-s ... e ; e ee es',
  NX1: 'e ; e ee s ; es',
  X1N: 'e ; e ee ; s ; se',
  X1K: '<-s ... e es ; e ee ; s ; se',
  XK1: '<-s ... e ; e ee es ; s se',
  X1K1: '<-s ... e ; e ee es ; s ; se',
  X1X: 'e ; e ee s es ; s ; se',
  XX1: 'e ; e ee s ; es s se',
  X1X1: 'e ; e ee s ; es s ; se',
  K1N: '->s ... e ; e ee ; se',
  K1K: '->s <-s ... e es ; e ee ; se',
  KK1: '->s <-s ... e ; e ee se es',
  K1K1: '->s <-s ... e ; e ee es ; se',
  K1X: '->s ... e ; e ee s es ; se',
  KX1: '->s ... e ; e ee se s ; es',
  K1X1: '->s ... e ; e ee s ; se es',
  I1N: 'e s ; e ee ; se',
  I1K: '<-s ... e es s ; e ee ; se',
  IK1: '<-s ... e s ; e ee se es',
  I1K1: '<-s ... e s ; e ee es ; se',
  I1X: 'e s ; e ee s es ; se',
  IX1: 'e s ; e ee se s ; es',
  I1X1: 'e s ; e ee s ; se es',
};

export const PATTERN_NAMES: readonly string[] = Object.keys(PATTERNS);

const NAME = /^Noise_([A-Z0-9]+?)(psk\d(?:\+psk\d)*)?_25519_ChaChaPoly_([A-Za-z0-9]+)$/;

/**
 * Reads a name like `Noise_XKpsk3_25519_ChaChaPoly_SHA256`. Throws `unsupported` for a pattern, modifier, function or
 * shape that is not known.
 */
export function protocolOf(name: string): NoiseProtocol {
  const [, base = '', modifiers = '', hashName = ''] = NAME.exec(name) ?? [];
  const text = Object.hasOwn(PATTERNS, base) ? PATTERNS[base] : undefined;
  if (text === undefined || !isHashName(hashName)) {
    throw new FogError('unsupported', `there is no Noise protocol "${name.slice(0, 80)}" here`, {
      hint: 'use Noise_PATTERN_25519_ChaChaPoly_SHA256',
    });
  }
  const pattern = parsePattern(text, base.length === 1);
  const positions = modifiers === '' ? [] : modifiers.split('+').map((modifier) => Number(modifier.slice(3)));
  return { name, hashName, pattern: withPreSharedKeys(pattern, positions, name) };
}

function isHashName(name: string): name is HashName {
  return Object.hasOwn(HASH_NAMES, name);
}

function parsePattern(text: string, isOneWay: boolean): HandshakePattern {
  const [before = '', after] = text.includes('...') ? text.split('...') : ['', text];
  return {
    isOneWay,
    isInitiatorKnown: before.includes('->s'),
    isResponderKnown: before.includes('<-s'),
    messages: (after ?? '').split(';').map((message) => message.trim().split(' ') as Token[]),
  };
}

/** `psk0` stands in front of the first message, `pskN` at the end of the Nth; section 9.4. */
function withPreSharedKeys(pattern: HandshakePattern, positions: readonly number[], name: string): HandshakePattern {
  const messages = pattern.messages.map((message) => [...message]);
  if (new Set(positions).size !== positions.length || positions.some((position) => position > messages.length)) {
    throw new FogError('unsupported', `the pre-shared keys of "${name}" have no place in its pattern`, {
      hint: 'name each place once, from psk0 to that of the last message',
    });
  }
  for (const position of positions) {
    if (position === 0) messages[0]?.unshift('psk');
    else messages[position - 1]?.push('psk');
  }
  return { ...pattern, messages };
}
