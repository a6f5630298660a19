/* How often what was seen, in fixed memory: counts by classes whose width grows with the value.
 *
 * Values below 2^fine have a class each. From there on each power of two is cut into 2^fine equal
 * classes, so that a class is at most 1 / 2^fine as wide as its least value, and a percentile read
 * off its middle is at most half of that off: 0.8 % with fine = 6, 6 % with fine = 3. */
#ifndef ES_HISTOGRAM_H
#define ES_HISTOGRAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counters that a histogram of 32-bit values takes. */
#define ES_HISTOGRAM_CLASSES(fine) ((33u - (fine)) << (fine))

typedef struct es_histogram {
    uint32_t *counts; /* ES_HISTOGRAM_CLASSES(fine) of them, the caller's */
    uint32_t fine;
    uint32_t total;
    uint32_t largest;
} es_histogram_t;

void es_histogram_clear(es_histogram_t *histogram);

/* Values of more than 32 bits count as the largest of them. */
void es_histogram_add(es_histogram_t *histogram, uint64_t value);

/* The middle of the class in which at least `permille` / 1000 of all values lie or lie below, but
 * never more than the largest value; 0 without values. */
uint32_t es_histogram_at(const es_histogram_t *histogram, uint32_t permille);

#ifdef __cplusplus
}
#endif

#endif
