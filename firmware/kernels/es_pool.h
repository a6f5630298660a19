/* What the pools share on all cores: the mean of a window, and sums that take any cut of rows. */
#ifndef ES_POOL_H
#define ES_POOL_H

#include "es_kernels.h"

/* sum / count to nearest, ties away from zero, clamped. An empty window has mean 0. */
static inline int8_t es_mean(const es_pool_params_t *p, int32_t sum, uint32_t count) {
    const int32_t n = count > 0 ? (int32_t)count : 1;
    const int32_t mean = (sum > 0 ? sum + n / 2 : sum - n / 2) / n;
    return (int8_t)es_clamp(mean, p->act_min, p->act_max);
}

/* Adds input rows [y0, y1) to the sums of `channels` channels that take turns in them. */
static inline void es_add_elements(const es_rows_t *in, uint32_t *sums, uint32_t channels,
                                   uint32_t y0, uint32_t y1) {
    const uint32_t length = in->w * in->c;
    uint32_t c = y0 * length % channels;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y), *end = x + length;

        for (; x != end; x++) {
            sums[c] += (uint32_t)*x;
            c = c + 1 == channels ? 0 : c + 1;
        }
    }
}

#endif
