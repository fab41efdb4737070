/* SHA-256 (FIPS 180-4), HMAC (RFC 2104) and HKDF-Expand (RFC 5869), and the block of ChaCha20 for one scalar. */
#ifndef SPHINX_SHA256_H
#define SPHINX_SHA256_H

#include "cpu.h"
#include "secret.h"

#define SHA256_BYTES 32
#define SHA256_BLOCK_BYTES 64

extern const uint32_t SHA256_CONSTANTS[64];

/* Takes `count` blocks of 64 bytes into the state. */
typedef void sha256_compress(uint32_t state[8], const uint8_t *blocks, size_t count);

sha256_compress sha256_compress_portable;
#if SPHINX_X86
sha256_compress sha256_compress_ni;
#endif

/* A key of HMAC as the states after its inner and outer block. */
typedef struct {
  uint32_t inner[8], outer[8];
} hmac_key;

void hmac_prepare(sha256_compress *compress, hmac_key *prepared, const uint8_t *key, size_t length);

void hmac(sha256_compress *compress, const hmac_key *key, const uint8_t *data, size_t length,
          uint8_t mac[SHA256_BYTES]);

/* `length` is at most 255 * 32, and `info_length` at most HKDF_INFO_BYTES. */
#define HKDF_INFO_BYTES 64
void hkdf_expand(sha256_compress *compress, const hmac_key *key, const uint8_t *info, size_t info_length,
                 uint8_t *output, size_t length);

#endif
