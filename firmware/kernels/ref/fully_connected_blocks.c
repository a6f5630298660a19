/* FULLY_CONNECTED by blocks of eight output channels, portable. */
#include "es_blocks.h"

void es_block_dot(uint32_t acc[ES_BLOCK_CHANNELS], const int8_t *x, const int8_t *w,
                  uint32_t taps) {
    uint32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    uint32_t a4 = acc[4], a5 = acc[5], a6 = acc[6], a7 = acc[7];

    for (const int8_t *end = x + taps; x != end; x++, w += ES_BLOCK_CHANNELS) {
        const int32_t v = *x;

        a0 += (uint32_t)(v * w[0]);
        a1 += (uint32_t)(v * w[1]);
        a2 += (uint32_t)(v * w[2]);
        a3 += (uint32_t)(v * w[3]);
        a4 += (uint32_t)(v * w[4]);
        a5 += (uint32_t)(v * w[5]);
        a6 += (uint32_t)(v * w[6]);
        a7 += (uint32_t)(v * w[7]);
    }
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
    acc[4] = a4, acc[5] = a5, acc[6] = a6, acc[7] = a7;
}

void es_fully_connected_blocks(const es_fully_connected_blocks_params_t *p, const es_rows_t *in,
                               const es_rows_t *out, const int8_t *weights,
                               const es_scale_t *scales, uint32_t y0, uint32_t y1) {
    es_blocks_rows(p, in, out, weights, scales, y0, y1);
}

void es_fully_connected_blocks_sum(const es_fully_connected_blocks_params_t *p,
                                   const es_rows_t *in, const es_rows_t *out,
                                   const int8_t *weights, const es_scale_t *scales, uint32_t *sums,
                                   uint32_t y0, uint32_t y1) {
    es_blocks_sum(p, in, out, weights, scales, sums, y0, y1);
}
