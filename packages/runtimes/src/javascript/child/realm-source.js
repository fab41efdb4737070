/**
 * The realm's files as one script, for engines without a module loader: imports and exports fall away, every file
 * shares one function scope. Top-level names are therefore unique over all of `realm/`.
 */
import { readFileSync } from 'node:fs';

/** A file stands after those it imports. */
const FILES = [
  'math-words',
  'math-exponential',
  'math-hyperbolic',
  'math-power',
  'math-trigonometry',
  'number-text',
  'sorting',
  'dates',
  'virtual-time',
  'text-encoding',
  'host-calls',
  'log-text',
  'allowed-globals',
  'remove-globals',
  'replace-globals',
  'attempt-realm',
];

/** A script whose value is the function `installRealm` of attempt-realm.js. */
export function readRealmSource() {
  const parts = FILES.map((name) => {
    const text = readFileSync(new URL(`../realm/${name}.js`, import.meta.url), 'utf8');
    return text.replace(/^import [^;]*;$/gm, '').replace(/^export (?=function|const|class)/gm, '');
  });
  return `(() => {\n'use strict';\n${parts.join('\n')}\nreturn installRealm;\n})()`;
}
