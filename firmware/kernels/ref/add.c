/* ADD and SUB, portable. */
#include "es_broadcast.h"
#include "es_kernels.h"

/* The part of a rounding shift to the right that is the same for every value. */
typedef struct rounding {
    int32_t right, half, sign_mask;
} rounding_t;

typedef struct numbers {
    es_add_params_t p; /* a copy cannot alias the output */
    int64_t bias_2;    /* offset_2 * multiplier_2, and half a unit */
    rounding_t input, output;
} numbers_t;

static rounding_t rounding_of(int32_t shift) {
    const int32_t right = -shift & 31;
    const rounding_t r = {right, right != 0 ? (int32_t)(1u << (right - 1)) : 0,
                          right != 0 ? -1 : 0};
    return r;
}

/* Ties away from zero: a negative value is nudged by one less. */
static inline int32_t shifted(rounding_t r, int32_t value) {
    return es_wrapping_add(value, r.half + ((value >> 31) & r.sign_mask)) >> r.right;
}

static inline int8_t sum_of(const numbers_t *n, int32_t a, int32_t b) {
    const es_add_params_t *p = &n->p;
    /* (b << 20) * multiplier, rounded to its upper half: the 20 zeros need not be multiplied. */
    const int32_t high = (int32_t)((b * (int64_t)p->multiplier_2 + n->bias_2) >> 11);
    const int32_t second = es_wrapping_mul(shifted(n->input, high), p->factor_2);
    const int32_t first = es_wrapping_add(es_wrapping_mul(a, p->factor_1), p->offset_1);
    const int64_t product = (int64_t)es_wrapping_add(first, second) * p->output_multiplier;
    const int32_t q = shifted(n->output, (int32_t)((product + (1 << 30)) >> 31));
    return (int8_t)es_clamp(es_wrapping_add(q, p->output_zero_point), p->act_min, p->act_max);
}

static inline void add_line(const numbers_t *n, es_line_t line, uint32_t a_step, uint32_t b_step) {
    for (uint32_t i = 0; i < line.n; i++) {
        line.out[i] = sum_of(n, line.a[i * a_step], line.b[i * b_step]);
    }
}

void es_add(const es_add_params_t *p, const es_rows_t *a, const es_rows_t *b, const es_rows_t *out,
            uint32_t y0, uint32_t y1) {
    const numbers_t n = {
        *p,
        (int64_t)p->offset_2 * p->multiplier_2 + (1 << 10),
        rounding_of(p->shift_2),
        rounding_of(p->output_shift),
    };
    const uint32_t lines = es_line_count(a, b, out);

    for (uint32_t y = y0; y < y1; y++) {
        for (uint32_t x = 0; x < lines; x++) {
            const es_line_t line = es_line_at(a, b, out, y, x, lines);
            if (line.a_step & line.b_step) {
                add_line(&n, line, 1, 1);
            } else {
                add_line(&n, line, line.a_step, line.b_step);
            }
        }
    }
}
