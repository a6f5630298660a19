/* CONV_2D of three pixels in two words: the inner loop is in conv_lanes.S, its C twin is
 * ../ref/conv_lanes.c. */
#include "es_lanes_walk.h"

void es_conv_lanes(const es_conv_lanes_params_t *params, const int8_t *weights,
                   const es_scale_t *scales, const es_rows_t *in, const es_rows_t *out,
                   void *scratch, uint32_t y0, uint32_t y1) {
    es_lanes_convolve(params, weights, scales, in, out, scratch, y0, y1);
}
