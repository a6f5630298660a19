/* Any function of one 8-bit element, as a table. */
#include "es_kernels.h"

void es_look_up(const es_rows_t *in, const es_rows_t *out, const uint8_t table[256], uint32_t y0,
                uint32_t y1) {
    const uint32_t n = out->w * out->c;

    for (uint32_t y = y0; y < y1; y++) {
        const uint8_t *x = es_row(in, y);
        uint8_t *q = es_row(out, y);
        for (uint32_t i = 0; i < n; i++) {
            q[i] = table[x[i]];
        }
    }
}
