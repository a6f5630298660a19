/* FULLY_CONNECTED, portable: four outputs at a time share each input load. */
#include "es_kernels.h"

/* Sums are unsigned: they wrap, as TensorFlow Lite's do. */
static void dot_four(const int8_t *x, const int8_t *w, uint32_t depth, uint32_t acc[4]) {
    const int8_t *w1 = w + depth, *w2 = w1 + depth, *w3 = w2 + depth;
    uint32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];

    for (uint32_t k = 0; k < depth; k++) {
        const int32_t v = x[k];
        a0 += (uint32_t)(v * w[k]);
        a1 += (uint32_t)(v * w1[k]);
        a2 += (uint32_t)(v * w2[k]);
        a3 += (uint32_t)(v * w3[k]);
    }
    acc[0] = a0, acc[1] = a1, acc[2] = a2, acc[3] = a3;
}

static int8_t finish(const es_fully_connected_params_t *p, uint32_t acc, const es_channel_t *ch) {
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
            dot_four(x, weights + n * depth, depth, acc);
            for (uint32_t i = 0; i < 4; i++) {
                q[n + i] = finish(p, acc[i], &channels[n + i]);
            }
        }
        for (; n < outputs; n++) {
            const int8_t *w = weights + n * depth;
            uint32_t acc = (uint32_t)channels[n].bias;
            for (uint32_t k = 0; k < depth; k++) {
                acc += (uint32_t)(x[k] * w[k]);
            }
            q[n] = finish(p, acc, &channels[n]);
        }
    }
}
