/**
 * The tags of an XML document, one after the other: enough of XML for files that programs write, no more. What a document
 * type could declare is refused, and so are references to entities other than the five of XML and characters by number.
 */
import { WORKFLOW_LIMITS } from './limits.ts';
import { refusal } from './workflow.ts';

export interface XmlElement {
  name: string;
  attributes: ReadonlyMap<string, string>;
  line: number;
  /** The elements that it is in, the outermost first. */
  within: readonly XmlElement[];
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const NAME = '[A-Za-z_][\\w.:-]*';
const TAG = new RegExp(`^<(/?)(${NAME})((?:\\s+${NAME}\\s*=\\s*(?:"[^"<]*"|'[^'<]*'))*)\\s*(/?)>$`);
const ATTRIBUTE = new RegExp(`(${NAME})\\s*=\\s*(?:"([^"]*)"|'([^']*)')`, 'g');

/** Where each begins. `file` names the document in messages; throws `invalid-request`, with the line. */
export function* xmlElements(text: string, file: string): Generator<XmlElement> {
  const open: XmlElement[] = [];
  let line = 1;
  let at = 0;
  let hasRoot = false;
  const fail = (what: string) => refusal(file, `line ${line}: ${what}`, 'give a well-formed XML file', { line });
  while (at < text.length) {
    const start = text.indexOf('<', at);
    const between = text.slice(at, start === -1 ? text.length : start);
    if (open.length === 0 && between.replace('\uFEFF', '').trim() !== '') throw fail('text outside of elements');
    line += linesIn(between);
    if (start === -1) break;
    const end = endOfMarkup(text, start);
    if (end === -1) throw fail('a tag without an end');
    const markup = text.slice(start, end);
    at = end;
    if (markup.startsWith('<!') && !/^<!(--|\[CDATA\[)/.test(markup)) throw fail('a document type');
    if (!/^<[?!]/.test(markup)) {
      const [, close, name = '', attributes = '', isEmpty] = TAG.exec(markup) ?? [];
      if (close === undefined) throw fail('a tag that is no tag');
      if (close === '/') {
        if (open.pop()?.name !== name || attributes !== '') throw fail(`</${name}> without its beginning`);
      } else {
        if (open.length === 0 && hasRoot) throw fail('a second document');
        if (open.length === WORKFLOW_LIMITS.xmlDepth) throw fail(`more than ${open.length} elements within each other`);
        const element = { name, attributes: attributesOf(attributes, fail), line, within: open.slice() };
        hasRoot = true;
        if (isEmpty !== '/') open.push(element);
        yield element;
      }
    }
    line += linesIn(markup);
  }
  if (open.length > 0) throw fail(`<${open.at(-1)?.name}> without its end`);
  if (!hasRoot) throw fail('no element');
}

/** Behind the tag, comment or instruction at `start`; -1 when it does not end. */
function endOfMarkup(text: string, start: number): number {
  for (const [opening, closing] of [
    ['<!--', '-->'],
    ['<![CDATA[', ']]>'],
    ['<?', '?>'],
  ] as const) {
    if (!text.startsWith(opening, start)) continue;
    const found = text.indexOf(closing, start + opening.length);
    return found === -1 ? -1 : found + closing.length;
  }
  let quote = '';
  for (let at = start + 1; at < text.length; at += 1) {
    const character = text[at] as string;
    if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '>') return at + 1;
  }
  return -1;
}

function attributesOf(text: string, fail: (what: string) => Error): Map<string, string> {
  const attributes = new Map<string, string>();
  for (const [, name = '', double, single] of text.matchAll(ATTRIBUTE)) {
    if (attributes.has(name)) throw fail(`${name} is there twice`);
    attributes.set(
      name,
      (double ?? single ?? '').replace(/&([^;]*);?/g, (_, entity: string) => decoded(entity, fail)),
    );
  }
  return attributes;
}

function decoded(entity: string, fail: (what: string) => Error): string {
  const [, hex, decimal] = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(entity) ?? [];
  const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
  if (code <= 0x10ffff) return String.fromCodePoint(code);
  const known = Object.hasOwn(ENTITIES, entity) ? ENTITIES[entity] : undefined;
  if (known === undefined) throw fail(`&${entity.slice(0, 20)}; is not known`);
  return known;
}

function linesIn(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines += 1;
  return lines;
}
