/*
 * What code that handles secrets needs everywhere: to wipe them so that the compiler does not drop it, and to compare
 * them in a time that does not depend on their bytes.
 */
#ifndef SPHINX_SECRET_H
#define SPHINX_SECRET_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the native code is for little-endian machines"
#endif

/* Zeros that stay: the empty assembly reads the memory, so that the store is not dead. */
static inline void wipe(void *memory, size_t length) {
  memset(memory, 0, length);
  __asm__ volatile("" : : "r"(memory) : "memory");
}

/*
 * Overwrites the part of the stack below the caller. Registers that a function had to put aside lie there after it
 * returns, and no name leads to them.
 */
static __attribute__((noinline, unused)) void wipe_stack_below(void) {
  uint8_t below[20 * 1024];
  wipe(below, sizeof below);
}

/* 1 when both are equal, otherwise 0. */
static inline uint32_t equal_bytes(const uint8_t *left, const uint8_t *right, size_t length) {
  uint32_t difference = 0;
  for (size_t at = 0; at < length; at++) difference |= left[at] ^ right[at];
  return (difference - 1) >> 31;
}

/* 1 when all bytes are zero, otherwise 0. */
static inline uint32_t is_zero_bytes(const uint8_t *bytes, size_t length) {
  uint32_t any = 0;
  for (size_t at = 0; at < length; at++) any |= bytes[at];
  return (any - 1) >> 31;
}

static inline uint64_t load_little64(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

static inline void store_little64(uint8_t *bytes, uint64_t word) {
  memcpy(bytes, &word, sizeof word);
}

static inline uint32_t load_little32(const uint8_t *bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

static inline void store_little32(uint8_t *bytes, uint32_t word) {
  memcpy(bytes, &word, sizeof word);
}

static inline uint32_t load_big32(const uint8_t *bytes) {
  return __builtin_bswap32(load_little32(bytes));
}

static inline void store_big32(uint8_t *bytes, uint32_t word) {
  store_little32(bytes, __builtin_bswap32(word));
}

#endif
