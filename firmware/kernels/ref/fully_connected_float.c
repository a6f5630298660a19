/* FULLY_CONNECTED of float32, portable. */
#include "es_floats.h"

void es_fully_connected_float(const es_fully_connected_float_params_t *p, const float *weights,
                              const float *biases, const es_rows_t *in, const es_rows_t *out,
                              uint32_t y0, uint32_t y1) {
    const uint32_t depth = in->w * in->c;

    for (uint32_t y = y0; y < y1; y++) {
        const float *x = es_row_float(in, y);
        float *q = es_row_float(out, y);
        const float *w = weights;
        for (uint32_t n = 0; n < out->c; n++) {
            float sum = 0.0f;
            for (uint32_t k = 0; k < depth; k++) {
                sum += x[k] * *w++;
            }
            q[n] = es_clamp_float(sum + biases[n], p->act_min, p->act_max);
        }
    }
}
