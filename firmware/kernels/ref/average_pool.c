/* AVERAGE_POOL_2D, portable. */
#include "es_kernels.h"
#include "es_pool.h"
#include "es_taps.h"

static __attribute__((noinline)) int8_t finish(const es_pool_params_t *p, int32_t sum,
                                               uint32_t count) {
    return es_mean(p, sum, count);
}

void es_average_pool(const es_pool_params_t *p, const es_rows_t *in, const es_rows_t *out,
                     uint32_t y0, uint32_t y1) {
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
                int32_t sum = 0;
                for (uint32_t k = ky.first; k < ky.end; k++) {
                    const int8_t *v = (const int8_t *)es_row(in, (uint32_t)top + k) + offset + c;
                    for (uint32_t i = 0; i < columns; i++, v += in->c) {
                        sum += *v;
                    }
                }
                *q++ = finish(p, sum, (ky.end - ky.first) * columns);
            }
        }
    }
}

void es_average_pool_sum(const es_pool_params_t *p, const es_rows_t *in, const es_rows_t *out,
                         uint32_t *sums, uint32_t y0, uint32_t y1) {
    const uint32_t channels = out->c, count = in->h * in->w * in->c / channels;
    int8_t *q = (int8_t *)es_row(out, 0);

    for (uint32_t n = 0; y0 == 0 && n < channels; n++) {
        sums[n] = 0;
    }
    es_add_elements(in, sums, channels, y0, y1);
    for (uint32_t n = 0; y1 == in->h && n < channels; n++) {
        q[n] = finish(p, (int32_t)sums[n], count);
    }
}
