/* DEQUANTIZE to float32, portable. */
#include "es_kernels.h"

void es_dequantize(const es_dequantize_params_t *p, const es_rows_t *in, const es_rows_t *out,
                   uint32_t y0, uint32_t y1) {
    const uint32_t n = out->w * out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const int8_t *x = (const int8_t *)es_row(in, y);
        float *q = (float *)(void *)es_row(out, y);
        for (uint32_t i = 0; i < n; i++) {
            q[i] = p->scale * (float)(x[i] - p->zero_point);
        }
    }
}
