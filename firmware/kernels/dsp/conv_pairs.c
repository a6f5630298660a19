/* CONV_2D by pairs of output channels, for cores with SMLAD: the inner loops are in conv_pairs.S,
 * their C twin is ../ref/conv_pairs.c. */
#include "es_pairs_walk.h"

void es_conv_pairs(const es_conv_pairs_params_t *params, const uint32_t *stream,
                   const es_rows_t *in, const es_rows_t *out, void *scratch, uint32_t y0,
                   uint32_t y1) {
    es_pairs_convolve(params, stream, in, out, scratch, y0, y1);
}
