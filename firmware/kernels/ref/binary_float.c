/* ADD, SUB and MUL of float32, portable. */
#include "es_floats.h"

static float of_two(uint32_t function, float a, float b) {
    return function == ES_FLOAT_ADD ? a + b : function == ES_FLOAT_SUB ? a - b : a * b;
}

void es_binary_float(const es_binary_float_params_t *p, const es_rows_t *a, const es_rows_t *b,
                     const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint32_t a_step = a->c != 1, b_step = b->c != 1;

    for (uint32_t y = y0; y < y1; y++) {
        float *q = es_row_float(out, y);
        for (uint32_t x = 0; x < out->w; x++) {
            const float *a_pixel = es_wide_pixel(a, y, x), *b_pixel = es_wide_pixel(b, y, x);
            for (uint32_t c = 0; c < out->c; c++) {
                const float value = of_two(p->function, a_pixel[c * a_step], b_pixel[c * b_step]);
                *q++ = es_clamp_float(value, p->act_min, p->act_max);
            }
        }
    }
}
