/*
 * The Montgomery ladder of RFC 7748, section 5, in eight lanes of AVX-512 IFMA: each vector holds one limb of eight
 * independent field elements, each lane has a scalar of its own.
 *
 * Numbers. Five limbs of radix 2^51. VPMADD52 multiplies the low 52 bits of its operands and adds either the low or the
 * high 52 bits of the product, so that a product a_i * b_j counts low at column i + j and, since 2^52 = 2 * 2^51, twice
 * high at column i + j + 1. The high halves are added up first and doubled together; the low ones are added to them.
 * Columns from 5 on return times 19.
 *
 *     tight   what a carry leaves: limbs below 2^51 + 2^15. A product takes these (below 2^52) and nothing else
 *     loose   what a product leaves: at most 125 * 2^52, so limbs below 2^59
 *     raised  loose with 2^9 p added, limb by limb: from 2^60 - 2^14 to 2^60 + 2^59, so that any loose value can be
 *             subtracted from it
 *
 * Sums and differences are taken of loose values, for then one carry serves for the product and the sum. All that is
 * carried is below 2^61. Raising costs nothing: the columns of the product begin with it instead of zero.
 */
#include "x25519.h"

#if SPHINX_X86

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
#define LANES 8

typedef __m512i vector;

typedef struct {
  vector limb[5];
} tight;

typedef struct {
  vector limb[5];
} loose;

#define LOW(sum, a, b) _mm512_madd52lo_epu64(sum, a, b)
#define HIGH(sum, a, b) _mm512_madd52hi_epu64(sum, a, b)
#define ADD(a, b) _mm512_add_epi64(a, b)

INLINE vector repeat(uint64_t word) {
  return _mm512_set1_epi64((long long)word);
}

/* Columns 5 to 9 belong 255 bits lower, times 19. */
INLINE loose fold(const vector column[10]) {
  vector nineteen = repeat(19);
  loose out;
  /* Hidden from the compiler, which would multiply by shifts and sums: more to do for the ports that are short. */
  __asm__("" : "+v"(nineteen));
  for (int i = 0; i < 5; i++) out.limb[i] = ADD(column[i], _mm512_mullo_epi64(column[i + 5], nineteen));
  return out;
}

/* Limb i of 2^exponent p. */
INLINE vector multiple_of_p(int i, int exponent) {
  return repeat((i == 0 ? FIELD_MASK - 18 : FIELD_MASK) << exponent);
}

/* Whether a product is wanted as it is, or with 2^9 p added. What a column begins with is doubled as it is. */
typedef enum { PLAIN, RAISED } beginning;

INLINE loose multiply(beginning start, tight a, tight b) {
  vector column[10];
  for (int i = 0; i < 10; i++) {
    column[i] = start == RAISED && i < 5 ? multiple_of_p(i, i == 0 ? 9 : 8) : _mm512_setzero_si512();
  }
  for (int i = 0; i < 5; i++) {
    for (int j = 0; j < 5; j++) column[i + j + 1] = HIGH(column[i + j + 1], a.limb[i], b.limb[j]);
  }
  for (int i = 1; i < 10; i++) column[i] = ADD(column[i], column[i]);
  for (int i = 0; i < 5; i++) {
    for (int j = 0; j < 5; j++) column[i + j] = LOW(column[i + j], a.limb[i], b.limb[j]);
  }
  return fold(column);
}

/* Products of different limbs count twice, and their high halves twice more. */
INLINE loose square(beginning start, tight a) {
  vector column[10];
  for (int i = 0; i < 10; i++) {
    column[i] = start == RAISED && i < 5 ? multiple_of_p(i, i == 0 ? 9 : i == 1 ? 8 : 7) : _mm512_setzero_si512();
  }
  for (int i = 0; i < 5; i++) {
    for (int j = i + 1; j < 5; j++) column[i + j + 1] = HIGH(column[i + j + 1], a.limb[i], a.limb[j]);
  }
  for (int i = 2; i < 9; i++) column[i] = ADD(column[i], column[i]);
  for (int i = 0; i < 5; i++) {
    for (int j = i + 1; j < 5; j++) column[i + j] = LOW(column[i + j], a.limb[i], a.limb[j]);
    column[2 * i + 1] = HIGH(column[2 * i + 1], a.limb[i], a.limb[i]);
  }
  for (int i = 1; i < 10; i++) column[i] = ADD(column[i], column[i]);
  for (int i = 0; i < 5; i++) column[2 * i] = LOW(column[2 * i], a.limb[i], a.limb[i]);
  return fold(column);
}

INLINE tight carry(loose a) {
  const vector mask = repeat(FIELD_MASK);
  vector over[5];
  tight out;
  for (int i = 0; i < 5; i++) {
    over[i] = _mm512_srli_epi64(a.limb[i], 51);
    out.limb[i] = _mm512_and_si512(a.limb[i], mask);
  }
  out.limb[0] = LOW(out.limb[0], over[4], repeat(19));
  for (int i = 1; i < 5; i++) out.limb[i] = ADD(out.limb[i], over[i - 1]);
  return out;
}

INLINE loose add(loose a, loose b) {
  for (int i = 0; i < 5; i++) a.limb[i] = ADD(a.limb[i], b.limb[i]);
  return a;
}

/* Adds 2^9 p to what is no product. */
INLINE loose raise(loose a) {
  for (int i = 0; i < 5; i++) a.limb[i] = ADD(a.limb[i], multiple_of_p(i, 9));
  return a;
}

INLINE loose subtract(loose raised, loose b) {
  for (int i = 0; i < 5; i++) raised.limb[i] = _mm512_sub_epi64(raised.limb[i], b.limb[i]);
  return raised;
}

/* a + 121665 * b: of the high halves, 18 bits at most, column 5 returns times 19. */
INLINE loose add_scaled(loose a, tight b) {
  const vector factor = repeat(121665), zero = _mm512_setzero_si512();
  vector high[5];
  for (int i = 0; i < 5; i++) {
    high[i] = HIGH(zero, b.limb[i], factor);
    a.limb[i] = LOW(a.limb[i], b.limb[i], factor);
  }
  a.limb[0] = LOW(a.limb[0], high[4], repeat(2 * 19));
  for (int i = 1; i < 5; i++) a.limb[i] = LOW(a.limb[i], high[i - 1], repeat(2));
  return a;
}

INLINE void swap(tight *a, tight *b, __mmask8 lanes) {
  for (int i = 0; i < 5; i++) {
    const vector kept = a->limb[i];
    a->limb[i] = _mm512_mask_mov_epi64(kept, lanes, b->limb[i]);
    b->limb[i] = _mm512_mask_mov_epi64(b->limb[i], lanes, kept);
  }
}

static loose load_elements(const bytes32 *elements) {
  uint64_t limbs[5][LANES];
  loose out;
  for (int lane = 0; lane < LANES; lane++) {
    const field element = field_from_bytes(elements[lane]);
    for (int i = 0; i < 5; i++) limbs[i][lane] = element.limb[i];
  }
  for (int i = 0; i < 5; i++) out.limb[i] = _mm512_loadu_si512(limbs[i]);
  return out;
}

/* The scalars turned: word w of all lanes in one vector. */
static void load_scalars(vector words[4], const bytes32 *scalars) {
  uint64_t turned[4][LANES];
  for (int lane = 0; lane < LANES; lane++) {
    for (int w = 0; w < 4; w++) turned[w][lane] = load_little64(scalars[lane] + 8 * w);
  }
  for (int w = 0; w < 4; w++) words[w] = _mm512_loadu_si512(turned[w]);
  wipe(turned, sizeof turned);
}

static void store_fractions(fraction *results, tight x, tight z) {
  uint64_t limbs[2][5][LANES];
  for (int i = 0; i < 5; i++) {
    _mm512_storeu_si512(limbs[0][i], x.limb[i]);
    _mm512_storeu_si512(limbs[1][i], z.limb[i]);
  }
  for (int lane = 0; lane < LANES; lane++) {
    for (int i = 0; i < 5; i++) {
      results[lane].x.limb[i] = limbs[0][i][lane];
      results[lane].z.limb[i] = limbs[1][i][lane];
    }
  }
  wipe(limbs, sizeof limbs);
}

void ladder_ifma(fraction *results, const bytes32 *scalars, const bytes32 *elements) {
  vector words[4];
  load_scalars(words, scalars);
  loose one = {{repeat(1)}};
  for (int i = 1; i < 5; i++) one.limb[i] = repeat(0);
  const loose start = load_elements(elements);
  const tight u = carry(start);
  /* Of both points only sum and difference of x and z are ever used. The first point is 1 : 0, the second u : 1. */
  tight sum2 = carry(one), difference2 = sum2, sum3 = carry(add(start, one)), difference3 = carry(subtract(raise(start), one));
  __mmask8 swapped = 0;
  for (int bit = 254; bit >= 0; bit--) {
    const __mmask8 lanes = _mm512_test_epi64_mask(words[bit >> 6], repeat(UINT64_C(1) << (bit & 63)));
    swap(&sum2, &sum3, swapped ^ lanes);
    swap(&difference2, &difference3, swapped ^ lanes);
    swapped = lanes;
    const loose aa = square(RAISED, sum2), bb = square(PLAIN, difference2);
    const loose da = multiply(RAISED, difference3, sum2);
    const tight e = carry(subtract(aa, bb));
    const loose cb = multiply(PLAIN, sum3, difference2);
    const tight f = carry(add_scaled(aa, e));
    const loose x2 = multiply(RAISED, carry(aa), carry(bb));
    const tight root = carry(subtract(da, cb));
    const loose z2 = multiply(PLAIN, e, f);
    const loose rooted = square(PLAIN, root);
    const loose x3 = square(RAISED, carry(add(da, cb)));
    const loose z3 = multiply(PLAIN, carry(rooted), u);
    sum2 = carry(add(x2, z2));
    difference2 = carry(subtract(x2, z2));
    sum3 = carry(add(x3, z3));
    difference3 = carry(subtract(x3, z3));
  }
  swap(&sum2, &sum3, swapped);
  swap(&difference2, &difference3, swapped);
  /* x : z is 2x : 2z. */
  loose sum, difference;
  memcpy(&sum, &sum2, sizeof sum);
  memcpy(&difference, &difference2, sizeof difference);
  store_fractions(results, carry(add(sum, difference)), carry(subtract(raise(sum), difference)));
  wipe(words, sizeof words);
}

#endif
