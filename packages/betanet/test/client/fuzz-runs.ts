/** How many inputs a parser that faces the network is given; FOG_FUZZ_RUNS sets another number. */
export const FUZZ_RUNS = Number(process.env.FOG_FUZZ_RUNS ?? 10_000);
