/*
 * AEZ v5 and AES-256-CTR over rounds of AES that the including file brings: one text for each way to compute them. The
 * file defines before it includes this:
 *
 *     block                    16 bytes as a vector, with ^; load_block, store_block
 *     aez_rounds               what four and ten rounds need of the key; prepare_rounds, four_rounds, ten_rounds
 *     aes_schedule             the 15 round keys of AES-256; prepare_schedule, encrypt_eight; substitute_word
 *
 * Eight blocks are in flight at a time: independent chains keep the units for AES busy, and fill the bits of a slice.
 *
 * Source: Hoang, Krovetz, Rogaway, "AEZ v5: Authenticated Encryption by Enciphering" (2017), section 3; FIPS 197.
 */
#ifndef SPHINX_AES_MODES_H
#define SPHINX_AES_MODES_H

#include "aes.h"

#define PARALLEL 8
#define PAIR_BYTES (2 * AES_BLOCK_BYTES)
#define MODES_INLINE static inline __attribute__((always_inline))

/*
 * The tweaked cipher E(j, i) is four rounds under the keys J, I, L, 0 of
 *     block + j * J + 2^ceil(i / 8) * I + (i mod 8) * L
 * and E(-1, i) ten rounds under I, J, L, I, J, L, I, J, L, I of block + i * L. Products are in GF(2^128).
 */
typedef struct {
  aez_rounds rounds;
  block i1, i2, j1, j2, j4;
  block l[8];
} aez_cipher;

/* Times x in GF(2^128), modulo x^128 + x^7 + x^2 + x + 1; the first byte is the highest. */
MODES_INLINE block doubled(block a) {
  uint8_t bytes[AES_BLOCK_BYTES];
  store_block(bytes, a);
  const uint64_t high = __builtin_bswap64(load_little64(bytes)), low = __builtin_bswap64(load_little64(bytes + 8));
  store_little64(bytes, __builtin_bswap64(high << 1 | low >> 63));
  store_little64(bytes + 8, __builtin_bswap64(low << 1 ^ (-(high >> 63) & 0x87)));
  return load_block(bytes);
}

static void prepare_cipher(aez_cipher *cipher, const uint8_t key[AEZ_KEY_BYTES]) {
  block *l = cipher->l;
  cipher->i1 = load_block(key);
  cipher->j1 = load_block(key + 16);
  l[1] = load_block(key + 32);
  prepare_rounds(&cipher->rounds, cipher->i1, cipher->j1, l[1]);
  cipher->i2 = doubled(cipher->i1);
  cipher->j2 = doubled(cipher->j1);
  cipher->j4 = doubled(cipher->j2);
  l[0] = l[1] ^ l[1];
  l[2] = doubled(l[1]);
  l[3] = l[2] ^ l[1];
  l[4] = doubled(l[2]);
  l[5] = l[4] ^ l[1];
  l[6] = doubled(l[3]);
  l[7] = l[6] ^ l[1];
}

/* E(0, i) for i from 1 to 7. */
MODES_INLINE block e0(const aez_cipher *cipher, int i, block a) {
  return four_rounds_of_one(&cipher->rounds, a ^ cipher->i2 ^ cipher->l[i]);
}

/* E(-1, i) for i below 8. */
MODES_INLINE block e_minus_1(const aez_cipher *cipher, int i, block a) {
  return ten_rounds_of_one(&cipher->rounds, a ^ cipher->l[i]);
}

/* AEZ-hash of an expansion of 0 bits and one nonce of a block: E(3, 1)(0) + E(4, 1)(nonce). */
static block hash_nonce(const aez_cipher *cipher, const uint8_t nonce[AES_BLOCK_BYTES]) {
  const block tweak = cipher->i2 ^ cipher->l[1];
  return four_rounds_of_one(&cipher->rounds, tweak ^ cipher->j1 ^ cipher->j2) ^
         four_rounds_of_one(&cipher->rounds, tweak ^ cipher->j4 ^ load_block(nonce));
}

/* Eight pairs of blocks that lie one after another, Mi at the even places and Mi' at the odd ones. */
MODES_INLINE block load_at(const uint8_t *data, int pair, int side) {
  return load_block(data + PAIR_BYTES * pair + AES_BLOCK_BYTES * side);
}

MODES_INLINE void store_at(uint8_t *data, int pair, int side, block a) {
  store_block(data + PAIR_BYTES * pair + AES_BLOCK_BYTES * side, a);
}

/*
 * Mi, Mi' become Wi = Mi + E(1, i)(Mi'), Xi = Mi' + E(0, 0)(Wi), for the eight i of which ceil(i / 8) is the same; `i`
 * is that power of 2 times I. Returns the sum of the first `count` Xi.
 */
MODES_INLINE block first_pass(const aez_cipher *cipher, block i, uint8_t *data, int count) {
  block a[PARALLEL], sum = cipher->l[0];
  const block base = i ^ cipher->j1;
  for (int p = 0; p < PARALLEL; p++) a[p] = load_at(data, p, 1) ^ base ^ cipher->l[(p + 1) % 8];
  four_rounds(&cipher->rounds, a);
  for (int p = 0; p < PARALLEL; p++) {
    a[p] ^= load_at(data, p, 0);
    store_at(data, p, 0, a[p]);
    a[p] ^= cipher->i1;
  }
  four_rounds(&cipher->rounds, a);
  for (int p = 0; p < PARALLEL; p++) {
    a[p] ^= load_at(data, p, 1);
    store_at(data, p, 1, a[p]);
    if (p < count) sum ^= a[p];
  }
  return sum;
}

/*
 * Wi, Xi become Ci, Ci': with S' = E(2, i)(S), Yi = Wi + S' and Zi = Xi + S', Ci' = Yi + E(0, 0)(Zi) and Ci = Zi +
 * E(1, i)(Ci'). Returns the sum of the first `count` Yi.
 */
MODES_INLINE block second_pass(const aez_cipher *cipher, block i, block s, uint8_t *data, int count) {
  block a[PARALLEL], sum = cipher->l[0];
  for (int p = 0; p < PARALLEL; p++) a[p] = s ^ i ^ cipher->j2 ^ cipher->l[(p + 1) % 8];
  four_rounds(&cipher->rounds, a);
  for (int p = 0; p < PARALLEL; p++) {
    const block y = load_at(data, p, 0) ^ a[p];
    a[p] ^= load_at(data, p, 1);
    store_at(data, p, 0, y);
    store_at(data, p, 1, a[p]);
    if (p < count) sum ^= y;
    a[p] ^= cipher->i1;
  }
  four_rounds(&cipher->rounds, a);
  const block base = i ^ cipher->j1;
  for (int p = 0; p < PARALLEL; p++) {
    const block c = load_at(data, p, 0) ^ a[p];
    store_at(data, p, 0, c);
    a[p] = c ^ base ^ cipher->l[(p + 1) % 8];
  }
  four_rounds(&cipher->rounds, a);
  for (int p = 0; p < PARALLEL; p++) {
    const block c = load_at(data, p, 0);
    store_at(data, p, 0, load_at(data, p, 1) ^ a[p]);
    store_at(data, p, 1, c);
  }
  return sum;
}

/* Both passes over all pairs. The last pairs, fewer than eight, are worked on in a copy. */
static block pass_over(const aez_cipher *cipher, const block *s, uint8_t *data, size_t pairs) {
  block sum = cipher->l[0], i = cipher->i2;
  for (; pairs >= PARALLEL; pairs -= PARALLEL, data += PARALLEL * PAIR_BYTES, i = doubled(i)) {
    sum ^= s == NULL ? first_pass(cipher, i, data, PARALLEL) : second_pass(cipher, i, *s, data, PARALLEL);
  }
  if (pairs > 0) {
    uint8_t rest[PARALLEL * PAIR_BYTES] = {0};
    memcpy(rest, data, pairs * PAIR_BYTES);
    sum ^= s == NULL ? first_pass(cipher, i, rest, (int)pairs) : second_pass(cipher, i, *s, rest, (int)pairs);
    memcpy(data, rest, pairs * PAIR_BYTES);
    wipe(rest, sizeof rest);
  }
  return sum;
}

/*
 * The part between the pairs and the last two blocks: u, up to one block, under tweak 4, and v, what follows it, under
 * tweak 5. Both are padded with one bit and zeros if they are not whole; behind a whole u there is a v, if an empty one.
 */
static block sum_of_rest(const aez_cipher *cipher, const uint8_t *rest, size_t length) {
  block sum = cipher->l[0];
  if (length == 0) return sum;
  for (int i = 4; i <= 4 + (int)(length / AES_BLOCK_BYTES); i++) {
    const size_t skipped = (size_t)(i - 4) * AES_BLOCK_BYTES;
    const size_t part = length - skipped < AES_BLOCK_BYTES ? length - skipped : AES_BLOCK_BYTES;
    uint8_t padded[AES_BLOCK_BYTES] = {0};
    memcpy(padded, rest + skipped, part);
    if (part < sizeof padded) padded[part] = 0x80;
    sum ^= e0(cipher, i, load_block(padded));
    wipe(padded, sizeof padded);
  }
  return sum;
}

static void encipher_rest(const aez_cipher *cipher, block s, uint8_t *rest, size_t length) {
  for (int i = 4; length > 0; i++) {
    uint8_t stream[AES_BLOCK_BYTES];
    const size_t part = length < sizeof stream ? length : sizeof stream;
    store_block(stream, e_minus_1(cipher, i, s));
    for (size_t at = 0; at < part; at++) rest[at] ^= stream[at];
    rest += part;
    length -= part;
    wipe(stream, sizeof stream);
  }
}

static void aez(const uint8_t key[AEZ_KEY_BYTES], const uint8_t nonce[AES_BLOCK_BYTES], uint8_t *data, size_t length,
                aez_direction direction) {
  const size_t pairs = length / PAIR_BYTES - 1, rest_length = length % PAIR_BYTES;
  uint8_t *rest = data + pairs * PAIR_BYTES, *last = rest + rest_length;
  const int first = direction == AEZ_ENCIPHER ? 1 : 2, second = 3 - first;
  aez_cipher cipher;
  prepare_cipher(&cipher, key);
  const block delta = hash_nonce(&cipher, nonce);

  const block x = pass_over(&cipher, NULL, data, pairs) ^ sum_of_rest(&cipher, rest, rest_length);
  block left = load_block(last), right = load_block(last + AES_BLOCK_BYTES);
  left ^= x ^ delta ^ e0(&cipher, first, right);
  right ^= e_minus_1(&cipher, first, left);
  const block s = left ^ right;
  block y = pass_over(&cipher, &s, data, pairs);
  encipher_rest(&cipher, s, rest, rest_length);
  y ^= sum_of_rest(&cipher, rest, rest_length);
  left ^= e_minus_1(&cipher, second, right);
  right ^= y ^ delta ^ e0(&cipher, second, left);
  store_block(last, right);
  store_block(last + AES_BLOCK_BYTES, left);
  wipe(&cipher, sizeof cipher);
}

/* The 60 words of the key schedule (FIPS 197, section 5.2), as they lie in memory. */
static void expand_key(uint32_t words[60], const uint8_t key[32]) {
  memcpy(words, key, 32);
  uint32_t constant = 1;
  for (int i = 8; i < 60; i++) {
    uint32_t word = words[i - 1];
    if (i % 8 == 0) {
      word = substitute_word(word >> 8 | word << 24) ^ constant;
      constant <<= 1;
    } else if (i % 8 == 4) {
      word = substitute_word(word);
    }
    words[i] = words[i - 8] ^ word;
  }
}

static void ctr(const uint8_t key[32], const uint8_t counter[AES_BLOCK_BYTES], uint8_t *data, size_t length) {
  uint32_t words[60];
  aes_schedule schedule;
  expand_key(words, key);
  prepare_schedule(&schedule, words);
  uint64_t high = __builtin_bswap64(load_little64(counter)), low = __builtin_bswap64(load_little64(counter + 8));
  while (length > 0) {
    uint8_t stream[PARALLEL * AES_BLOCK_BYTES];
    block a[PARALLEL];
    for (int p = 0; p < PARALLEL; p++) {
      store_little64(stream, __builtin_bswap64(high));
      store_little64(stream + 8, __builtin_bswap64(low));
      a[p] = load_block(stream);
      low += 1;
      high += low == 0;
    }
    encrypt_eight(&schedule, a);
    for (int p = 0; p < PARALLEL; p++) store_block(stream + AES_BLOCK_BYTES * p, a[p]);
    const size_t part = length < sizeof stream ? length : sizeof stream;
    for (size_t at = 0; at < part; at++) data[at] ^= stream[at];
    data += part;
    length -= part;
    wipe(stream, sizeof stream);
  }
  wipe(words, sizeof words);
  wipe(&schedule, sizeof schedule);
}

#endif
