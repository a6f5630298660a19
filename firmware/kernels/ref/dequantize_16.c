/* DEQUANTIZE from int16 to float32, portable. */
#include "es_sixteen.h"

void es_dequantize_16(const es_dequantize_params_t *p, const es_rows_t *in, const es_rows_t *out,
                      uint32_t y0, uint32_t y1) {
    const uint32_t n = out->w * out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int16_t *q = es_row_16(in, y);
        float *x = (float *)(void *)es_row(out, y);
        for (uint32_t i = 0; i < n; i++) {
            x[i] = p->scale * (float)q[i];
        }
    }
}
