/*
 * Batches of X25519: clamping, the choice of ladders, and one inversion for all.
 *
 * The inversion is Montgomery's: from the inverse of the product of all z follow those of each, at three products
 * instead of an inversion. A z of zero (a point of low order) would spoil the others, so that it is replaced by one, and
 * its result by zero, which is what RFC 7748 gives for it.
 */
#include "x25519.h"

static field square_times(field a, int times) {
  while (times-- > 0) a = field_square(a);
  return a;
}

/* a^(p - 2), by 254 squares and 11 products: p - 2 in binary is 250 ones and 01011. */
static field invert(field a) {
  const field a2 = field_square(a);
  const field a9 = field_multiply(square_times(a2, 2), a);
  const field a11 = field_multiply(a9, a2);
  const field ones5 = field_multiply(field_square(a11), a9);
  const field ones10 = field_multiply(square_times(ones5, 5), ones5);
  const field ones20 = field_multiply(square_times(ones10, 10), ones10);
  const field ones40 = field_multiply(square_times(ones20, 20), ones20);
  const field ones50 = field_multiply(square_times(ones40, 10), ones10);
  const field ones100 = field_multiply(square_times(ones50, 50), ones50);
  const field ones200 = field_multiply(square_times(ones100, 100), ones100);
  const field ones250 = field_multiply(square_times(ones200, 50), ones50);
  return field_multiply(square_times(ones250, 5), a11);
}

/* Makes a z of zero one; returns all ones then, otherwise zero. */
static uint64_t replace_zero(field *z) {
  uint8_t bytes[32];
  field_to_bytes(bytes, *z);
  const uint64_t zero = is_zero_bytes(bytes, sizeof bytes);
  wipe(bytes, sizeof bytes);
  for (int i = 0; i < 5; i++) z->limb[i] &= zero - 1;
  z->limb[0] += zero;
  return -zero;
}

static void divide(bytes32 *results, fraction *fractions, size_t count) {
  field products[X25519_BATCH];
  uint64_t zeros[X25519_BATCH];
  for (size_t i = 0; i < count; i++) {
    zeros[i] = replace_zero(&fractions[i].z);
    products[i] = i == 0 ? fractions[0].z : field_multiply(products[i - 1], fractions[i].z);
  }
  field rest = invert(products[count - 1]);
  for (size_t i = count; i-- > 0;) {
    const field inverse = i == 0 ? rest : field_multiply(rest, products[i - 1]);
    rest = field_multiply(rest, fractions[i].z);
    field x = field_multiply(fractions[i].x, inverse);
    for (int limb = 0; limb < 5; limb++) x.limb[limb] &= ~zeros[i];
    field_to_bytes(results[i], x);
  }
  wipe(products, sizeof products);
  wipe(&rest, sizeof rest);
}

int x25519_runs(x25519_tier tier, cpu_features features) {
  switch (tier) {
    case X25519_PORTABLE:
      return 1;
    case X25519_AVX2:
      return features.avx2;
    case X25519_IFMA:
      return features.avx512_ifma;
  }
  return 0;
}

typedef struct {
  ladder *run;
  size_t lanes;
  /* From how many points on it is faster than one after another. */
  size_t worth;
} ladder_choice;

static ladder_choice choose(x25519_tier tier) {
#if SPHINX_X86
  if (tier == X25519_IFMA) return (ladder_choice){ladder_ifma, 8, 2};
  if (tier == X25519_AVX2) return (ladder_choice){ladder_avx2, 4, 2};
#endif
  (void)tier;
  return (ladder_choice){ladder_portable, 1, 1};
}

void x25519_batch(x25519_tier tier, bytes32 *results, const bytes32 *scalars, const bytes32 *elements, size_t count) {
  /* Empty lanes of the last ladder are zeros, and their results stay unread. */
  bytes32 clamped[X25519_BATCH + X25519_MOST_LANES] = {{0}}, points[X25519_BATCH + X25519_MOST_LANES] = {{0}};
  fraction fractions[X25519_BATCH + X25519_MOST_LANES];
  if (count == 0 || count > X25519_BATCH) return;
  memcpy(points, elements, count * X25519_BYTES);
  memcpy(clamped, scalars, count * X25519_BYTES);
  for (size_t i = 0; i < count; i++) {
    clamped[i][0] &= 248;
    clamped[i][31] = (clamped[i][31] & 127) | 64;
  }
  const ladder_choice choice = choose(tier);
  for (size_t i = 0; i < count;) {
    const int alone = count - i < choice.worth;
    (alone ? ladder_portable : choice.run)(&fractions[i], &clamped[i], &points[i]);
    i += alone ? 1 : choice.lanes;
  }
  divide(results, fractions, count);
  wipe(clamped, sizeof clamped);
  wipe(fractions, sizeof fractions);
}
