/* ADD and SUB, portable. */
#include "es_broadcast.h"
#include "es_kernels.h"

/* A multiplication by multiplier * 2^-right / 2^31, rounded twice, of values for which neither the
 * product nor the rounding can overflow: ten instructions where es_requantize() takes sixteen. */
typedef struct scale {
    int32_t multiplier;
    int32_t right, half, sign_mask;
} scale_t;

static scale_t scale_of(int32_t multiplier, int32_t shift) {
    const int32_t right = -shift & 31;
    const scale_t s = {
        multiplier,
        right,
        right != 0 ? (int32_t)(1u << (right - 1)) : 0,
        right != 0 ? -1 : 0,
    };
    return s;
}

static inline int32_t apply(const scale_t *s, int32_t value) {
    const int32_t high = (int32_t)(((int64_t)value * s->multiplier + (1 << 30)) >> 31);
    /* Ties away from zero: a negative value is nudged by one less. */
    const int32_t nudge = s->half + ((high >> 31) & s->sign_mask);
    return es_wrapping_add(high, nudge) >> s->right;
}

void es_add(const es_add_params_t *params, const es_rows_t *a, const es_rows_t *b,
            const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const es_add_params_t p = *params; /* a copy cannot alias the output */
    const scale_t scale_a = scale_of(p.multiplier_1, p.shift_1);
    const scale_t scale_b = scale_of(p.multiplier_2, p.shift_2);
    const scale_t scale_out = scale_of(p.output_multiplier, p.output_shift);
    const int32_t left = p.left_shift;
    const int32_t subtract = (int32_t)(p.subtract & 1u);
    const uint32_t lines = es_line_count(a, b, out);

    for (uint32_t y = y0; y < y1; y++) {
        for (uint32_t x = 0; x < lines; x++) {
            es_line_t line = es_line_at(a, b, out, y, x, lines);
            for (uint32_t i = 0; i < line.n; i++) {
                const int32_t v = apply(&scale_a, es_shift_left(*line.a + p.offset_1, left));
                const int32_t w = apply(&scale_b, es_shift_left(*line.b + p.offset_2, left));
                const int32_t sum = es_wrapping_add(v, es_wrapping_add(w ^ -subtract, subtract));
                const int32_t q = apply(&scale_out, sum);
                line.out[i] =
                    (int8_t)es_clamp(es_wrapping_add(q, p.output_zero_point), p.act_min, p.act_max);
                line.a += line.a_step;
                line.b += line.b_step;
            }
        }
    }
}
