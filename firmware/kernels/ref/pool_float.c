/* AVERAGE_POOL_2D and MAX_POOL_2D of float32, portable. */
#include "es_floats.h"

#include <float.h>

static float of_window(const es_pool_float_params_t *p, const es_rows_t *in, int32_t top,
                       int32_t left, uint32_t c) {
    const es_taps_t ky = es_taps(top, in->h, 1, p->kernel_h);
    const es_taps_t kx = es_taps(left, in->w, 1, p->kernel_w);
    float sum = 0.0f, most = -FLT_MAX;

    for (uint32_t i = ky.first; i < ky.end; i++) {
        const float *row = es_row_float(in, (uint32_t)top + i) + c;
        for (uint32_t j = kx.first; j < kx.end; j++) {
            const float x = row[((uint32_t)left + j) * in->c];
            sum += x;
            most = x > most ? x : most;
        }
    }
    if (p->is_max) {
        return most;
    }
    const uint32_t rows = ky.end > ky.first ? ky.end - ky.first : 0;
    const uint32_t columns = kx.end > kx.first ? kx.end - kx.first : 0;
    const uint32_t count = rows * columns;
    return sum / (float)(count > 0 ? count : 1);
}

void es_pool_float(const es_pool_float_params_t *p, const es_rows_t *in, const es_rows_t *out,
                   uint32_t y0, uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
        float *q = es_row_float(out, y);
        for (uint32_t x = 0; x < out->w; x++) {
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;
            for (uint32_t c = 0; c < in->c; c++) {
                *q++ = es_clamp_float(of_window(p, in, top, left, c), p->act_min, p->act_max);
            }
        }
    }
}
