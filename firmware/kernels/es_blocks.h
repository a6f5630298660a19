/* What the variants of FULLY_CONNECTED by blocks of channels share: all but the products. */
#ifndef ES_BLOCKS_H
#define ES_BLOCKS_H

#include "es_scale.h"

#define ES_BLOCKS_OUT_OF_LINE __attribute__((noinline))

enum { ES_HALF_BLOCK = ES_BLOCK_CHANNELS / 2 };

/* acc[i] = sum over `taps` of x[k] * weights[k][i], for a block and for half of one, of which the
 * other sums are anything: each variant has its own. */
void es_block_dot(uint32_t acc[ES_BLOCK_CHANNELS], const int8_t *x, const int8_t *weights,
                  uint32_t taps);
void es_half_block_dot(uint32_t acc[ES_BLOCK_CHANNELS], const int8_t *x, const int8_t *weights,
                       uint32_t taps);

static inline uint32_t es_block_least(uint32_t channels) {
    return channels < ES_BLOCK_CHANNELS ? channels : ES_BLOCK_CHANNELS;
}

/* The sums of the next at most `channels`, by weights from tap `tap` of `depth` on. */
static inline void es_block_sums(uint32_t acc[ES_BLOCK_CHANNELS], const int8_t *x, uint32_t taps,
                                 const int8_t *weights, uint32_t tap, uint32_t channels) {
    if (channels > ES_HALF_BLOCK) {
        es_block_dot(acc, x, weights + ES_BLOCK_CHANNELS * tap, taps);
    } else {
        es_half_block_dot(acc, x, weights + ES_HALF_BLOCK * tap, taps);
    }
}

static ES_BLOCKS_OUT_OF_LINE void es_block_finish(const es_fully_connected_blocks_params_t *p,
                                                  const es_scale_t *s, const uint32_t *sums,
                                                  int8_t *q, uint32_t count) {
    const int32_t low = p->act_min, high = p->act_max;

    for (const int8_t *end = q + count; q != end; q++, s++) {
        *q = es_scaled((uint32_t)s->bias + *sums++, s, 0, low, high);
    }
}

static inline void es_blocks_rows(const es_fully_connected_blocks_params_t *p, const es_rows_t *in,
                                  const es_rows_t *out, const int8_t *weights,
                                  const es_scale_t *scales, uint32_t y0, uint32_t y1) {
    const uint32_t depth = in->w * in->c, outputs = out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y), *w = weights;
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t n = 0; n < outputs; n += ES_BLOCK_CHANNELS, w += ES_BLOCK_CHANNELS * depth) {
            const uint32_t count = es_block_least(outputs - n);
            uint32_t acc[ES_BLOCK_CHANNELS];

            es_block_sums(acc, x, depth, w, 0, count);
            es_block_finish(p, scales + n, acc, q + n, count);
        }
    }
}

static inline void es_blocks_sum(const es_fully_connected_blocks_params_t *p, const es_rows_t *in,
                                 const es_rows_t *out, const int8_t *weights,
                                 const es_scale_t *scales, uint32_t *sums, uint32_t y0,
                                 uint32_t y1) {
    const uint32_t run = in->w * in->c, depth = in->h * run, outputs = out->c;

    for (uint32_t n = 0; y0 == 0 && n < outputs; n++) {
        sums[n] = 0;
    }
    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y), *w = weights;

        for (uint32_t n = 0; n < outputs; n += ES_BLOCK_CHANNELS, w += ES_BLOCK_CHANNELS * depth) {
            const uint32_t count = es_block_least(outputs - n);
            uint32_t acc[ES_BLOCK_CHANNELS];

            es_block_sums(acc, x, run, w, y * run, count);
            for (uint32_t i = 0; i < count; i++) {
                sums[n + i] += acc[i];
            }
        }
    }
    if (y1 == in->h) {
        es_block_finish(p, scales, sums, (int8_t *)es_row(out, 0), outputs);
    }
}

#endif
