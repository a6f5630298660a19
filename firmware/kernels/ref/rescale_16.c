/* int8 and int16 by a factor, portable. */
#include "es_sixteen.h"

static int32_t rescaled(const es_rescale_16_params_t *p, int32_t element) {
    const int32_t v = es_wrapping_add(element, es_wrapping_mul(p->input_zero_point, -1));
    const int32_t y = v < 0 ? es_requantize(v, p->negative_multiplier, p->negative_shift)
                            : es_requantize(v, p->positive_multiplier, p->positive_shift);

    return es_clamp(es_wrapping_add(y, p->output_zero_point), p->act_min, p->act_max);
}

void es_rescale_16(const es_rescale_16_params_t *p, const es_rows_t *in, const es_rows_t *out,
                   uint32_t y0, uint32_t y1) {
    const uint32_t n = out->w * out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *narrow = (const int8_t *)es_row(in, y);
        const int16_t *wide = es_row_16(in, y);
        int8_t *narrow_out = (int8_t *)es_row(out, y);
        int16_t *wide_out = es_row_16(out, y);
        for (uint32_t i = 0; i < n; i++) {
            const int32_t value = rescaled(p, in->element_bytes == 2 ? wide[i] : narrow[i]);
            if (out->element_bytes == 2) {
                wide_out[i] = (int16_t)value;
            } else {
                narrow_out[i] = (int8_t)value;
            }
        }
    }
}
