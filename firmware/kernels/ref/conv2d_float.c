/* CONV_2D of float32, portable: four output channels of a group at once, the last ones one by one.
 * Each sum grows in the order of the taps. */
#include "es_floats.h"
#include "es_runs.h"

/* Adds the products of a window to the sums of `lanes` channels, 4 or 1, whose first weights are
 * `w`; `c0`: the group's first input channel. */
static void add_window(const es_conv2d_float_params_t *p, const es_window_t *window,
                       const es_rows_t *in, int32_t top, uint32_t c0, const float *w,
                       float sums[ES_RUN_LANES], uint32_t lanes) {
    const uint32_t line = p->kernel_w * p->weight_c, apart = p->kernel_h * line;

    for (uint32_t i = window->rows.first; i < window->rows.end; i++) {
        const float *x = es_row_float(in, (uint32_t)top + i * p->dilation_h) + c0 + window->x;
        const float *weights = w + i * line + window->w;
        for (uint32_t run = 0; run < window->runs; run++) {
            if (lanes == ES_RUN_LANES) {
                es_add_runs_float(sums, x, weights, apart, window->count);
            } else {
                es_add_run_float(sums, x, weights, window->count);
            }
            x += window->x_step;
            weights += window->w_step;
        }
    }
}

void es_conv2d_float(const es_conv2d_float_params_t *p, const float *weights, const float *biases,
                     const es_rows_t *in, const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint32_t per_group = out->c / (in->c / p->weight_c);
    const uint32_t weights_each = p->kernel_h * p->kernel_w * p->weight_c;

    for (uint32_t y = y0; y < y1; y++) {
        const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
        const es_taps_t rows = es_taps(top, in->h, p->dilation_h, p->kernel_h);
        float *q = es_row_float(out, y);
        for (uint32_t x = 0; x < out->w; x++) {
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;
            const es_window_t window =
                es_window(rows, in, left, p->kernel_w, p->dilation_w, p->weight_c, 1);
            const float *w = weights, *bias = biases;
            for (uint32_t c0 = 0; c0 < in->c; c0 += p->weight_c) {
                for (uint32_t n = per_group, lanes; n > 0; n -= lanes) {
                    lanes = n >= ES_RUN_LANES ? ES_RUN_LANES : 1;
                    float sums[ES_RUN_LANES] = {0.0f};
                    add_window(p, &window, in, top, c0, w, sums, lanes);
                    for (uint32_t lane = 0; lane < lanes; lane++) {
                        *q++ = es_clamp_float(sums[lane] + *bias++, p->act_min, p->act_max);
                    }
                    w += lanes * weights_each;
                }
            }
        }
    }
}
