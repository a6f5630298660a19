/* FULLY_CONNECTED, portable: four outputs at a time share each input load. */
#include "es_kernels.h"

/* What the whole and the sum share is there once. */
#define ES_OUT_OF_LINE __attribute__((noinline))

/* Sums are unsigned: they wrap, as TensorFlow Lite's do. */
static ES_OUT_OF_LINE void dot_four(const int8_t *x, uint32_t run, const int8_t *w, uint32_t depth,
                                    uint32_t acc[4]) {
    const int8_t *w1 = w + depth, *w2 = w1 + depth, *w3 = w2 + depth;
    uint32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];

    for (uint32_t k = 0; k < run; k++) {
        const int32_t v = x[k];
        a0 += (uint32_t)(v * w[k]);
        a1 += (uint32_t)(v * w1[k]);
        a2 += (uint32_t)(v * w2[k]);
        a3 += (uint32_t)(v * w3[k]);
    }
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
}

static ES_OUT_OF_LINE uint32_t dot(const int8_t *x, uint32_t run, const int8_t *w, uint32_t acc) {
    for (uint32_t k = 0; k < run; k++) {
        acc += (uint32_t)(x[k] * w[k]);
    }
    return acc;
}

static ES_OUT_OF_LINE int8_t finish(const es_fully_connected_params_t *p, uint32_t acc,
                                    const es_channel_t *ch) {
    const int32_t q = es_requantize_once((int32_t)acc, ch->multiplier, ch->shift);
    return (int8_t)es_clamp(es_wrapping_add(q, p->output_zero_point), p->act_min, p->act_max);
}

void es_fully_connected(const es_fully_connected_params_t *p, const es_rows_t *in,
                        const es_rows_t *out, const int8_t *weights, const es_channel_t *channels,
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
            dot_four(x, depth, weights + n * depth, depth, acc);
            for (uint32_t i = 0; i < 4; i++) {
                q[n + i] = finish(p, acc[i], &channels[n + i]);
            }
        }
        for (; n < outputs; n++) {
            const uint32_t bias = (uint32_t)channels[n].bias;
            q[n] = finish(p, dot(x, depth, weights + n * depth, bias), &channels[n]);
        }
    }
}

void es_fully_connected_sum(const es_fully_connected_params_t *p, const es_rows_t *in,
                            const es_rows_t *out, const int8_t *weights,
                            const es_channel_t *channels, uint32_t *sums, uint32_t y0,
                            uint32_t y1) {
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
            dot_four(x, run, w + n * depth, depth, sums + n);
        }
        for (; n < outputs; n++) {
            sums[n] = dot(x, run, w + n * depth, sums[n]);
        }
    }
    for (uint32_t n = 0; y1 == in->h && n < outputs; n++) {
        q[n] = finish(p, sums[n], &channels[n]);
    }
}
