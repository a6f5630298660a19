/* CONV_2D by Winograd's method, for cores with SMLAD: the inner loops are in conv_winograd.S, their
 * C twin is ../ref/conv_winograd.c. */
#include "es_winograd.h"

#include <stddef.h>

_Static_assert(offsetof(es_winograd_block_t, pairs) == 144, "the .S knows it");

void es_conv_winograd(const es_conv_winograd_params_t *params, const uint32_t *stream,
                      const int8_t *pads, const es_rows_t *in, const es_rows_t *out, void *scratch,
                      uint32_t y0, uint32_t y1) {
    es_winograd_convolve(params, stream, pads, in, out, scratch, y0, y1);
}
