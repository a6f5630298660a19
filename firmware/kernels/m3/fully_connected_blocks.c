/* FULLY_CONNECTED by blocks of output channels: the inner loops are in fully_connected_blocks.S,
 * their C twin is ../ref/fully_connected_blocks.c. */
#include "es_blocks.h"

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
