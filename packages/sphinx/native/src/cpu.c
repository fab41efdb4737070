/*
 * Detection of instruction sets. That the processor knows an instruction is not enough: the operating system must save
 * the registers that it uses, which XGETBV tells (Intel SDM volume 1, sections 13.3 and 14.3).
 */
#include "cpu.h"

#if SPHINX_X86

#include <cpuid.h>
#include <stdint.h>

#define BIT(word, number) ((int)((word) >> (number) & 1))

/* State components in XCR0: SSE and AVX; and of AVX-512 the masks, upper halves and upper registers. */
#define STATE_AVX 0x06u
#define STATE_AVX512 0xe6u

static uint32_t saved_states(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

cpu_features cpu_detect(void) {
  cpu_features found = {0, 0, 0, 0};
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return found;
  const int ssse3_and_sse41 = BIT(c, 9) && BIT(c, 19);
  const int aes = BIT(c, 25);
  const uint32_t states = BIT(c, 27) ? saved_states() : 0;
  const int avx = BIT(c, 28) && (states & STATE_AVX) == STATE_AVX;
  found.aes = aes && avx;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
  found.avx2 = avx && BIT(b, 5);
  found.sha = ssse3_and_sse41 && BIT(b, 29);
  /* Foundation, doubleword and quadword, integer fused multiply-add. */
  found.avx512_ifma =
      found.avx2 && (states & STATE_AVX512) == STATE_AVX512 && BIT(b, 16) && BIT(b, 17) && BIT(b, 21);
  return found;
}

#else

cpu_features cpu_detect(void) {
  return (cpu_features){0, 0, 0, 0};
}

#endif
