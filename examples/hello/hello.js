export default (input, ctx) => {
  ctx.log(`Hello, ${input.args[0]}! This is part ${ctx.partition.index + 1} of ${ctx.partition.count}.`);
  return { greeted: input.args[0], part: ctx.partition.index };
};
