/** Map: counts the words of every file whose turn it is. The files are dealt out over the partitions. */
export default (input, ctx) => {
  const counts = {};
  const paths = Object.keys(input.files).filter((_, index) => index % ctx.partition.count === ctx.partition.index);
  paths.forEach((path, done) => {
    for (const word of input.files[path]
      .text()
      .toLowerCase()
      .match(/\p{Letter}+/gu) ?? []) {
      counts[word] = (counts[word] ?? 0) + 1;
    }
    ctx.progress((done + 1) / paths.length, path);
  });
  return counts;
};
