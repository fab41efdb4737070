/* The Montgomery ladder of RFC 7748, section 5, one point at a time on 64-bit words. */
#include "x25519.h"

void ladder_portable(fraction *results, const bytes32 *scalars, const bytes32 *elements) {
  const field one = {{1, 0, 0, 0, 0}};
  const field u = field_from_bytes(elements[0]);
  field x2 = one, z2 = {{0, 0, 0, 0, 0}}, x3 = u, z3 = one;
  uint64_t swapped = 0;
  for (int bit = 254; bit >= 0; bit--) {
    const uint64_t mask = -(uint64_t)(scalars[0][bit >> 3] >> (bit & 7) & 1);
    field_swap(&x2, &x3, swapped ^ mask);
    field_swap(&z2, &z3, swapped ^ mask);
    swapped = mask;
    const field a = field_add(x2, z2), b = field_subtract(x2, z2);
    const field da = field_multiply(field_subtract(x3, z3), a);
    const field cb = field_multiply(field_add(x3, z3), b);
    const field aa = field_square(a), bb = field_square(b);
    const field e = field_subtract(aa, bb);
    x3 = field_square(field_add(da, cb));
    z3 = field_multiply(field_square(field_subtract(da, cb)), u);
    x2 = field_multiply(aa, bb);
    z2 = field_multiply(e, field_add_scaled(aa, e));
  }
  field_swap(&x2, &x3, swapped);
  field_swap(&z2, &z3, swapped);
  results[0] = (fraction){x2, z2};
}
