/* MEAN, SUM and REDUCE_MAX over any dimensions, portable. */
#include "es_kernels.h"

/* `mask` is 0xFF where the elements are taken as uint8, else -1. */
static int32_t sum_of(const es_reduce_params_t *p, const int8_t *x, int32_t mask) {
    const uint32_t *n = p->reduced_dims;
    const int32_t *step = p->reduced_strides;
    uint32_t sum = (uint32_t)p->start;

    for (uint32_t i = 0; i < n[0]; i++) {
        for (uint32_t j = 0; j < n[1]; j++) {
            int32_t at = (int32_t)i * step[0] + (int32_t)j * step[1];
            for (uint32_t k = 0; k < n[2]; k++) {
                sum += (uint32_t)(x[at] & mask);
                at += step[2];
            }
        }
    }
    return (int32_t)sum;
}

static int8_t max_of(const es_reduce_params_t *p, const int8_t *x) {
    const uint32_t *n = p->reduced_dims;
    const int32_t *step = p->reduced_strides;
    int8_t max = INT8_MIN;

    for (uint32_t i = 0; i < n[0]; i++) {
        for (uint32_t j = 0; j < n[1]; j++) {
            int32_t at = (int32_t)i * step[0] + (int32_t)j * step[1];
            for (uint32_t k = 0; k < n[2]; k++) {
                max = x[at] > max ? x[at] : max;
                at += step[2];
            }
        }
    }
    return max;
}

/* An output element from its maximum or sum. */
static __attribute__((noinline)) int8_t reduced(const es_reduce_params_t *p, int32_t sum) {
    const int is_unsigned = p->mode == ES_REDUCE_SUM_UNSIGNED;

    if (p->mode == ES_REDUCE_MAX) {
        return (int8_t)sum;
    }
    const int32_t v = es_requantize(sum, p->multiplier, p->shift);
    return (int8_t)es_clamp(es_wrapping_add(v, p->output_zero_point), is_unsigned ? 0 : INT8_MIN,
                            is_unsigned ? UINT8_MAX : INT8_MAX);
}

void es_reduce(const es_reduce_params_t *p, const es_rows_t *in, const es_rows_t *out, uint32_t y0,
               uint32_t y1) {
    const int32_t mask = p->mode == ES_REDUCE_SUM_UNSIGNED ? 0xFF : -1;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *row = (const int8_t *)in->base + (int32_t)y * p->kept_strides[0];
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t i = 0; i < p->kept_dims[1]; i++) {
            for (uint32_t j = 0; j < p->kept_dims[2]; j++) {
                const int8_t *x =
                    row + ((int32_t)i * p->kept_strides[1] + (int32_t)j * p->kept_strides[2]);
                *q++ = reduced(p, p->mode == ES_REDUCE_MAX ? max_of(p, x) : sum_of(p, x, mask));
            }
        }
    }
}
