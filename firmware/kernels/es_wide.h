/* What the forms of FULLY_CONNECTED with wide weights share: the parts that need not be fast. */
#ifndef ES_WIDE_H
#define ES_WIDE_H

#include "es_kernels.h"

enum { ES_WIDE_BLOCK = 4, ES_WIDE_QUAD = 4, ES_WIDE_QUAD_HALVES = 16 };

/* int16 of a block of four channels. */
static inline uint32_t es_wide_block_halves(uint32_t depth) {
    return (depth + ES_WIDE_QUAD - 1) / ES_WIDE_QUAD * ES_WIDE_QUAD_HALVES;
}

/* What the sum of a channel becomes. */
static inline int8_t es_wide_finish(const es_fully_connected_wide_params_t *p, uint32_t sum,
                                    const es_wide_scale_t *s) {
    const int32_t high = (int32_t)((int64_t)(int32_t)sum * s->multiplier >> 32);
    const int32_t y = es_wrapping_add(high, s->addend) >> (s->exponent & 31);

    return (int8_t)es_clamp(es_clamp(y, INT8_MIN, INT8_MAX), p->act_min, p->act_max);
}

/* Adds the products of `count` elements by the weights from tap `tap` on, one by one. */
static inline void es_wide_add_taps(uint32_t *sums, uint32_t outputs, const int8_t *x,
                                    uint32_t count, const int16_t *weights, uint32_t block_halves,
                                    uint32_t tap) {
    for (uint32_t n = 0; n < outputs; n++) {
        const int16_t *channel = weights + n / ES_WIDE_BLOCK * block_halves + n % ES_WIDE_BLOCK * 2;
        for (uint32_t k = tap; k < tap + count; k++) {
            const int16_t *quad = channel + k / ES_WIDE_QUAD * ES_WIDE_QUAD_HALVES;
            sums[n] += (uint32_t)(x[k - tap] * quad[k % 2 * 8 + k % ES_WIDE_QUAD / 2]);
        }
    }
}

/* The sums of `outputs` channels before any input. */
static inline void es_wide_start(uint32_t *sums, uint32_t outputs, const es_wide_block_t *blocks) {
    for (uint32_t n = 0; n < outputs; n++) {
        sums[n] = (uint32_t)blocks[n / ES_WIDE_BLOCK].biases[n % ES_WIDE_BLOCK];
    }
}

/* And what they become behind the last. */
static inline void es_wide_finish_all(const es_fully_connected_wide_params_t *p, int8_t *q,
                                      const uint32_t *sums, uint32_t outputs,
                                      const es_wide_block_t *blocks) {
    for (uint32_t n = 0; n < outputs; n++) {
        q[n] = es_wide_finish(p, sums[n], &blocks[n / ES_WIDE_BLOCK].scales[n % ES_WIDE_BLOCK]);
    }
}

#endif
