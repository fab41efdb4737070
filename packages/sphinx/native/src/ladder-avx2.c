/*
 * The Montgomery ladder of RFC 7748, section 5, in four lanes of AVX2: each vector holds one limb of four independent
 * field elements, each lane has a scalar of its own.
 *
 * Numbers. Ten limbs of 26 and 25 bits in turn (radix 2^25.5), unsigned. VPMULUDQ multiplies the low 32 bits of its
 * lanes. The product of two odd limbs counts twice, since their exponents are rounded up twice; columns from 10 on
 * return times 19.
 *
 *     product      limbs below 2^26 + 2^17 and 2^25 + 2^17 in turn
 *     sum          of two products: below 2^27 + 2^18 and 2^26 + 2^18
 *     difference   of two products, 2p added: below 2^27.6 and 2^26.6
 *
 * A product takes sums and differences: 19 times a limb of a difference stays below 2^32, and a column below 2^63.
 */
#include "x25519.h"

#if SPHINX_X86

#include <immintrin.h>

/* GCC would move all products of a column in front of their sum, and run out of registers: a third of the speed. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-ter")
#endif

#define INLINE static inline __attribute__((always_inline))
#define LANES 4
#define LIMBS 10
#define UNROLL _Pragma("GCC unroll 10")

typedef __m256i vector;

typedef struct {
  vector limb[LIMBS];
} element;

#define ADD(a, b) _mm256_add_epi64(a, b)
#define TIMES(a, b) _mm256_mul_epu32(a, b)

INLINE vector repeat(uint64_t word) {
  return _mm256_set1_epi64x((long long)word);
}

/* Carries from limb `from`, not the last, to the next. */
INLINE void carry_one(element *a, int from) {
  const int bits = from % 2 == 0 ? 26 : 25;
  const vector over = _mm256_srli_epi64(a->limb[from], bits);
  a->limb[from] = _mm256_and_si256(a->limb[from], repeat((UINT64_C(1) << bits) - 1));
  a->limb[from + 1] = ADD(a->limb[from + 1], over);
}

/* Two chains of carries at once, from limbs 0 and 5. */
INLINE element carry(element a) {
  UNROLL for (int i = 0; i < 5; i++) {
    carry_one(&a, i);
    if (i < 4) carry_one(&a, i + 5);
  }
  carry_one(&a, 5);
  const vector over = _mm256_srli_epi64(a.limb[9], 25);
  a.limb[9] = _mm256_and_si256(a.limb[9], repeat((1 << 25) - 1));
  /* 19 = 1 + 2 + 16: `over` has up to 38 bits, too many for a factor. */
  a.limb[0] = ADD(a.limb[0], ADD(ADD(over, _mm256_slli_epi64(over, 1)), _mm256_slli_epi64(over, 4)));
  carry_one(&a, 0);
  return a;
}

INLINE element multiply(element a, element b) {
  vector doubled[LIMBS], folded[LIMBS];
  element out;
  UNROLL for (int i = 1; i < LIMBS; i += 2) doubled[i] = ADD(a.limb[i], a.limb[i]);
  UNROLL for (int i = 1; i < LIMBS; i++) folded[i] = TIMES(b.limb[i], repeat(19));
  UNROLL for (int column = 0; column < LIMBS; column++) {
    vector sum = TIMES(a.limb[0], b.limb[column]);
    UNROLL for (int i = 1; i < LIMBS; i++) {
      const int j = (column - i + LIMBS) % LIMBS;
      const vector left = i % 2 == 1 && j % 2 == 1 ? doubled[i] : a.limb[i];
      sum = ADD(sum, TIMES(left, i <= column ? b.limb[j] : folded[j]));
    }
    out.limb[column] = sum;
  }
  return carry(out);
}

/* Products of different limbs count twice: the left factor is doubled, and once more where both limbs are odd. */
INLINE element square(element a) {
  vector doubled[LIMBS], folded[LIMBS];
  element out;
  UNROLL for (int i = 0; i < LIMBS; i++) doubled[i] = ADD(a.limb[i], a.limb[i]);
  UNROLL for (int i = 5; i < LIMBS; i++) folded[i] = TIMES(a.limb[i], repeat(19));
  UNROLL for (int column = 0; column < LIMBS; column++) {
    /* Pairs of odd limbs in `twice`, which is doubled at the end. */
    vector once = repeat(0), twice = repeat(0);
    UNROLL for (int i = 0; i < LIMBS; i++) {
      const int j = (column - i + LIMBS) % LIMBS;
      if (i > j) continue;
      const vector term = TIMES(i == j ? a.limb[i] : doubled[i], i <= column ? a.limb[j] : folded[j]);
      if (i % 2 == 1 && j % 2 == 1) {
        twice = ADD(twice, term);
      } else {
        once = ADD(once, term);
      }
    }
    out.limb[column] = column % 2 == 0 ? ADD(once, ADD(twice, twice)) : once;
  }
  return carry(out);
}

INLINE element add(element a, element b) {
  UNROLL for (int i = 0; i < LIMBS; i++) a.limb[i] = ADD(a.limb[i], b.limb[i]);
  return a;
}

/* b must be a product: its limbs are below those of 2p. */
INLINE element subtract(element a, element b) {
  UNROLL for (int i = 0; i < LIMBS; i++) {
    const uint64_t most = i % 2 == 0 ? (1 << 26) - 1 : (1 << 25) - 1;
    const vector raised = ADD(a.limb[i], repeat(2 * (i == 0 ? most - 18 : most)));
    a.limb[i] = _mm256_sub_epi64(raised, b.limb[i]);
  }
  return a;
}

/* a + 121665 * b */
INLINE element add_scaled(element a, element b) {
  UNROLL for (int i = 0; i < LIMBS; i++) a.limb[i] = ADD(a.limb[i], TIMES(b.limb[i], repeat(121665)));
  return carry(a);
}

/* Exchanges the lanes of a and b where `mask` is all ones. */
INLINE void swap(element *a, element *b, vector mask) {
  UNROLL for (int i = 0; i < LIMBS; i++) {
    const vector difference = _mm256_and_si256(mask, _mm256_xor_si256(a->limb[i], b->limb[i]));
    a->limb[i] = _mm256_xor_si256(a->limb[i], difference);
    b->limb[i] = _mm256_xor_si256(b->limb[i], difference);
  }
}

static element load_elements(const bytes32 *elements) {
  uint64_t limbs[LIMBS][LANES];
  element out;
  for (int lane = 0; lane < LANES; lane++) {
    const field whole = field_from_bytes(elements[lane]);
    for (int i = 0; i < 5; i++) {
      limbs[2 * i][lane] = whole.limb[i] & ((1 << 26) - 1);
      limbs[2 * i + 1][lane] = whole.limb[i] >> 26;
    }
  }
  for (int i = 0; i < LIMBS; i++) out.limb[i] = _mm256_loadu_si256((const vector *)limbs[i]);
  return out;
}

/* The scalars turned: word w of all lanes in one vector. */
static void load_scalars(vector words[4], const bytes32 *scalars) {
  uint64_t turned[4][LANES];
  for (int lane = 0; lane < LANES; lane++) {
    for (int w = 0; w < 4; w++) turned[w][lane] = load_little64(scalars[lane] + 8 * w);
  }
  for (int w = 0; w < 4; w++) words[w] = _mm256_loadu_si256((const vector *)turned[w]);
  wipe(turned, sizeof turned);
}

static void store_fractions(fraction *results, const element *x, const element *z) {
  uint64_t limbs[2][LIMBS][LANES];
  for (int i = 0; i < LIMBS; i++) {
    _mm256_storeu_si256((vector *)limbs[0][i], x->limb[i]);
    _mm256_storeu_si256((vector *)limbs[1][i], z->limb[i]);
  }
  for (int lane = 0; lane < LANES; lane++) {
    for (int i = 0; i < 5; i++) {
      results[lane].x.limb[i] = limbs[0][2 * i][lane] + (limbs[0][2 * i + 1][lane] << 26);
      results[lane].z.limb[i] = limbs[1][2 * i][lane] + (limbs[1][2 * i + 1][lane] << 26);
    }
  }
  wipe(limbs, sizeof limbs);
}

/* All ones in the lanes whose scalar has the bit. */
INLINE vector lanes_with_bit(const vector words[4], int bit) {
  const vector lowest = _mm256_and_si256(_mm256_srli_epi64(words[bit >> 6], bit & 63), repeat(1));
  return _mm256_sub_epi64(repeat(0), lowest);
}

void ladder_avx2(fraction *results, const bytes32 *scalars, const bytes32 *elements) {
  vector words[4];
  load_scalars(words, scalars);
  element zero, one;
  for (int i = 0; i < LIMBS; i++) zero.limb[i] = one.limb[i] = repeat(0);
  one.limb[0] = repeat(1);
  const element u = load_elements(elements);
  element x2 = one, z2 = zero, x3 = u, z3 = one;
  vector swapped = repeat(0);
  for (int bit = 254; bit >= 0; bit--) {
    const vector lanes = lanes_with_bit(words, bit), mask = _mm256_xor_si256(swapped, lanes);
    swapped = lanes;
    swap(&x2, &x3, mask);
    swap(&z2, &z3, mask);
    const element a = add(x2, z2), b = subtract(x2, z2);
    const element da = multiply(subtract(x3, z3), a);
    const element cb = multiply(add(x3, z3), b);
    const element aa = square(a), bb = square(b);
    const element e = subtract(aa, bb);
    x3 = square(add(da, cb));
    z3 = multiply(square(subtract(da, cb)), u);
    x2 = multiply(aa, bb);
    z2 = multiply(e, add_scaled(aa, e));
  }
  swap(&x2, &x3, swapped);
  swap(&z2, &z3, swapped);
  store_fractions(results, &x2, &z2);
  wipe(words, sizeof words);
}

#endif
