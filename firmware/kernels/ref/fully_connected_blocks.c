/* FULLY_CONNECTED by blocks of eight output channels, portable. */
#include "es_blocks.h"

/* The sums of four channels whose weights lie `width` apart from tap to tap. A block is two halves,
 * one after the other: eight sums would leave many compilers without registers. */
static void half(uint32_t acc[ES_HALF_BLOCK], const int8_t *x, const int8_t *w, uint32_t taps,
                 uint32_t width) {
    uint32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;

    for (const int8_t *end = x + taps; x != end; x++, w += width) {
        const int32_t v = *x;

        a0 += (uint32_t)(v * w[0]);
        a1 += (uint32_t)(v * w[1]);
        a2 += (uint32_t)(v * w[2]);
        a3 += (uint32_t)(v * w[3]);
    }
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
}

void es_block_dot(uint32_t acc[ES_BLOCK_CHANNELS], const int8_t *x, const int8_t *weights,
                  uint32_t taps) {
    half(acc, x, weights, taps, ES_BLOCK_CHANNELS);
    half(acc + ES_HALF_BLOCK, x, weights + ES_HALF_BLOCK, taps, ES_BLOCK_CHANNELS);
}

void es_half_block_dot(uint32_t acc[ES_BLOCK_CHANNELS], const int8_t *x, const int8_t *weights,
                       uint32_t taps) {
    half(acc, x, weights, taps, ES_HALF_BLOCK);
}

void es_fully_connected_blocks(const es_fully_connected_blocks_params_t *p, const es_rows_t *in,
                               const es_rows_t *out, const int8_t *weights,
                               const es_scale_t *scales, uint32_t y0, uint32_t y1) {
    es_blocks_rows(p, in, out, weights, scales, y0, y1);
}

void es_fully_connected_blocks_sum(const es_fully_connected_blocks_params_t *p, const es_rows_t *in,
                                   const es_rows_t *out, const int8_t *weights,
                                   const es_scale_t *scales, uint32_t *sums, uint32_t y0,
                                   uint32_t y1) {
    es_blocks_sum(p, in, out, weights, scales, sums, y0, y1);
}
