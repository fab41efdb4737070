/*
 * Rounds of AES without tables and without instructions for it: bitsliced, so that neither time nor addresses depend on
 * the data. Eight blocks are turned into eight planes; plane n has in byte p the bits n of byte p of all eight blocks.
 * In this order the bytes of a plane lie as those of a block, so that rows and columns move as bytes.
 *
 * Vectors of 16 bytes are the compiler's own: they become SSE2 or NEON, or pairs of words.
 *
 * Sources: FIPS 197; Boyar, Peralta, "A small depth-16 circuit for the AES S-box" (2012), whose straight-line program of
 * 128 gates `substitute` is, with the names of the paper.
 */
#include "secret.h"

#define ROUNDS_INLINE static inline __attribute__((always_inline))

typedef uint64_t block __attribute__((vector_size(16)));
typedef uint32_t columns __attribute__((vector_size(16)));
typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* The columns a, b, c and d of a vector. */
#if defined(__clang__)
#define TAKEN(from, a, b, c, d) __builtin_shufflevector(from, from, a, b, c, d)
#else
#define TAKEN(from, a, b, c, d) __builtin_shuffle(from, (columns){a, b, c, d})
#endif

typedef struct {
  block plane[8];
} slices;

ROUNDS_INLINE block load_block(const uint8_t *bytes) {
  block a;
  memcpy(&a, bytes, sizeof a);
  return a;
}

ROUNDS_INLINE void store_block(uint8_t *bytes, block a) {
  memcpy(bytes, &a, sizeof a);
}

/* Exchanges the bits of a under mask << shift with those of b under mask. */
ROUNDS_INLINE void exchange(block *a, block *b, int shift, uint64_t mask) {
  const block difference = (*a >> shift ^ *b) & (block){mask, mask};
  *b ^= difference;
  *a ^= difference << shift;
}

/* Turns the 8 x 8 bits that stand at the same byte of all eight. It is its own inverse. */
ROUNDS_INLINE void turn(block a[8]) {
  for (int i = 0; i < 8; i += 2) exchange(&a[i], &a[i + 1], 1, UINT64_C(0x5555555555555555));
  for (int i = 0; i < 8; i += i % 4 == 1 ? 3 : 1) exchange(&a[i], &a[i + 2], 2, UINT64_C(0x3333333333333333));
  for (int i = 0; i < 4; i++) exchange(&a[i], &a[i + 4], 4, UINT64_C(0x0f0f0f0f0f0f0f0f));
}

/* A round key in planes: each bit as a byte of ones or zeros, the same for all eight blocks. */
ROUNDS_INLINE void slice_key(slices *key, block a) {
  for (int n = 0; n < 8; n++) key->plane[n] = (block)-((bytes16)a >> n & 1);
}

/* SubBytes. */
ROUNDS_INLINE void substitute(block a[8]) {
  const block x0 = a[7], x1 = a[6], x2 = a[5], x3 = a[4], x4 = a[3], x5 = a[2], x6 = a[1], x7 = a[0];
  const block y14 = x3 ^ x5, y13 = x0 ^ x6, y9 = x0 ^ x3, y8 = x0 ^ x5, t0 = x1 ^ x2, y1 = t0 ^ x7, y4 = y1 ^ x3;
  const block y12 = y13 ^ y14, y2 = y1 ^ x0, y5 = y1 ^ x6, y3 = y5 ^ y8, t1 = x4 ^ y12, y15 = t1 ^ x5, y20 = t1 ^ x1;
  const block y6 = y15 ^ x7, y10 = y15 ^ t0, y11 = y20 ^ y9, y7 = x7 ^ y11, y17 = y10 ^ y11, y19 = y10 ^ y8;
  const block y16 = t0 ^ y11, y21 = y13 ^ y16, y18 = x0 ^ y16;

  const block t2 = y12 & y15, t3 = y3 & y6, t4 = t3 ^ t2, t5 = y4 & x7, t6 = t5 ^ t2, t7 = y13 & y16, t8 = y5 & y1;
  const block t9 = t8 ^ t7, t10 = y2 & y7, t11 = t10 ^ t7, t12 = y9 & y11, t13 = y14 & y17, t14 = t13 ^ t12;
  const block t15 = y8 & y10, t16 = t15 ^ t12, t17 = t4 ^ t14, t18 = t6 ^ t16, t19 = t9 ^ t14, t20 = t11 ^ t16;
  const block t21 = t17 ^ y20, t22 = t18 ^ y19, t23 = t19 ^ y21, t24 = t20 ^ y18, t25 = t21 ^ t22, t26 = t21 & t23;
  const block t27 = t24 ^ t26, t28 = t25 & t27, t29 = t28 ^ t22, t30 = t23 ^ t24, t31 = t22 ^ t26, t32 = t31 & t30;
  const block t33 = t32 ^ t24, t34 = t23 ^ t33, t35 = t27 ^ t33, t36 = t24 & t35, t37 = t36 ^ t34, t38 = t27 ^ t36;
  const block t39 = t29 & t38, t40 = t25 ^ t39, t41 = t40 ^ t37, t42 = t29 ^ t33, t43 = t29 ^ t40, t44 = t33 ^ t37;
  const block t45 = t42 ^ t41;
  const block z0 = t44 & y15, z1 = t37 & y6, z2 = t33 & x7, z3 = t43 & y16, z4 = t40 & y1, z5 = t29 & y7;
  const block z6 = t42 & y11, z7 = t45 & y17, z8 = t41 & y10, z9 = t44 & y12, z10 = t37 & y3, z11 = t33 & y4;
  const block z12 = t43 & y13, z13 = t40 & y5, z14 = t29 & y2, z15 = t42 & y9, z16 = t45 & y14, z17 = t41 & y8;

  const block t46 = z15 ^ z16, t47 = z10 ^ z11, t48 = z5 ^ z13, t49 = z9 ^ z10, t50 = z2 ^ z12, t51 = z2 ^ z5;
  const block t52 = z7 ^ z8, t53 = z0 ^ z3, t54 = z6 ^ z7, t55 = z16 ^ z17, t56 = z12 ^ t48, t57 = t50 ^ t53;
  const block t58 = z4 ^ t46, t59 = z3 ^ t54, t60 = t46 ^ t57, t61 = z14 ^ t57, t62 = t52 ^ t58, t63 = t49 ^ t58;
  const block t64 = z4 ^ t59, t65 = t61 ^ t62, t66 = z1 ^ t63, t67 = t64 ^ t65, s3 = t53 ^ t66;
  a[7] = t59 ^ t63;
  a[6] = ~(t64 ^ s3);
  a[5] = ~(t55 ^ t67);
  a[4] = s3;
  a[3] = t51 ^ t66;
  a[2] = t47 ^ t65;
  a[1] = ~(t56 ^ t62);
  a[0] = ~(t48 ^ t60);
}

/* Row r of column c comes from column c + r. A column is a word, its first row the lowest byte. */
ROUNDS_INLINE void shift_rows(block a[8]) {
  for (int n = 0; n < 8; n++) {
    const columns from = (columns)a[n];
    const columns by1 = TAKEN(from, 1, 2, 3, 0), by2 = TAKEN(from, 2, 3, 0, 1), by3 = TAKEN(from, 3, 0, 1, 2);
    a[n] = (block)((from & 0x000000ff) | (by1 & 0x0000ff00) | (by2 & 0x00ff0000) | (by3 & 0xff000000));
  }
}

/* With a' one row on: 2 a + 3 a' + a'' + a''' = 2 (a + a') + a' + (a + a')''. */
ROUNDS_INLINE void mix_columns(block a[8]) {
  columns next[8], sum[8];
  for (int n = 0; n < 8; n++) {
    next[n] = (columns)a[n] >> 8 | (columns)a[n] << 24;
    sum[n] = (columns)a[n] ^ next[n];
  }
  for (int n = 0; n < 8; n++) {
    /* Twice the sum: one plane up, and what leaves the highest returns as x^4 + x^3 + x + 1. */
    const columns twice = n == 1 || n == 3 || n == 4 ? sum[n - 1] ^ sum[7] : sum[(n + 7) % 8];
    a[n] = (block)(twice ^ next[n] ^ (sum[n] >> 16 | sum[n] << 16));
  }
}

ROUNDS_INLINE void add_key(block a[8], const slices *key) {
  for (int n = 0; n < 8; n++) a[n] ^= key->plane[n];
}

/* Not inlined: its text is long, and a call is little beside its work. */
static __attribute__((noinline)) void whole_round(block a[8], const slices *key) {
  block now[8];
  memcpy(now, a, sizeof now);
  substitute(now);
  shift_rows(now);
  mix_columns(now);
  add_key(now, key);
  memcpy(a, now, sizeof now);
}

typedef struct {
  slices i, j, l, zero;
} aez_rounds;

ROUNDS_INLINE void prepare_rounds(aez_rounds *rounds, block i, block j, block l) {
  slice_key(&rounds->i, i);
  slice_key(&rounds->j, j);
  slice_key(&rounds->l, l);
  slice_key(&rounds->zero, i ^ i);
}

static void four_rounds(const aez_rounds *rounds, block a[8]) {
  turn(a);
  whole_round(a, &rounds->j);
  whole_round(a, &rounds->i);
  whole_round(a, &rounds->l);
  whole_round(a, &rounds->zero);
  turn(a);
}

static block four_rounds_of_one(const aez_rounds *rounds, block one) {
  block a[8] = {one};
  four_rounds(rounds, a);
  return a[0];
}

static block ten_rounds_of_one(const aez_rounds *rounds, block one) {
  block a[8] = {one};
  turn(a);
  for (int turns = 0; turns < 3; turns++) {
    whole_round(a, &rounds->i);
    whole_round(a, &rounds->j);
    whole_round(a, &rounds->l);
  }
  whole_round(a, &rounds->i);
  turn(a);
  return a[0];
}

typedef struct {
  slices key[15];
} aes_schedule;

static uint32_t substitute_word(uint32_t word) {
  block a[8] = {{word, 0}};
  turn(a);
  substitute(a);
  turn(a);
  return (uint32_t)a[0][0];
}

static void prepare_schedule(aes_schedule *schedule, const uint32_t words[60]) {
  for (int i = 0; i < 15; i++) slice_key(&schedule->key[i], load_block((const uint8_t *)(words + 4 * i)));
}

static void encrypt_eight(const aes_schedule *schedule, block a[8]) {
  turn(a);
  add_key(a, &schedule->key[0]);
  for (int round = 1; round < 14; round++) whole_round(a, &schedule->key[round]);
  substitute(a);
  shift_rows(a);
  add_key(a, &schedule->key[14]);
  turn(a);
}

#include "aes-modes.h"

const aes_functions aes_portable = {aez, ctr};
