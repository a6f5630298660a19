/* What the variants of FULLY_CONNECTED by blocks of channels share: all but the products. */
#ifndef ES_BLOCKS_H
#define ES_BLOCKS_H

#include "es_scale.h"

/* acc[i] += sum over `taps` of x[k] * weights[k][i]: each variant has its own. */
void es_block_dot(uint32_t acc[ES_BLOCK_CHANNELS], const int8_t *x, const int8_t *weights,
                  uint32_t taps);

static __attribute__((noinline)) void
es_block_finish(const es_fully_connected_blocks_params_t *p, const es_scale_t *scales,
                const uint32_t *sums, int8_t *q, uint32_t count) {
    for (int8_t *end = q + count; q != end; q++) {
        *q = es_scaled(*sums++, scales++, 0, p->act_min, p->act_max);
    }
}

static inline void es_blocks_rows(const es_fully_connected_blocks_params_t *p, const es_rows_t *in,
                                  const es_rows_t *out, const int8_t *weights,
                                  const es_scale_t *scales, uint32_t y0, uint32_t y1) {
    const uint32_t depth = in->w * in->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y), *w = weights;
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t n = 0; n < out->c; n += ES_BLOCK_CHANNELS, w += ES_BLOCK_CHANNELS * depth) {
            const uint32_t left = out->c - n;
            const uint32_t count = left < ES_BLOCK_CHANNELS ? left : ES_BLOCK_CHANNELS;
            uint32_t sums[ES_BLOCK_CHANNELS] = {0};

            for (uint32_t i = 0; i < count; i++) {
                sums[i] = (uint32_t)scales[n + i].bias;
            }
            es_block_dot(sums, x, w, depth);
            es_block_finish(p, scales + n, sums, q + n, count);
        }
    }
}

static inline void es_blocks_sum(const es_fully_connected_blocks_params_t *p, const es_rows_t *in,
                                 const es_rows_t *out, const int8_t *weights,
                                 const es_scale_t *scales, uint32_t *sums, uint32_t y0,
                                 uint32_t y1) {
    const uint32_t run = in->w * in->c, depth = in->h * run, outputs = out->c;
    int8_t *q = (int8_t *)es_row(out, 0);

    for (uint32_t n = 0; y0 == 0 && n < outputs; n++) {
        sums[n] = (uint32_t)scales[n].bias;
    }
    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        const int8_t *w = weights + ES_BLOCK_CHANNELS * y * run;

        for (uint32_t n = 0; n < outputs; n += ES_BLOCK_CHANNELS, w += ES_BLOCK_CHANNELS * depth) {
            const uint32_t left = outputs - n;
            const uint32_t count = left < ES_BLOCK_CHANNELS ? left : ES_BLOCK_CHANNELS;
            uint32_t part[ES_BLOCK_CHANNELS] = {0};

            es_block_dot(part, x, w, run);
            for (uint32_t i = 0; i < count; i++) {
                sums[n + i] += part[i];
            }
        }
    }
    if (y1 == in->h) {
        es_block_finish(p, scales, sums, q, outputs);
    }
}

#endif
