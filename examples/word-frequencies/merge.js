/** Reduce: adds up the counts of all parts and keeps the most frequent words. */
export default (input) => {
  const totals = new Map();
  for (const part of Object.values(input.files)) {
    for (const [word, count] of Object.entries(part.json())) totals.set(word, (totals.get(word) ?? 0) + count);
  }
  const words = [...totals].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  return { words: words.length, top: words.slice(0, Number(input.args[0])) };
};
