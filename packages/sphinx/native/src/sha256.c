#include "sha256.h"

const uint32_t SHA256_CONSTANTS[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static const uint32_t INITIAL_STATE[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

#define ROTATE(word, bits) ((word) >> (bits) | (word) << (32 - (bits)))

/* Section 6.2.2; the 64 words of the message schedule are kept as a ring of 16. */
void sha256_compress_portable(uint32_t state[8], const uint8_t *blocks, size_t count) {
  uint32_t w[16];
  for (; count > 0; count--, blocks += SHA256_BLOCK_BYTES) {
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
      if (t < 16) {
        w[t] = load_big32(blocks + 4 * t);
      } else {
        const uint32_t w15 = w[(t + 1) & 15], w2 = w[(t + 14) & 15];
        w[t & 15] += (ROTATE(w15, 7) ^ ROTATE(w15, 18) ^ w15 >> 3) + w[(t + 9) & 15] +
                     (ROTATE(w2, 17) ^ ROTATE(w2, 19) ^ w2 >> 10);
      }
      const uint32_t t1 = h + (ROTATE(e, 6) ^ ROTATE(e, 11) ^ ROTATE(e, 25)) + ((e & f) ^ (~e & g)) +
                          SHA256_CONSTANTS[t] + w[t & 15];
      const uint32_t t2 = (ROTATE(a, 2) ^ ROTATE(a, 13) ^ ROTATE(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = d + t1;
      d = c;
      c = b;
      b = a;
      a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
  wipe(w, sizeof w);
}

/* Takes in the rest of a message, of which `before` bytes, whole blocks, are in the state, and gives the hash. */
static void finish(sha256_compress *compress, uint32_t state[8], uint64_t before, const uint8_t *data, size_t length,
                   uint8_t hash[SHA256_BYTES]) {
  uint8_t tail[2 * SHA256_BLOCK_BYTES] = {0};
  const size_t whole = length / SHA256_BLOCK_BYTES, rest = length % SHA256_BLOCK_BYTES;
  const size_t tail_blocks = rest < SHA256_BLOCK_BYTES - 8 ? 1 : 2;
  const uint64_t bits = 8 * (before + length);
  if (whole > 0) compress(state, data, whole);
  if (rest > 0) memcpy(tail, data + whole * SHA256_BLOCK_BYTES, rest);
  tail[rest] = 0x80;
  store_big32(tail + tail_blocks * SHA256_BLOCK_BYTES - 8, (uint32_t)(bits >> 32));
  store_big32(tail + tail_blocks * SHA256_BLOCK_BYTES - 4, (uint32_t)bits);
  compress(state, tail, tail_blocks);
  for (int i = 0; i < 8; i++) store_big32(hash + 4 * i, state[i]);
  wipe(tail, sizeof tail);
}

void hmac_prepare(sha256_compress *compress, hmac_key *prepared, const uint8_t *key, size_t length) {
  uint8_t block[SHA256_BLOCK_BYTES] = {0};
  memcpy(prepared->inner, INITIAL_STATE, sizeof INITIAL_STATE);
  memcpy(prepared->outer, INITIAL_STATE, sizeof INITIAL_STATE);
  if (length > sizeof block) {
    uint32_t state[8];
    memcpy(state, INITIAL_STATE, sizeof state);
    finish(compress, state, 0, key, length, block);
    wipe(state, sizeof state);
  } else if (length > 0) {
    memcpy(block, key, length);
  }
  for (size_t i = 0; i < sizeof block; i++) block[i] ^= 0x36;
  compress(prepared->inner, block, 1);
  for (size_t i = 0; i < sizeof block; i++) block[i] ^= 0x36 ^ 0x5c;
  compress(prepared->outer, block, 1);
  wipe(block, sizeof block);
}

void hmac(sha256_compress *compress, const hmac_key *key, const uint8_t *data, size_t length,
          uint8_t mac[SHA256_BYTES]) {
  uint32_t state[8];
  uint8_t inner[SHA256_BYTES];
  memcpy(state, key->inner, sizeof state);
  finish(compress, state, SHA256_BLOCK_BYTES, data, length, inner);
  memcpy(state, key->outer, sizeof state);
  finish(compress, state, SHA256_BLOCK_BYTES, inner, sizeof inner, mac);
  wipe(state, sizeof state);
  wipe(inner, sizeof inner);
}

void hkdf_expand(sha256_compress *compress, const hmac_key *key, const uint8_t *info, size_t info_length,
                 uint8_t *output, size_t length) {
  /* The block before, which the first has none of, the info, and a counter. */
  uint8_t input[SHA256_BYTES + HKDF_INFO_BYTES + 1], block[SHA256_BYTES];
  memcpy(input + SHA256_BYTES, info, info_length);
  for (size_t at = 0, count = 1; at < length; at += SHA256_BYTES, count++) {
    const size_t skipped = count == 1 ? SHA256_BYTES : 0;
    const size_t part = length - at < SHA256_BYTES ? length - at : SHA256_BYTES;
    input[SHA256_BYTES + info_length] = (uint8_t)count;
    hmac(compress, key, input + skipped, SHA256_BYTES - skipped + info_length + 1, block);
    memcpy(output + at, block, part);
    memcpy(input, block, sizeof block);
  }
  wipe(input, sizeof input);
  wipe(block, sizeof block);
}
