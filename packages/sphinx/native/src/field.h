/*
 * Arithmetic modulo p = 2^255 - 19, one element at a time: five limbs of 51 bits in 64-bit words.
 *
 * Limbs are not always below 2^51. Products and what comes from bytes have limbs below 2^51 + 2^13, their sums stay
 * below 2^52 + 2^14 and their differences below 2^53. A product takes any limbs below 2^53: five products of 106 bits,
 * four of them times 19, stay below 2^113, so that no carry exceeds a word.
 *
 * No branch and no address depends on a value.
 */
#ifndef SPHINX_FIELD_H
#define SPHINX_FIELD_H

#include "secret.h"

typedef unsigned __int128 wide;

#define FIELD_MASK ((UINT64_C(1) << 51) - 1)
#define FIELD_INLINE static inline __attribute__((always_inline, unused))

typedef struct {
  uint64_t limb[5];
} field;

/* Little-endian; the highest bit is ignored and values from p on are taken as they are (RFC 7748, section 5). */
FIELD_INLINE field field_from_bytes(const uint8_t bytes[32]) {
  uint64_t w0 = load_little64(bytes), w1 = load_little64(bytes + 8);
  uint64_t w2 = load_little64(bytes + 16), w3 = load_little64(bytes + 24);
  return (field){{w0 & FIELD_MASK, (w0 >> 51 | w1 << 13) & FIELD_MASK, (w1 >> 38 | w2 << 26) & FIELD_MASK,
                  (w2 >> 25 | w3 << 39) & FIELD_MASK, (w3 >> 12) & FIELD_MASK}};
}

FIELD_INLINE field field_add(field a, field b) {
  for (int i = 0; i < 5; i++) a.limb[i] += b.limb[i];
  return a;
}

/* a - b for products a and b: 2p is added limb by limb, so that none becomes negative. */
FIELD_INLINE field field_subtract(field a, field b) {
  a.limb[0] += 2 * (FIELD_MASK - 18) - b.limb[0];
  for (int i = 1; i < 5; i++) a.limb[i] += 2 * FIELD_MASK - b.limb[i];
  return a;
}

/* The columns of a product, carried once round. */
FIELD_INLINE field field_carry(wide r0, wide r1, wide r2, wide r3, wide r4) {
  r1 += (uint64_t)(r0 >> 51);
  r2 += (uint64_t)(r1 >> 51);
  r3 += (uint64_t)(r2 >> 51);
  r4 += (uint64_t)(r3 >> 51);
  wide lowest = ((uint64_t)r0 & FIELD_MASK) + (wide)19 * (uint64_t)(r4 >> 51);
  return (field){{(uint64_t)lowest & FIELD_MASK, ((uint64_t)r1 & FIELD_MASK) + (uint64_t)(lowest >> 51),
                  (uint64_t)r2 & FIELD_MASK, (uint64_t)r3 & FIELD_MASK, (uint64_t)r4 & FIELD_MASK}};
}

FIELD_INLINE field field_multiply(field a, field b) {
  uint64_t a0 = a.limb[0], a1 = a.limb[1], a2 = a.limb[2], a3 = a.limb[3], a4 = a.limb[4];
  uint64_t b0 = b.limb[0], b1 = b.limb[1], b2 = b.limb[2], b3 = b.limb[3], b4 = b.limb[4];
  uint64_t c1 = 19 * b1, c2 = 19 * b2, c3 = 19 * b3, c4 = 19 * b4;
  return field_carry((wide)a0 * b0 + (wide)a1 * c4 + (wide)a2 * c3 + (wide)a3 * c2 + (wide)a4 * c1,
                     (wide)a0 * b1 + (wide)a1 * b0 + (wide)a2 * c4 + (wide)a3 * c3 + (wide)a4 * c2,
                     (wide)a0 * b2 + (wide)a1 * b1 + (wide)a2 * b0 + (wide)a3 * c4 + (wide)a4 * c3,
                     (wide)a0 * b3 + (wide)a1 * b2 + (wide)a2 * b1 + (wide)a3 * b0 + (wide)a4 * c4,
                     (wide)a0 * b4 + (wide)a1 * b3 + (wide)a2 * b2 + (wide)a3 * b1 + (wide)a4 * b0);
}

FIELD_INLINE field field_square(field a) {
  uint64_t a0 = a.limb[0], a1 = a.limb[1], a2 = a.limb[2], a3 = a.limb[3], a4 = a.limb[4];
  uint64_t d0 = 2 * a0, d1 = 2 * a1, d2 = 2 * a2, c3 = 19 * a3, c4 = 19 * a4;
  return field_carry((wide)a0 * a0 + (wide)d1 * c4 + (wide)d2 * c3, (wide)d0 * a1 + (wide)d2 * c4 + (wide)a3 * c3,
                     (wide)d0 * a2 + (wide)a1 * a1 + (wide)(2 * a3) * c4,
                     (wide)d0 * a3 + (wide)d1 * a2 + (wide)a4 * c4, (wide)d0 * a4 + (wide)d1 * a3 + (wide)a2 * a2);
}

/* a + 121665 * b, the last step of doubling: (A - 2) / 4 of the curve (RFC 7748, section 5). */
FIELD_INLINE field field_add_scaled(field a, field b) {
  wide r[5];
  for (int i = 0; i < 5; i++) r[i] = (wide)b.limb[i] * 121665 + a.limb[i];
  return field_carry(r[0], r[1], r[2], r[3], r[4]);
}

/* Exchanges a and b where `mask` is all ones; it is zero or all ones. */
FIELD_INLINE void field_swap(field *a, field *b, uint64_t mask) {
  for (int i = 0; i < 5; i++) {
    uint64_t difference = mask & (a->limb[i] ^ b->limb[i]);
    a->limb[i] ^= difference;
    b->limb[i] ^= difference;
  }
}

/* The canonical form, below p, little-endian. */
FIELD_INLINE void field_to_bytes(uint8_t bytes[32], field a) {
  uint64_t *t = a.limb;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 4; i++) {
      t[i + 1] += t[i] >> 51;
      t[i] &= FIELD_MASK;
    }
    t[0] += 19 * (t[4] >> 51);
    t[4] &= FIELD_MASK;
  }
  /* The value is below 2p now; it is not below p exactly when adding 19 carries out of the highest limb. */
  uint64_t carry = (t[0] + 19) >> 51;
  for (int i = 1; i < 5; i++) carry = (t[i] + carry) >> 51;
  t[0] += 19 * carry;
  for (int i = 0; i < 4; i++) {
    t[i + 1] += t[i] >> 51;
    t[i] &= FIELD_MASK;
  }
  t[4] &= FIELD_MASK;
  store_little64(bytes, t[0] | t[1] << 51);
  store_little64(bytes + 8, t[1] >> 13 | t[2] << 38);
  store_little64(bytes + 16, t[2] >> 26 | t[3] << 25);
  store_little64(bytes + 24, t[3] >> 39 | t[4] << 12);
}

#endif
