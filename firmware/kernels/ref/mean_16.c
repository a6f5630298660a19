/* MEAN of int16, portable. */
#include "es_sixteen.h"

static int16_t mean_of(const es_mean_16_params_t *p, const int16_t *x) {
    const uint32_t *n = p->reduced_dims;
    const int32_t *step = p->reduced_strides;
    uint32_t sum = 0;

    for (uint32_t i = 0; i < n[0]; i++) {
        for (uint32_t j = 0; j < n[1]; j++) {
            for (uint32_t k = 0; k < n[2]; k++) {
                sum += (uint32_t)(int32_t)
                    x[(int32_t)i * step[0] + (int32_t)j * step[1] + (int32_t)k * step[2]];
            }
        }
    }
    return (int16_t)es_clamp(es_requantize((int32_t)sum, p->multiplier, p->shift), INT16_MIN,
                             INT16_MAX);
}

void es_mean_16(const es_mean_16_params_t *p, const es_rows_t *in, const es_rows_t *out,
                uint32_t y0, uint32_t y1) {
    for (uint32_t y = y0; y < y1; y++) {
        const int16_t *row = es_row_16(in, 0) + (int32_t)y * p->kept_strides[0];
        int16_t *q = es_row_16(out, y);
        for (uint32_t i = 0; i < p->kept_dims[1]; i++) {
            for (uint32_t j = 0; j < p->kept_dims[2]; j++) {
                const int32_t at =
                    (int32_t)i * p->kept_strides[1] + (int32_t)j * p->kept_strides[2];
                *q++ = mean_of(p, row + at);
            }
        }
    }
}
