/* CONV_2D of float32, portable. */
#include "es_floats.h"

static float sum_of(const es_conv2d_float_params_t *p, const float *weights, const es_rows_t *in,
                    uint32_t c0, int32_t top, int32_t left) {
    const es_taps_t ky = es_taps(top, in->h, p->dilation_h, p->kernel_h);
    const es_taps_t kx = es_taps(left, in->w, p->dilation_w, p->kernel_w);
    float sum = 0.0f;

    for (uint32_t i = ky.first; i < ky.end; i++) {
        const float *row = es_row_float(in, (uint32_t)top + i * p->dilation_h) + c0;
        for (uint32_t j = kx.first; j < kx.end; j++) {
            const float *x = row + ((uint32_t)left + j * p->dilation_w) * in->c;
            const float *w = weights + (i * p->kernel_w + j) * p->weight_c;
            for (uint32_t c = 0; c < p->weight_c; c++) {
                sum += x[c] * w[c];
            }
        }
    }
    return sum;
}

void es_conv2d_float(const es_conv2d_float_params_t *p, const float *weights, const float *biases,
                     const es_rows_t *in, const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint32_t per_group = out->c / (in->c / p->weight_c);
    const uint32_t window = (uint32_t)p->kernel_h * p->kernel_w * p->weight_c;

    for (uint32_t y = y0; y < y1; y++) {
        const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
        float *q = es_row_float(out, y);
        for (uint32_t x = 0; x < out->w; x++) {
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;
            for (uint32_t n = 0; n < out->c; n++) {
                const float sum =
                    sum_of(p, weights + n * window, in, n / per_group * p->weight_c, top, left);
                *q++ = es_clamp_float(sum + biases[n], p->act_min, p->act_max);
            }
        }
    }
}
