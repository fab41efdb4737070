#include "chacha20.h"

#define ROTATE(word, bits) ((word) << (bits) | (word) >> (32 - (bits)))

static void quarter_round(uint32_t x[16], int a, int b, int c, int d) {
  x[a] += x[b];
  x[d] = ROTATE(x[d] ^ x[a], 16);
  x[c] += x[d];
  x[b] = ROTATE(x[b] ^ x[c], 12);
  x[a] += x[b];
  x[d] = ROTATE(x[d] ^ x[a], 8);
  x[c] += x[d];
  x[b] = ROTATE(x[b] ^ x[c], 7);
}

void chacha20_stream(const uint8_t key[32], uint8_t *output, size_t length) {
  uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, x[16];
  uint8_t block[64];
  for (int i = 0; i < 8; i++) start[4 + i] = load_little32(key + 4 * i);
  for (uint64_t counter = 0; length > 0; counter++) {
    start[12] = (uint32_t)counter;
    start[13] = (uint32_t)(counter >> 32);
    memcpy(x, start, sizeof x);
    for (int round = 0; round < 20; round += 2) {
      for (int i = 0; i < 4; i++) quarter_round(x, i, 4 + i, 8 + i, 12 + i);
      for (int i = 0; i < 4; i++) quarter_round(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    for (int i = 0; i < 16; i++) store_little32(block + 4 * i, x[i] + start[i]);
    const size_t part = length < sizeof block ? length : sizeof block;
    memcpy(output, block, part);
    output += part;
    length -= part;
  }
  wipe(start, sizeof start);
  wipe(x, sizeof x);
  wipe(block, sizeof block);
}
