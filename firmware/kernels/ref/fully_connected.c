/* FULLY_CONNECTED, portable: four outputs at a time share each input load. */
#include "es_fully_connected.h"

void es_dot_four(const int8_t *x, uint32_t run, const int8_t *w, uint32_t depth, uint32_t acc[4]) {
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

uint32_t es_dot(const int8_t *x, uint32_t run, const int8_t *w, uint32_t acc) {
    for (uint32_t k = 0; k < run; k++) {
        acc += (uint32_t)(x[k] * w[k]);
    }
    return acc;
}

void es_fully_connected(const es_fully_connected_params_t *p, const es_rows_t *in,
                        const es_rows_t *out, const int8_t *weights, const es_channel_t *channels,
                        uint32_t y0, uint32_t y1) {
    es_fully_connected_rows(p, in, out, weights, channels, y0, y1);
}

void es_fully_connected_sum(const es_fully_connected_params_t *p, const es_rows_t *in,
                            const es_rows_t *out, const int8_t *weights,
                            const es_channel_t *channels, uint32_t *sums, uint32_t y0,
                            uint32_t y1) {
    es_fully_connected_sum_rows(p, in, out, weights, channels, sums, y0, y1);
}
