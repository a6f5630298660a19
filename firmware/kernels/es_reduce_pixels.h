/* What the folders share of reductions channel by channel. */
#ifndef ES_REDUCE_PIXELS_H
#define ES_REDUCE_PIXELS_H

#include "es_kernels.h"

/* The sum or maximum of channel c, grown by input rows [y0, y1). */
static inline int32_t es_reduced_channel(uint32_t mode, int32_t all, const es_rows_t *in,
                                         uint32_t channels, uint32_t c, uint32_t y0, uint32_t y1) {
    const int32_t mask = mode == ES_REDUCE_SUM_UNSIGNED ? 0xFF : -1;
    const uint32_t length = in->w * in->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);

        if (mode == ES_REDUCE_MAX) {
            for (uint32_t i = c; i < length; i += channels) {
                all = x[i] > all ? x[i] : all;
            }
            continue;
        }
        for (uint32_t i = c; i < length; i += channels) {
            all = es_wrapping_add(all, x[i] & mask);
        }
    }
    return all;
}

/* An output element, of all rows. */
static inline int8_t es_reduced(const es_reduce_pixels_params_t *p, int32_t all) {
    const int32_t v = es_requantize(all, p->multiplier, p->shift);

    return (int8_t)es_clamp(es_wrapping_add(v, p->output_zero_point), p->low, p->high);
}

#endif
