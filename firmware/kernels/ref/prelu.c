/* PRELU, portable. */
#include "es_broadcast.h"
#include "es_kernels.h"

void es_prelu(const es_prelu_params_t *params, const es_rows_t *in, const es_rows_t *slopes,
              const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const es_prelu_params_t p = *params; /* a copy cannot alias the output */
    const uint32_t lines = es_line_count(in, slopes, out);

    for (uint32_t y = y0; y < y1; y++) {
        for (uint32_t x = 0; x < lines; x++) {
            es_line_t line = es_line_at(in, slopes, out, y, x, lines);
            for (uint32_t i = 0; i < line.n; i++) {
                const int32_t v = *line.a + p.input_offset;
                const int32_t q = v >= 0 ? es_requantize(v, p.positive_multiplier, p.positive_shift)
                                         : es_requantize(v * (*line.b + p.alpha_offset),
                                                         p.negative_multiplier, p.negative_shift);
                line.out[i] =
                    (int8_t)es_clamp(es_wrapping_add(q, p.output_zero_point), INT8_MIN, INT8_MAX);
                line.a += line.a_step;
                line.b += line.b_step;
            }
        }
    }
}
