/* DEPTHWISE_CONV_2D of int16, portable: four channels at once where each has one filter. */
#include "es_runs.h"
#include "es_sixteen.h"

/* Adds the products of a kernel row to the sums of one channel. */
static void add_row(const es_window_t *window, const int16_t *x, const int8_t *w, uint32_t out_c,
                    uint64_t *sum) {
    for (uint32_t left = window->runs; left > 0;) {
        const uint32_t some = left < ES_RUN_INT32_SUM ? left : ES_RUN_INT32_SUM;
        int32_t partial = 0;

        for (uint32_t tap = 0; tap < some; tap++) {
            partial += *x * *w;
            x += window->x_step;
            w += out_c;
        }
        *sum += (uint64_t)(int64_t)partial;
        left -= some;
    }
}

/* The same of four that lie side by side in the image and in the weights. */
static void add_rows(const es_window_t *window, const int16_t *x, const int8_t *w, uint32_t out_c,
                     uint64_t sums[ES_RUN_LANES]) {
    for (uint32_t left = window->runs; left > 0;) {
        const uint32_t some = left < ES_RUN_INT32_SUM ? left : ES_RUN_INT32_SUM;
        int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;

        for (uint32_t tap = 0; tap < some; tap++) {
            s0 += x[0] * w[0];
            s1 += x[1] * w[1];
            s2 += x[2] * w[2];
            s3 += x[3] * w[3];
            x += window->x_step;
            w += out_c;
        }
        sums[0] += (uint64_t)(int64_t)s0;
        sums[1] += (uint64_t)(int64_t)s1;
        sums[2] += (uint64_t)(int64_t)s2;
        sums[3] += (uint64_t)(int64_t)s3;
        left -= some;
    }
}

void es_depthwise_16(const es_depthwise_16_params_t *p, const int8_t *weights,
                     const es_channel_16_t *channels, const es_rows_t *in, const es_rows_t *out,
                     uint32_t y0, uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const int32_t top = (int32_t)(y * p->stride_h) - p->pad_top;
        const es_taps_t rows = es_taps(top, in->h, p->dilation_h, p->kernel_h);
        int16_t *q = es_row_16(out, y);
        for (uint32_t x = 0; x < out->w; x++) {
            const int32_t left = (int32_t)(x * p->stride_w) - p->pad_left;
            const es_window_t window = es_window(rows, in, left, p->kernel_w, p->dilation_w, 1, 0);
            for (uint32_t n = 0, lanes; n < out->c; n += lanes) {
                lanes = p->multiplier == 1 && n + ES_RUN_LANES <= out->c ? ES_RUN_LANES : 1;
                const uint32_t c = lanes == 1 ? n / p->multiplier : n;
                uint64_t sums[ES_RUN_LANES] = {0};
                for (uint32_t i = rows.first; i < rows.end; i++) {
                    const int16_t *source =
                        es_row_16(in, (uint32_t)top + i * p->dilation_h) + window.x + c;
                    const int8_t *w = weights + (i * p->kernel_w + window.w) * out->c + n;
                    if (lanes == 1) {
                        add_row(&window, source, w, out->c, sums);
                    } else {
                        add_rows(&window, source, w, out->c, sums);
                    }
                }
                for (uint32_t lane = 0; lane < lanes; lane++) {
                    const es_channel_16_t *channel = &channels[n + lane];
                    const uint64_t sum = sums[lane] + (uint64_t)channel->bias;
                    *q++ = es_finish_16(sum, channel, p->act_min, p->act_max);
                }
            }
        }
    }
}
