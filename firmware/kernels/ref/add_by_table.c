/* ADD by a table, portable: the twin of ../dsp. */
#include "es_kernels.h"

static int8_t sum_of(const es_add_by_table_params_t *p, int32_t a, int32_t scaled) {
    const int32_t sum = es_wrapping_add(es_shift_left(a, 20), scaled);
    const int64_t product = (int64_t)sum * p->multiplier + ((int64_t)1 << 31);
    const int32_t v = es_wrapping_add((int32_t)(product >> 32), p->addend);
    const int32_t q = es_clamp(es_wrapping_add(v, sum >> 31) >> p->exponent, INT8_MIN, INT8_MAX);

    return (int8_t)es_clamp(q, p->act_min, p->act_max);
}

void es_add_by_table(const es_add_by_table_params_t *p, const es_rows_t *a, const es_rows_t *b,
                     const es_rows_t *out, const int32_t table[256], uint32_t y0, uint32_t y1) {
    const uint32_t n = out->w * out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x1 = (const int8_t *)es_row(a, y);
        const uint8_t *x2 = es_row(b, y);
        int8_t *q = (int8_t *)es_row(out, y);

        for (uint32_t i = 0; i < n; i++) {
            q[i] = sum_of(p, x1[i], table[x2[i]]);
        }
    }
}
