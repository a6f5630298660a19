/* log2 of a whole number in Q16: a table of 128 steps an octave, and a straight line between. */
#ifndef ES_LOG2_H
#define ES_LOG2_H

#include <stdint.h>

enum { ES_LOG2_STEPS = 128 };

/* round(65536 * log2(1 + i / 128)), i = 0..128. */
extern const uint32_t es_log2_table[ES_LOG2_STEPS + 1];

/* 65536 * log2(value), rounded; value > 0. Within 1.8 of the true one: 0.00003. */
int32_t es_log2(uint64_t value);

#endif
