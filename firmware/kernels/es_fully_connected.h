/* What the variants of FULLY_CONNECTED share: all but the dot products. */
#ifndef ES_FULLY_CONNECTED_H
#define ES_FULLY_CONNECTED_H

#include "es_kernels.h"

/* What the whole and the sum share is there once. */
#define ES_OUT_OF_LINE __attribute__((noinline))

/* acc[i] += sum_k x[k] * w[i * depth + k], which each variant has its own of. Sums are unsigned:
 * they wrap, as TensorFlow Lite's do. */
void es_dot_four(const int8_t *x, uint32_t run, const int8_t *w, uint32_t depth, uint32_t acc[4]);

/* acc + sum_k x[k] * w[k] */
uint32_t es_dot(const int8_t *x, uint32_t run, const int8_t *w, uint32_t acc);

static ES_OUT_OF_LINE int8_t es_dot_finish(const es_fully_connected_params_t *p, uint32_t acc,
                                           const es_channel_t *ch) {
    const int32_t q = es_requantize_once((int32_t)acc, ch->multiplier, ch->shift);
    return (int8_t)es_clamp(es_wrapping_add(q, p->output_zero_point), p->act_min, p->act_max);
}

static inline void es_fully_connected_rows(const es_fully_connected_params_t *p,
                                           const es_rows_t *in, const es_rows_t *out,
                                           const int8_t *weights, const es_channel_t *channels,
                                           uint32_t y0, uint32_t y1) {
    const uint32_t depth = in->w * in->c;
    const uint32_t outputs = out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        int8_t *q = (int8_t *)es_row(out, y);
        uint32_t n = 0;

        for (; n + 4 <= outputs; n += 4) {
            uint32_t acc[4];
            for (uint32_t i = 0; i < 4; i++) {
                acc[i] = (uint32_t)channels[n + i].bias;
            }
            es_dot_four(x, depth, weights + n * depth, depth, acc);
            for (uint32_t i = 0; i < 4; i++) {
                q[n + i] = es_dot_finish(p, acc[i], &channels[n + i]);
            }
        }
        for (; n < outputs; n++) {
            const uint32_t bias = (uint32_t)channels[n].bias;
            q[n] = es_dot_finish(p, es_dot(x, depth, weights + n * depth, bias), &channels[n]);
        }
    }
}

static inline void es_fully_connected_sum_rows(const es_fully_connected_params_t *p,
                                               const es_rows_t *in, const es_rows_t *out,
                                               const int8_t *weights, const es_channel_t *channels,
                                               uint32_t *sums, uint32_t y0, uint32_t y1) {
    const uint32_t run = in->w * in->c, depth = in->h * run;
    const uint32_t outputs = out->c;
    int8_t *q = (int8_t *)es_row(out, 0);

    for (uint32_t n = 0; y0 == 0 && n < outputs; n++) {
        sums[n] = (uint32_t)channels[n].bias;
    }
    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y), *w = weights + y * run;
        uint32_t n = 0;

        for (; n + 4 <= outputs; n += 4) {
            es_dot_four(x, run, w + n * depth, depth, sums + n);
        }
        for (; n < outputs; n++) {
            sums[n] = es_dot(x, run, w + n * depth, sums[n]);
        }
    }
    for (uint32_t n = 0; y1 == in->h && n < outputs; n++) {
        q[n] = es_dot_finish(p, sums[n], &channels[n]);
    }
}

#endif
