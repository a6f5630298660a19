/* MAX_POOL_2D of int16, portable. */
#include "es_sixteen.h"

static int16_t of_window(const es_pool_params_t *p, const es_rows_t *in, int32_t top, int32_t left,
                         uint32_t c) {
    const es_taps_t ky = es_taps(top, in->h, 1, p->kernel_h);
    const es_taps_t kx = es_taps(left, in->w, 1, p->kernel_w);
    int32_t most = INT16_MIN;

    for (uint32_t i = ky.first; i < ky.end; i++) {
        const int16_t *row = es_row_16(in, (uint32_t)top + i) + c;
        for (uint32_t j = kx.first; j < kx.end; j++) {
            const int32_t x = row[((uint32_t)left + j) * in->c];
            most = x > most ? x : most;
        }
    }
    return (int16_t)es_clamp(most, p->act_min, p->act_max);
}

void es_max_pool_16(const es_pool_params_t *p, const es_rows_t *in, const es_rows_t *out,
                    uint32_t y0, uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
        int16_t *q = es_row_16(out, y);
        for (uint32_t x = 0; x < out->w; x++) {
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;
            for (uint32_t c = 0; c < in->c; c++) {
                *q++ = of_window(p, in, top, left, c);
            }
        }
    }
}
