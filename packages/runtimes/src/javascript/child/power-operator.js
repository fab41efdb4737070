/**
 * Rewrites `a ** b` and `a **= b` into calls of one function that both engines share, since the operator of the
 * engines differs in the last digit for about one pair of arguments in ten. The text stays on its lines.
 *
 * Only scripts in which the operator (or a word that newer syntax uses) seems to occur are parsed at all. Those must
 * be ECMAScript 2024: what V8 knows beyond that, QuickJS refuses too.
 */

/**
 * Two stars are the operator, or lie in a comment or a literal; only a parser can tell, for `x/**` + `/**y` and `/ /**y`
 * are powers. Two forms are certainly none, and let the usual comments pass without one:
 * - stars after a slash that begins a line: no comment and no regular expression can end with that slash;
 * - stars before a slash that ends a line: no regular expression can begin with that slash.
 */
const STARS = /^[ \t]*\/\*{2,}|\*{2,}\/[ \t]*$|\*\*|\busing\b/gm;
const FUNCTION_NAME = '__fogPower';
const LINE_END = /[\n\r\u2028\u2029]/g;

export function needsRewriting(source) {
  for (const [found] of source.matchAll(STARS)) if (!found.includes('/')) return true;
  return false;
}

/** `parse` is acorn's. Throws SyntaxError. */
export function rewritePowers(source, parse) {
  const tree = parse(source, { ecmaVersion: 2024, sourceType: 'module', allowHashBang: true });
  const nodes = [];
  collect(tree, nodes);
  if (nodes.length === 0) return source;
  const changes = [];
  for (const node of nodes) {
    if (node.type === 'BinaryExpression') {
      insert(changes, node.start, `${FUNCTION_NAME}((`, 0);
      replaceOperator(changes, source, node, '**', '),(');
      insert(changes, node.end, '))', 1);
    } else {
      rewriteAssignment(changes, source, node);
    }
  }
  return applyChanges(source, changes);
}

function rewriteAssignment(changes, source, node) {
  const { left } = node;
  if (left.type === 'Identifier' || isSimpleMember(left)) {
    // `x **= y` -> `x = __fogPower(x, (y))`: reading the target twice has no effect of its own.
    const target = source.slice(left.start, left.end);
    replaceOperator(changes, source, node, '**=', `=${FUNCTION_NAME}(${target},(`);
    insert(changes, node.end, '))', 1);
    return;
  }
  if (left.type !== 'MemberExpression' || left.object.type === 'Super' || left.property.type === 'PrivateIdentifier') {
    throw new SyntaxError(`"${source.slice(left.start, left.end)} **=" is not supported: write the assignment out`);
  }
  // `o[k] **= y` -> `__fogPower.reference((o),(k)).power((y))`: o and k are evaluated once.
  insert(changes, left.start, `${FUNCTION_NAME}.reference((`, 0);
  if (left.computed) {
    replaceOperator(changes, source, { left: left.object, right: left.property }, '[', '),(');
    replaceOperator(changes, source, { left: left.property, right: { start: left.end } }, ']', '))');
  } else {
    const dot = operatorPosition(source, { left: left.object, right: left.property }, '.');
    changes.push({ start: dot, end: left.end, text: `),"${left.property.name}")`, order: 0 });
  }
  replaceOperator(changes, source, node, '**=', '.power((');
  insert(changes, node.end, '))', 1);
}

/** `this.#x`, `super.x`. */
function isSimpleMember(left) {
  return (
    left.type === 'MemberExpression' &&
    !left.computed &&
    (left.object.type === 'ThisExpression' || left.object.type === 'Super')
  );
}

/** Where the operator between two operands stands; in comments between them it is none. */
function operatorPosition(source, { left, right }, operator) {
  const end = right.start;
  let at = left.end;
  for (;;) {
    at = source.indexOf(operator, at);
    if (at < 0 || at >= end) throw new SyntaxError(`No ${operator} was found where the parser saw one`);
    const comment = commentAround(source, left.end, at);
    if (comment < 0) return at;
    at = comment;
  }
}

function replaceOperator(changes, source, operands, operator, text) {
  const at = operatorPosition(source, operands, operator);
  changes.push({ start: at, end: at + operator.length, text, order: 0 });
}

/** The end of the comment that covers `position`, or -1. */
function commentAround(source, from, position) {
  let at = from;
  while (at < position) {
    if (source.startsWith('/*', at)) {
      const end = source.indexOf('*/', at + 2) + 2;
      if (end > position) return end;
      at = end;
    } else if (source.startsWith('//', at)) {
      LINE_END.lastIndex = at;
      const end = LINE_END.exec(source)?.index ?? source.length;
      if (end > position) return end;
      at = end;
    } else {
      at += 1;
    }
  }
  return -1;
}

function insert(changes, position, text, order) {
  changes.push({ start: position, end: position, text, order });
}

function collect(node, found) {
  if (Array.isArray(node)) {
    for (const element of node) collect(element, found);
    return;
  }
  if (typeof node !== 'object' || node === null) return;
  if (
    (node.type === 'BinaryExpression' && node.operator === '**') ||
    (node.type === 'AssignmentExpression' && node.operator === '**=')
  ) {
    found.push(node);
  }
  for (const key of Object.keys(node))
    if (key !== 'start' && key !== 'end' && key !== 'type') collect(node[key], found);
}

/** At one position, what ends an inner expression comes before what ends an outer one, and ends before beginnings. */
function applyChanges(source, changes) {
  const numbered = changes.map((change, index) => ({ ...change, index }));
  numbered.sort((a, b) => {
    if (a.start !== b.start) return a.start - b.start;
    if (a.order !== b.order) return b.order - a.order;
    return a.order === 1 ? b.index - a.index : a.index - b.index;
  });
  let text = '';
  let at = 0;
  for (const change of numbered) {
    text += source.slice(at, change.start) + change.text;
    at = change.end;
  }
  return text + source.slice(at);
}
