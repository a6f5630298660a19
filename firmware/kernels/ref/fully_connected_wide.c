/* FULLY_CONNECTED with wide weights, portable: the twin of ../dsp. */
#include "es_wide.h"

void es_fully_connected_wide(const es_fully_connected_wide_params_t *p, const es_rows_t *in,
                             const es_rows_t *out, const int16_t *weights,
                             const es_wide_block_t *blocks, uint32_t y0, uint32_t y1) {
    const uint32_t depth = in->w * in->c, halves = es_wide_block_halves(depth);

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t n = 0; n < out->c; n += ES_WIDE_BLOCK) {
            const uint32_t left = out->c - n, block = n / ES_WIDE_BLOCK;
            const uint32_t count = left < ES_WIDE_BLOCK ? left : ES_WIDE_BLOCK;
            uint32_t sums[ES_WIDE_BLOCK];

            es_wide_start(sums, count, blocks + block);
            es_wide_add_taps(sums, count, x, depth, weights + block * halves, halves, 0);
            es_wide_finish_all(p, q + n, sums, count, blocks + block);
        }
    }
}

void es_fully_connected_wide_sum(const es_fully_connected_wide_params_t *p, const es_rows_t *in,
                                 const es_rows_t *out, const int16_t *weights,
                                 const es_wide_block_t *blocks, uint32_t *sums, uint32_t y0,
                                 uint32_t y1) {
    const uint32_t run = in->w * in->c, halves = es_wide_block_halves(in->h * run);

    if (y0 == 0) {
        es_wide_start(sums, out->c, blocks);
    }
    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        es_wide_add_taps(sums, out->c, x, run, weights, halves, y * run);
    }
    if (y1 == in->h) {
        es_wide_finish_all(p, (int8_t *)es_row(out, 0), sums, out->c, blocks);
    }
}
