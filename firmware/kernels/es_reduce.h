/* MEAN, SUM and REDUCE_MAX over any dimensions, on all cores. */
#ifndef ES_REDUCE_H
#define ES_REDUCE_H

#include "es_kernels.h"

/* `mask` is 0xFF where the elements are taken as uint8, else -1. */
static inline int32_t es_sum_of(const es_reduce_params_t *p, const int8_t *x, int32_t mask) {
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

static inline int8_t es_max_of(const es_reduce_params_t *p, const int8_t *x) {
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
static __attribute__((noinline)) int8_t es_reduced(const es_reduce_params_t *p, int32_t sum) {
    const int is_unsigned = p->mode == ES_REDUCE_SUM_UNSIGNED;

    if (p->mode == ES_REDUCE_MAX) {
        return (int8_t)sum;
    }
    const int32_t v = es_requantize(sum, p->multiplier, p->shift);
    return (int8_t)es_clamp(es_wrapping_add(v, p->output_zero_point), is_unsigned ? 0 : INT8_MIN,
                            is_unsigned ? UINT8_MAX : INT8_MAX);
}

static inline void es_reduce_any(const es_reduce_params_t *p, const es_rows_t *in,
                                 const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const int32_t mask = p->mode == ES_REDUCE_SUM_UNSIGNED ? 0xFF : -1;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *row = (const int8_t *)in->base + (int32_t)y * p->kept_strides[0];
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t i = 0; i < p->kept_dims[1]; i++) {
            for (uint32_t j = 0; j < p->kept_dims[2]; j++) {
                const int8_t *x =
                    row + ((int32_t)i * p->kept_strides[1] + (int32_t)j * p->kept_strides[2]);
                *q++ = es_reduced(p, p->mode == ES_REDUCE_MAX ? es_max_of(p, x)
                                                              : es_sum_of(p, x, mask));
            }
        }
    }
}

static inline void es_reduce_sum_any(const es_reduce_params_t *p, const es_rows_t *in,
                                     const es_rows_t *out, uint32_t *sums, uint32_t y0,
                                     uint32_t y1) {
    const uint32_t length = in->w * in->c, channels = out->w * out->c;
    const int32_t mask = p->mode == ES_REDUCE_SUM_UNSIGNED ? 0xFF : -1;
    const int is_max = p->mode == ES_REDUCE_MAX;
    const int32_t start = is_max ? INT8_MIN : p->start;
    int8_t *q = (int8_t *)es_row(out, 0);
    uint32_t c = y0 * length % channels;

    for (uint32_t n = 0; y0 == 0 && n < channels; n++) {
        sums[n] = (uint32_t)start;
    }
    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y), *end = x + length;

        for (; x != end; x++) {
            const uint32_t value = (uint32_t)(*x & mask);
            if (!is_max) {
                sums[c] += value;
            } else if (*x > (int32_t)sums[c]) {
                sums[c] = value;
            }
            c = c + 1 == channels ? 0 : c + 1;
        }
    }
    for (uint32_t n = 0; y1 == in->h && n < channels; n++) {
        q[n] = es_reduced(p, (int32_t)sums[n]);
    }
}

#endif
