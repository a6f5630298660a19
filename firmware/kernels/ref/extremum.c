/* MINIMUM and MAXIMUM, portable. */
#include "es_broadcast.h"
#include "es_kernels.h"

void es_extremum(const es_extremum_params_t *p, const es_rows_t *a, const es_rows_t *b,
                 const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint32_t lines = es_line_count(a, b, out);
    const int maximum = p->mode == ES_MAXIMUM;

    for (uint32_t y = y0; y < y1; y++) {
        for (uint32_t x = 0; x < lines; x++) {
            es_line_t line = es_line_at(a, b, out, y, x, lines);
            for (uint32_t i = 0; i < line.n; i++) {
                const int8_t v = *line.a, w = *line.b;
                line.out[i] = (v > w) == maximum ? v : w;
                line.a += line.a_step;
                line.b += line.b_step;
            }
        }
    }
}
