/* AEZ and AES-256-CTR, by the instructions of the processor or bitsliced; both take the same time for all data. */
#ifndef SPHINX_AES_H
#define SPHINX_AES_H

#include "cpu.h"
#include "secret.h"

#define AEZ_KEY_BYTES 48
#define AEZ_LEAST_BYTES 32
#define AES_BLOCK_BYTES 16

typedef enum { AEZ_ENCIPHER, AEZ_DECIPHER } aez_direction;

typedef struct {
  /* AEZ v5 in place: no associated data, no expansion, at least AEZ_LEAST_BYTES. */
  void (*aez)(const uint8_t key[AEZ_KEY_BYTES], const uint8_t nonce[AES_BLOCK_BYTES], uint8_t *data, size_t length,
              aez_direction direction);
  /* Adds the key stream of AES-256-CTR to the data. The counter is the whole block, big-endian (NIST SP 800-38A). */
  void (*ctr)(const uint8_t key[32], const uint8_t counter[AES_BLOCK_BYTES], uint8_t *data, size_t length);
} aes_functions;

extern const aes_functions aes_portable;
#if SPHINX_X86
extern const aes_functions aes_ni;
#endif

#endif
