/* DEPTHWISE_CONV_2D by pairs of rows, portable: windows of any size. The twin that the kernels for
 * one core are held against. */
#include "es_depthwise_window.h"

void es_depthwise_pairs(const es_depthwise_pairs_params_t *p, const uint32_t *stream,
                        const es_rows_t *in, const es_rows_t *out, void *scratch, uint32_t y0,
                        uint32_t y1) {
    (void)scratch;
    es_depthwise_windows(p, stream, in, out, y0, y1);
}
