/* Rounds of AES by the processor's own instructions (AES-NI). */
#include "cpu.h"

#if SPHINX_X86

#include <immintrin.h>
#include <stdint.h>

#define ROUNDS_INLINE static inline __attribute__((always_inline))

typedef __m128i block;

ROUNDS_INLINE block load_block(const uint8_t *bytes) {
  return _mm_loadu_si128((const block *)bytes);
}

ROUNDS_INLINE void store_block(uint8_t *bytes, block a) {
  _mm_storeu_si128((block *)bytes, a);
}

typedef struct {
  block i, j, l;
} aez_rounds;

ROUNDS_INLINE void prepare_rounds(aez_rounds *rounds, block i, block j, block l) {
  *rounds = (aez_rounds){i, j, l};
}

ROUNDS_INLINE void round_of_eight(block a[8], block key) {
  for (int p = 0; p < 8; p++) a[p] = _mm_aesenc_si128(a[p], key);
}

ROUNDS_INLINE void four_rounds(const aez_rounds *rounds, block a[8]) {
  round_of_eight(a, rounds->j);
  round_of_eight(a, rounds->i);
  round_of_eight(a, rounds->l);
  round_of_eight(a, _mm_setzero_si128());
}

ROUNDS_INLINE block four_rounds_of_one(const aez_rounds *rounds, block a) {
  a = _mm_aesenc_si128(a, rounds->j);
  a = _mm_aesenc_si128(a, rounds->i);
  a = _mm_aesenc_si128(a, rounds->l);
  return _mm_aesenc_si128(a, _mm_setzero_si128());
}

ROUNDS_INLINE block ten_rounds_of_one(const aez_rounds *rounds, block a) {
  for (int turn = 0; turn < 3; turn++) {
    a = _mm_aesenc_si128(a, rounds->i);
    a = _mm_aesenc_si128(a, rounds->j);
    a = _mm_aesenc_si128(a, rounds->l);
  }
  return _mm_aesenc_si128(a, rounds->i);
}

typedef struct {
  block key[15];
} aes_schedule;

ROUNDS_INLINE uint32_t substitute_word(uint32_t word) {
  return (uint32_t)_mm_extract_epi32(_mm_aeskeygenassist_si128(_mm_set1_epi32((int)word), 0), 0);
}

ROUNDS_INLINE void prepare_schedule(aes_schedule *schedule, const uint32_t words[60]) {
  for (int i = 0; i < 15; i++) schedule->key[i] = _mm_loadu_si128((const block *)(words + 4 * i));
}

ROUNDS_INLINE void encrypt_eight(const aes_schedule *schedule, block a[8]) {
  for (int p = 0; p < 8; p++) a[p] ^= schedule->key[0];
  for (int round = 1; round < 14; round++) round_of_eight(a, schedule->key[round]);
  for (int p = 0; p < 8; p++) a[p] = _mm_aesenclast_si128(a[p], schedule->key[14]);
}

#include "aes-modes.h"

const aes_functions aes_ni = {aez, ctr};

#endif
