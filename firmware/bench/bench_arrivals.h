/* When the frames of a replay arrive, in virtual ticks: what the host computes, to the tick. */
#ifndef BENCH_ARRIVALS_H
#define BENCH_ARRIVALS_H

#include <stdint.h>

#define ARRIVALS_RANDOM      1000u /* instead of a spread: exponential intervals */
#define ARRIVALS_MOST_SPREAD 500u

typedef struct arrivals {
    uint32_t period;          /* ticks, the mean */
    uint32_t spread_permille; /* a frame is early or late by up to so much; or ARRIVALS_RANDOM */
    uint32_t state;           /* of xorshift32; starts as the seed, not 0 */
    uint64_t at;              /* what the next arrival counts from; starts as 0 */
} arrivals_t;

/* The time of the next arrival; never falls. */
uint64_t arrivals_next(arrivals_t *arrivals);

#endif
