/* MAX_POOL_2D, portable. */
#include "es_kernels.h"
#include "es_taps.h"

void es_max_pool(const es_pool_params_t *p, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
                 uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
        const es_taps_t ky = es_taps(top, in->h, 1, p->kernel_h);
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t x = 0; x < out->w; x++) {
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;
            const es_taps_t kx = es_taps(left, in->w, 1, p->kernel_w);
            const uint32_t columns = kx.end - kx.first;
            const uint32_t offset = ((uint32_t)left + kx.first) * in->c;

            for (uint32_t c = 0; c < in->c; c++) {
                int32_t most = INT8_MIN;
                for (uint32_t k = ky.first; k < ky.end; k++) {
                    const int8_t *v = (const int8_t *)es_row(in, (uint32_t)top + k) + offset + c;
                    for (uint32_t i = 0; i < columns; i++, v += in->c) {
                        most = *v > most ? *v : most;
                    }
                }
                *q++ = (int8_t)es_clamp(most, p->act_min, p->act_max);
            }
        }
    }
}
