/* MEAN of float32, portable. */
#include "es_floats.h"

static float sum_of(const es_mean_float_params_t *p, const float *x) {
    const uint32_t *n = p->reduced_dims;
    const int32_t *step = p->reduced_strides;
    float sum = 0.0f;

    for (uint32_t i = 0; i < n[0]; i++) {
        for (uint32_t j = 0; j < n[1]; j++) {
            for (uint32_t k = 0; k < n[2]; k++) {
                sum += x[(int32_t)i * step[0] + (int32_t)j * step[1] + (int32_t)k * step[2]];
            }
        }
    }
    return sum;
}

void es_mean_float(const es_mean_float_params_t *p, const es_rows_t *in, const es_rows_t *out,
                   uint32_t y0, uint32_t y1) {
    const uint32_t *n = p->reduced_dims;
    const float count = (float)(n[0] * n[1] * n[2]);

    for (uint32_t y = y0; y < y1; y++) {
        const float *row = es_row_float(in, 0) + (int32_t)y * p->kept_strides[0];
        float *q = es_row_float(out, y);
        for (uint32_t i = 0; i < p->kept_dims[1]; i++) {
            for (uint32_t j = 0; j < p->kept_dims[2]; j++) {
                const int32_t at =
                    (int32_t)i * p->kept_strides[1] + (int32_t)j * p->kept_strides[2];
                *q++ = sum_of(p, row + at) / count;
            }
        }
    }
}
