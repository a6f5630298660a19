/* DEPTHWISE_CONV_2D of float32, portable: four channels at once where each has one filter. */
#include "es_floats.h"
#include "es_runs.h"

/* Adds the products of a kernel row to the sum of one channel, in the order of the taps. */
static void add_row(const es_window_t *window, const float *x, const float *w, uint32_t out_c,
                    float *sum) {
    float all = *sum;

    for (uint32_t tap = 0; tap < window->runs; tap++) {
        all += *x * *w;
        x += window->x_step;
        w += out_c;
    }
    *sum = all;
}

/* The same of four that lie side by side in the image and in the weights. */
static void add_rows(const es_window_t *window, const float *x, const float *w, uint32_t out_c,
                     float sums[ES_RUN_LANES]) {
    float s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];

    for (uint32_t tap = 0; tap < window->runs; tap++) {
        s0 += x[0] * w[0];
        s1 += x[1] * w[1];
        s2 += x[2] * w[2];
        s3 += x[3] * w[3];
        x += window->x_step;
        w += out_c;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

void es_depthwise_float(const es_depthwise_float_params_t *p, const float *weights,
                        const float *biases, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
                        uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
        const es_taps_t rows = es_taps(top, in->h, p->dilation_h, p->kernel_h);
        float *q = es_row_float(out, y);
        for (uint32_t x = 0; x < out->w; x++) {
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;
            const es_window_t window = es_window(rows, in, left, p->kernel_w, p->dilation_w, 1, 0);
            for (uint32_t n = 0, lanes; n < out->c; n += lanes) {
                lanes = p->multiplier == 1 && n + ES_RUN_LANES <= out->c ? ES_RUN_LANES : 1;
                const uint32_t c = lanes == 1 ? n / p->multiplier : n;
                float sums[ES_RUN_LANES] = {0.0f};
                for (uint32_t i = rows.first; i < rows.end; i++) {
                    const float *source =
                        es_row_float(in, (uint32_t)top + i * p->dilation_h) + window.x + c;
                    const float *w = weights + (i * p->kernel_w + window.w) * out->c + n;
                    if (lanes == 1) {
                        add_row(&window, source, w, out->c, sums);
                    } else {
                        add_rows(&window, source, w, out->c, sums);
                    }
                }
                for (uint32_t lane = 0; lane < lanes; lane++) {
                    *q++ = es_clamp_float(sums[lane] + biases[n + lane], p->act_min, p->act_max);
                }
            }
        }
    }
}
