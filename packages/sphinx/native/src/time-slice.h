#ifndef FOG_TIME_SLICE_H
#define FOG_TIME_SLICE_H

#include <stdint.h>

/*
 * Asks the system to give a thread of this process turns of that many nanoseconds, and to let it have one sooner for
 * that. No privilege is needed, and its share of the processor stays the same. Whether the system took it; Linux before
 * 6.12 takes it and does nothing with it. A thread with another policy than the usual one is left as it is.
 */
int time_slice_set(int thread, uint64_t nanoseconds);

#endif
