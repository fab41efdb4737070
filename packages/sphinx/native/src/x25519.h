/*
 * X25519 (RFC 7748) for many pairs of scalar and element at once.
 *
 * A ladder multiplies `lanes` points at a time and leaves each as a fraction x : z. The division is done here, for the
 * whole batch with one inversion.
 */
#ifndef SPHINX_X25519_H
#define SPHINX_X25519_H

#include "cpu.h"
#include "field.h"

#define X25519_BYTES 32
/* As many as `SPHINX_LIMITS.batchPackets`. */
#define X25519_BATCH 64
#define X25519_MOST_LANES 8

typedef struct {
  field x, z;
} fraction;

typedef uint8_t bytes32[X25519_BYTES];

/* Multiplies as many points as it has lanes. The scalars are clamped. Limbs of the results are below 2^53. */
typedef void ladder(fraction *results, const bytes32 *scalars, const bytes32 *elements);

ladder ladder_portable;
#if SPHINX_X86
ladder ladder_avx2;
ladder ladder_ifma;
#endif

typedef enum { X25519_PORTABLE, X25519_AVX2, X25519_IFMA } x25519_tier;

/* Whether this machine can run it. */
int x25519_runs(x25519_tier tier, cpu_features features);

/* results[i] = scalars[i] * elements[i] for i below `count`, at most X25519_BATCH. Zeros for points of low order. */
void x25519_batch(x25519_tier tier, bytes32 *results, const bytes32 *scalars, const bytes32 *elements, size_t count);

#endif
