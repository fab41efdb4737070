/* What the processor offers, and the operating system saves: see cpu.c. */
#ifndef SPHINX_CPU_H
#define SPHINX_CPU_H

#if defined(__x86_64__)
#define SPHINX_X86 1
#else
#define SPHINX_X86 0
#endif

typedef struct {
  int avx2;
  int avx512_ifma;
  /* AES-NI, in the encoding of AVX. */
  int aes;
  int sha;
} cpu_features;

cpu_features cpu_detect(void);

#endif
