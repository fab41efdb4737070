#ifndef SPHINX_CHACHA20_H
#define SPHINX_CHACHA20_H

#include "secret.h"

/*
 * `length` bytes of key stream of ChaCha20 as first published, with a nonce of 8 bytes, here zero, and a counter of 8
 * bytes from zero on (Bernstein, "ChaCha, a variant of Salsa20", 2008).
 */
void chacha20_stream(const uint8_t key[32], uint8_t *output, size_t length);

#endif
