/* MUL of int16, portable. */
#include "es_sixteen.h"

static int16_t mul(const es_mul_16_params_t *p, int32_t a, int32_t b) {
    return (int16_t)es_clamp(es_requantize(a * b, p->multiplier, p->shift), p->act_min, p->act_max);
}

void es_mul_16(const es_mul_16_params_t *p, const es_rows_t *a, const es_rows_t *b,
               const es_rows_t *out, uint32_t y0, uint32_t y1) {
    const uint32_t a_step = a->c != 1, b_step = b->c != 1;

    for (uint32_t y = y0; y < y1; y++) {
        int16_t *q = es_row_16(out, y);
        for (uint32_t x = 0; x < out->w; x++) {
            const int16_t *a_pixel = es_wide_pixel(a, y, x), *b_pixel = es_wide_pixel(b, y, x);
            for (uint32_t c = 0; c < out->c; c++) {
                *q++ = mul(p, a_pixel[c * a_step], b_pixel[c * b_step]);
            }
        }
    }
}
