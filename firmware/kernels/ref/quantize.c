/* QUANTIZE from float32, portable: no libm. */
#include "es_kernels.h"

/* To nearest, ties away from zero, saturating; NaN becomes the zero point. */
static int32_t quantized(const es_quantize_params_t *p, float value) {
    const float scaled = value / p->scale;
    const float limit = 1024.0f; /* beyond every 8-bit range around every zero point */

    if (!(scaled > -limit)) {
        return scaled <= -limit ? p->low : p->zero_point;
    }
    if (scaled >= limit) {
        return p->high;
    }
    int32_t whole = (int32_t)scaled;
    const float rest = scaled - (float)whole;
    whole += rest >= 0.5f ? 1 : rest <= -0.5f ? -1 : 0;
    return es_clamp(whole + p->zero_point, p->low, p->high);
}

void es_quantize(const es_quantize_params_t *p, const es_rows_t *in, const es_rows_t *out,
                 uint32_t y0, uint32_t y1) {
    const uint32_t n = out->w * out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const float *x = (const float *)(const void *)es_row(in, y);
        uint8_t *q = es_row(out, y);
        for (uint32_t i = 0; i < n; i++) {
            q[i] = (uint8_t)quantized(p, x[i]);
        }
    }
}
