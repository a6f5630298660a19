/* What the forms of FULLY_CONNECTED by channel pairs share: the parts that need not be fast. */
#ifndef ES_DENSE_H
#define ES_DENSE_H

#include "es_kernels.h"

enum { ES_DENSE_BLOCK = 4, ES_DENSE_QUAD = 4, ES_DENSE_QUAD_HALVES = 8 };

/* Where the sum of channel `n` starts. */
static inline uint32_t es_dense_start(const es_pairs_block_t *blocks, uint32_t n) {
    const int32_t *start = &blocks[n / 4].starts[n % 4];

    return n % 2 == 0 ? (uint32_t)*start
                      : (uint32_t)((int32_t)((uint32_t)start[0] - (uint32_t)start[-1]) >> 8);
}

/* What the sum of channel `n` becomes. */
static inline int8_t es_dense_finish(const es_fully_connected_pairs_params_t *p, uint32_t sum,
                                     const es_pairs_block_t *blocks, uint32_t n) {
    const es_pairs_scale_t *s = &blocks[n / 4].scales[n % 4];
    const uint32_t exponent = ((uint32_t)s->exponent - n % 2 * 8) & 31;
    const int32_t high = (int32_t)((int64_t)(int32_t)sum * s->multiplier >> 32) >> exponent;
    const int32_t addend = es_wrapping_add(1, es_wrapping_mul(2, p->output_zero_point));

    return (int8_t)es_clamp(es_clamp(es_wrapping_add(high, addend) >> 1, INT8_MIN, INT8_MAX),
                            p->act_min, p->act_max);
}

/* The weight of a block's channel `i` at tap 0 to 3 of a quad. The lower byte of a pair is the even
 * channel's. */
static inline int32_t es_dense_weight(const int16_t *quad, uint32_t i, uint32_t tap) {
    const int32_t both = quad[i / 2 * 4 + tap % 2 * 2 + tap / 2];
    const int32_t even = (int8_t)(uint8_t)both;

    return i % 2 == 0 ? even : (both - even) >> 8;
}

/* int16 of a block of four channels. */
static inline uint32_t es_dense_block_halves(uint32_t depth) {
    return (depth + ES_DENSE_QUAD - 1) / ES_DENSE_QUAD * ES_DENSE_QUAD_HALVES;
}

/* Adds the products of `count` elements by the weights from tap `tap` on, one by one. */
static inline void es_dense_add_taps(uint32_t *sums, uint32_t outputs, const int8_t *x,
                                     uint32_t count, const int16_t *weights, uint32_t block_halves,
                                     uint32_t tap) {
    for (uint32_t n = 0; n < outputs; n++) {
        const int16_t *block = weights + n / ES_DENSE_BLOCK * block_halves;
        for (uint32_t k = tap; k < tap + count; k++) {
            const int16_t *quad = block + k / ES_DENSE_QUAD * ES_DENSE_QUAD_HALVES;
            const int32_t w = es_dense_weight(quad, n % ES_DENSE_BLOCK, k % ES_DENSE_QUAD);
            sums[n] += (uint32_t)(x[k - tap] * w);
        }
    }
}

#endif
