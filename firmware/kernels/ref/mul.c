/* MUL, portable. */
#include "es_broadcast.h"
#include "es_kernels.h"

void es_mul(const es_mul_params_t *params, const es_rows_t *a, const es_rows_t *b,
            const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const es_mul_params_t p = *params; /* a copy cannot alias the output */
    const uint32_t lines = es_line_count(a, b, out);

    for (uint32_t y = y0; y < y1; y++) {
        for (uint32_t x = 0; x < lines; x++) {
            es_line_t line = es_line_at(a, b, out, y, x, lines);
            for (uint32_t i = 0; i < line.n; i++) {
                const int32_t product = (*line.a + p.offset_1) * (*line.b + p.offset_2);
                const int32_t q = es_requantize(product, p.output_multiplier, p.output_shift);
                line.out[i] =
                    (int8_t)es_clamp(es_wrapping_add(q, p.output_zero_point), p.act_min, p.act_max);
                line.a += line.a_step;
                line.b += line.b_step;
            }
        }
    }
}
