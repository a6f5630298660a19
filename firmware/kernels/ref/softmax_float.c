/* SOFTMAX of float32, portable. */
#include "es_floats.h"

#include <float.h>

/* The exponentials are kept where the quotients go. */
static void softmax(float beta, const float *x, float *q, uint32_t n) {
    float most = -FLT_MAX, sum = 0.0f;

    for (uint32_t i = 0; i < n; i++) {
        most = x[i] > most ? x[i] : most;
    }
    for (uint32_t i = 0; i < n; i++) {
        q[i] = es_exp((x[i] - most) * beta);
        sum += q[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        q[i] /= sum;
    }
}

void es_softmax_float(const es_softmax_float_params_t *p, const es_rows_t *in, const es_rows_t *out,
                      uint32_t y0, uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const float *x = es_row_float(in, y);
        float *q = es_row_float(out, y);

        for (uint32_t i = 0; i < in->w; i++) {
            softmax(p->beta, x + i * in->c, q + i * in->c, in->c);
        }
    }
}
