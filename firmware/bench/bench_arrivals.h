/* When the frames of a replay arrive, in virtual ticks: what the host computes, to the tick. */
#ifndef BENCH_ARRIVALS_H
#define BENCH_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

#define ARRIVALS_RANDOM      1000u /* instead of a spread: exponential intervals */
#define ARRIVALS_MOST_SPREAD 500u

typedef struct arrival {
    uint64_t at;    /* never before the last one */
    uint64_t ticks; /* that the inference takes; 0: what it takes when the model runs */
} arrival_t;

/* Gives the next arrival; false where there is none, and the replay ends there. */
typedef bool (*arrival_source_t)(arrival_t *next);

typedef struct generator {
    uint32_t period;          /* ticks, the mean */
    uint32_t spread_permille; /* a frame is early or late by up to so much; or ARRIVALS_RANDOM */
    uint32_t state;           /* of xorshift32; starts as the seed, not 0 */
    uint64_t at;              /* what the next arrival counts from; starts as 0 */
} generator_t;

/* From now on arrivals_next() gives what such a generator makes, without end. */
void arrivals_generate(const generator_t *setup);
bool arrivals_next(arrival_t *next);

#endif
