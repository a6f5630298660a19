/* CONV_2D of int16, portable. */
#include "es_sixteen.h"

static uint64_t sum_of(const es_conv2d_16_params_t *p, const int8_t *weights, const es_rows_t *in,
                       uint32_t c0, int32_t top, int32_t left, uint64_t sum) {
    const es_taps_t ky = es_taps(top, in->h, p->dilation_h, p->kernel_h);
    const es_taps_t kx = es_taps(left, in->w, p->dilation_w, p->kernel_w);

    for (uint32_t i = ky.first; i < ky.end; i++) {
        const int16_t *row = es_row_16(in, (uint32_t)top + i * p->dilation_h) + c0;
        for (uint32_t j = kx.first; j < kx.end; j++) {
            const int16_t *x = row + ((uint32_t)left + j * p->dilation_w) * in->c;
            const int8_t *w = weights + (i * p->kernel_w + j) * p->weight_c;
            for (uint32_t c = 0; c < p->weight_c; c++) {
                sum += (uint64_t)(int64_t)(x[c] * w[c]);
            }
        }
    }
    return sum;
}

void es_conv2d_16(const es_conv2d_16_params_t *p, const int8_t *weights,
                  const es_channel_16_t *channels, const es_rows_t *in, const es_rows_t *out,
                  uint32_t y0, uint32_t y1) {
    const uint32_t per_group = out->c / (in->c / p->weight_c);
    const uint32_t window = (uint32_t)p->kernel_h * p->kernel_w * p->weight_c;

    for (uint32_t y = y0; y < y1; y++) {
        const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
        int16_t *q = es_row_16(out, y);
        for (uint32_t x = 0; x < out->w; x++) {
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;
            for (uint32_t n = 0; n < out->c; n++) {
                const uint64_t sum =
                    sum_of(p, weights + n * window, in, n / per_group * p->weight_c, top, left,
                           (uint64_t)channels[n].bias);
                *q++ = es_finish_16(sum, &channels[n], p->act_min, p->act_max);
            }
        }
    }
}
