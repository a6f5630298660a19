/* RELU, RELU6, RELU_N1_TO_1, LOGISTIC and TANH of float32, portable. */
#include "es_floats.h"

static float logistic(float x) {
    const float power = es_exp(x < 0.0f ? x : -x);

    return (x < 0.0f ? power : 1.0f) / (1.0f + power);
}

/* Up to ln(2) / 2 by Taylor's polynomial of degree 9, wrong by less than 2.3e-7 of tanh(x): the
 * difference from 1 loses too much there. */
static float tanh_of(float x) {
    const float size = x < 0.0f ? -x : x, square = x * x;

    if (size < 0.34657359f) {
        const float series =
            square *
            (-1.0f / 3.0f +
             square * (2.0f / 15.0f + square * (-17.0f / 315.0f + square * (62.0f / 2835.0f))));
        return x + x * series;
    }
    const float value = 1.0f - 2.0f / (es_exp(2.0f * size) + 1.0f);
    return x < 0.0f ? -value : value;
}

void es_unary_float(const es_unary_float_params_t *p, const es_rows_t *in, const es_rows_t *out,
                    uint32_t y0, uint32_t y1) {
    const uint32_t n = out->w * out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const float *x = es_row_float(in, y);
        float *q = es_row_float(out, y);
        for (uint32_t i = 0; i < n; i++) {
            q[i] = p->function == ES_FLOAT_LOGISTIC ? logistic(x[i])
                   : p->function == ES_FLOAT_TANH   ? tanh_of(x[i])
                                                    : es_clamp_float(x[i], p->low, p->high);
        }
    }
}
