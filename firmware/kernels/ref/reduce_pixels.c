/* MEAN, SUM and REDUCE_MAX over all but the innermost dimension, portable. */
#include "es_reduce_pixels.h"

void es_reduce_pixels(const es_reduce_pixels_params_t *p, const es_rows_t *in, const es_rows_t *out,
                      uint32_t *sums, uint32_t y0, uint32_t y1) {
    const uint32_t channels = out->c;
    int8_t *q = (int8_t *)es_row(out, 0);

    for (uint32_t c = 0; c < channels; c++) {
        const int32_t before = y0 == 0 ? p->start : (int32_t)sums[c];
        const int32_t all = es_reduced_channel(p->mode, before, in, channels, c, y0, y1);

        if (y1 < in->h) {
            sums[c] = (uint32_t)all;
        } else {
            q[c] = es_reduced(p, all);
        }
    }
}
