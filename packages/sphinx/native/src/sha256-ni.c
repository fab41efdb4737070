/*
 * SHA-256 by the processor's own instructions (SHA-NI). SHA256RNDS2 does two rounds on a state that lies in two vectors
 * as (f, e, b, a) and (h, g, d, c), from the lowest word on; SHA256MSG1 and SHA256MSG2 compute four words of the message
 * schedule (Intel SDM volume 2).
 */
#include "sha256.h"

#if SPHINX_X86

#include <immintrin.h>

void sha256_compress_ni(uint32_t state[8], const uint8_t *blocks, size_t count) {
  const __m128i from_big = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  const __m128i dcba = _mm_loadu_si128((const __m128i *)state);
  const __m128i hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
  const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  for (; count > 0; count--, blocks += SHA256_BLOCK_BYTES) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; i++) {
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(blocks + 16 * i)), from_big);
    }
    _Pragma("GCC unroll 16") for (int group = 0; group < 16; group++) {
      const __m128i constants = _mm_load_si128((const __m128i *)(SHA256_CONSTANTS + 4 * group));
      const __m128i now = w[group % 4], next = w[(group + 1) % 4], later = w[(group + 3) % 4];
      const __m128i sum = _mm_add_epi32(now, constants);
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
      if (group < 12) {
        const __m128i nine_on = _mm_alignr_epi8(later, w[(group + 2) % 4], 4);
        w[group % 4] = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(now, next), nine_on), later);
      }
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

#endif
