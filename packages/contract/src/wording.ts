/** How counts and the words of others are put into our sentences. */

/** `1 task`, `2 tasks`; `plural` where an s is not enough. */
export function counted(amount: number, one: string, plural = `${one}s`): string {
  return `${amount} ${amount === 1 ? one : plural}`;
}

/** Characters of a message of others that stand in one line of ours. */
const LINE_CHARACTERS = 200;

/** What a program, a server or an engine said, as one line of at most `most` characters: it may be a whole page. */
export function oneLine(text: string, most = LINE_CHARACTERS): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length <= most ? line : `${line.slice(0, most - 3).toWellFormed()}...`;
}
