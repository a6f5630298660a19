/* FULLY_CONNECTED by pairs of output channels, portable: the twin of ../dsp. */
#include "es_dense.h"

void es_fully_connected_pairs(const es_fully_connected_pairs_params_t *p, const es_rows_t *in,
                              const es_rows_t *out, const int16_t *weights,
                              const es_pairs_block_t *blocks, uint32_t y0, uint32_t y1) {
    const uint32_t depth = in->w * in->c, halves = es_dense_block_halves(depth);

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t first = 0; first < out->c; first += ES_DENSE_BLOCK) {
            const uint32_t left = out->c - first;
            const uint32_t count = left < ES_DENSE_BLOCK ? left : ES_DENSE_BLOCK;
            const int16_t *block = weights + first / ES_DENSE_BLOCK * halves;
            uint32_t sums[ES_DENSE_BLOCK];

            for (uint32_t i = 0; i < count; i++) {
                sums[i] = es_dense_start(blocks, first + i);
            }
            es_dense_add_taps(sums, count, x, depth, block, halves, 0);
            for (uint32_t i = 0; i < count; i++) {
                q[first + i] = es_dense_finish(p, sums[i], blocks, first + i);
            }
        }
    }
}

void es_fully_connected_pairs_sum(const es_fully_connected_pairs_params_t *p, const es_rows_t *in,
                                  const es_rows_t *out, const int16_t *weights,
                                  const es_pairs_block_t *blocks, uint32_t *sums, uint32_t y0,
                                  uint32_t y1) {
    const uint32_t run = in->w * in->c, halves = es_dense_block_halves(in->h * run);
    int8_t *q = (int8_t *)es_row(out, 0);

    for (uint32_t n = 0; y0 == 0 && n < out->c; n++) {
        sums[n] = es_dense_start(blocks, n);
    }
    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        es_dense_add_taps(sums, out->c, x, run, weights, halves, y * run);
    }
    for (uint32_t n = 0; y1 == in->h && n < out->c; n++) {
        q[n] = es_dense_finish(p, sums[n], blocks, n);
    }
}
