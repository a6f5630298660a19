/* QUANTIZE from float32 to int16, portable: no libm. */
#include "es_sixteen.h"

/* To nearest, ties away from zero, saturating; NaN becomes 0. */
static int16_t quantized(float scaled) {
    if (!(scaled > -32768.0f)) {
        return scaled <= -32768.0f ? INT16_MIN : 0;
    }
    if (scaled >= 32767.0f) {
        return INT16_MAX;
    }
    const int32_t whole = (int32_t)scaled;
    const float rest = scaled - (float)whole;
    return (int16_t)(whole + (rest >= 0.5f ? 1 : rest <= -0.5f ? -1 : 0));
}

void es_quantize_16(const es_quantize_params_t *p, const es_rows_t *in, const es_rows_t *out,
                    uint32_t y0, uint32_t y1) {
    const uint32_t n = out->w * out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const float *x = (const float *)(const void *)es_row(in, y);
        int16_t *q = es_row_16(out, y);
        for (uint32_t i = 0; i < n; i++) {
            q[i] = quantized(x[i] / p->scale);
        }
    }
}
