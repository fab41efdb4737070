/*
 * Unwrapping of Sphinx packets, as src/unwrap.ts of this package defines it, many at a time.
 *
 * Source: Katzenpost, "Sphinx cryptographic packet format", section 4.2 (processing).
 */
#ifndef SPHINX_UNWRAP_H
#define SPHINX_UNWRAP_H

#include "aes.h"
#include "sha256.h"
#include "x25519.h"

/* Sizes as in src/geometry.ts, records as in src/outcome.ts. */
#define VERSION_BYTES 2
#define MAC_BYTES 32
#define NODE_ID_BYTES 32
#define REPLY_ID_BYTES 16
#define SLOT_BYTES 82
#define PAYLOAD_TAG_BYTES 32
#define MOST_HOPS 16
#define MOST_BODY_BYTES (1 << 20)
#define OUTCOME_BYTES 64

/* Ways to compute that this machine has, chosen when the unwrapper is made. */
typedef struct {
  x25519_tier x25519;
  const aes_functions *aes;
  sha256_compress *sha256;
} sphinx_functions;

typedef struct {
  sphinx_functions functions;
  size_t routing_bytes, header_bytes, body_bytes, packet_bytes;
  uint8_t private_key[X25519_BYTES];
  hmac_key tag_key;
} unwrapper;

/* `hops` is from 1 to MOST_HOPS, `body_bytes` from AEZ_LEAST_BYTES to MOST_BODY_BYTES. */
void unwrapper_prepare(unwrapper *prepared, sphinx_functions functions, size_t hops, size_t body_bytes,
                       const uint8_t private_key[X25519_BYTES], const uint8_t tag_key[SHA256_BYTES]);

/* Unwraps `count` packets, at most X25519_BATCH, in place, and writes a record of each. */
void unwrap_batch(const unwrapper *with, uint8_t *packets, uint8_t *outcomes, size_t count);

/* 160 bytes in the order of `derived_keys`: HKDF-Expand under the suite's label. */
void derive_keys(sha256_compress *compress, const uint8_t secret[X25519_BYTES], uint8_t *output, size_t length);

#endif
